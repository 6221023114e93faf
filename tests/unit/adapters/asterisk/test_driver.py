"""What the driver promises of one action."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from adapters.asterisk.client import AriClient
from adapters.asterisk.driver import AsteriskDriver
from adapters.asterisk.ownership import Ownership
from adapters.asterisk.settings import Settings
from adapters.voice.platform_actions import HangUp
from linkage.clock import SystemClock
from linkage.config.adapters import read_settings
from linkage.ports import AdapterUnavailableError


@pytest.fixture
def crowded() -> Iterator[int]:
    """The port of a host that takes no more connections, and refuses none."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address = listening.getsockname()
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)  # noqa: FBT003 - positional in the library
            waiting.connect_ex(address)
        yield address[1]


async def test_what_cannot_be_sent_in_time_is_never_sent(crowded: int, tmp_path: Path) -> None:
    given = {
        "url": f"http://127.0.0.1:{crowded}",
        "user": "linkage",
        "password": "secret",
        "hotline": {"1": {"officers": ["2"]}},
        "officer": {"2": {"login": "2", "endpoint": "PJSIP/2"}},
        "timeout_s": 20,
    }
    settings = read_settings(Settings, "pbx", given, tmp_path)
    clock = SystemClock()
    async with AriClient(settings) as ari:
        driver = AsteriskDriver(ari, settings, Ownership(settings.app, "pbx", clock))
        async with asyncio.timeout(10):
            with pytest.raises(AdapterUnavailableError) as raised:
                await driver.perform(HangUp(channel="1"), begin_within_s=0.1)
    assert raised.type is AdapterUnavailableError, "nobody is in doubt whether it was done"
