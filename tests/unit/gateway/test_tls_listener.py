"""Accepting for TLS: what a storm of connections may cost those who are connected."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_network
from pathlib import Path

from gateway import Gateway, GatewaySettings
from linkage.clock import SystemClock
from tests.fakes.certificates import Files
from tests.fakes.core import FakeCore

STORM = 200


async def test_a_storm_of_connections_that_are_turned_away_leaves_the_loop_its_turns(
    core: FakeCore, tmp_path: Path
) -> None:
    settings = GatewaySettings(allow=(ip_network("10.0.0.0/8"),))
    files = Files(tmp_path).tls()
    gateway = Gateway(
        core, [], [], settings, SystemClock(), listen_tls=[("127.0.0.1", 0)], tls=files
    )
    await gateway.start()
    turned_away = gateway.figures.turned_away
    fars = [socket.create_connection(gateway.secure_addresses[0]) for _ in range(STORM)]
    most, before = 0, turned_away["allow"]
    while turned_away["allow"] < STORM:
        await asyncio.sleep(0)
        most, before = max(most, turned_away["allow"] - before), turned_away["allow"]
    for far in fars:
        far.close()
    await gateway.close()
    assert most <= 2, f"{most} connections within one turn of the loop"
