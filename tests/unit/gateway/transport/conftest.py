"""What these tests begin with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from gateway import Gateway, GatewaySettings, TlsFiles
from linkage.clock import SystemClock
from linkage.config.certificates import Issued
from linkage.ports import PeerProfile
from tests.fakes.certificates import (
    ConnectTls,
    Files,
    StartTls,
)
from tests.fakes.core import FakeCore
from tests.fakes.far_socket import Far


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
async def start_tls(core: FakeCore, files: Files) -> AsyncIterator[StartTls]:
    """Starts a gateway that speaks TLS on loopback; closed at the end of the test."""
    async with AsyncExitStack() as stack:

        async def start(
            settings: GatewaySettings | None = None,
            peers: tuple[PeerProfile, ...] = (),
            tls: TlsFiles | None = None,
            listen: tuple[tuple[str, int], ...] = (),
        ) -> Gateway:
            gateway = Gateway(
                core,
                peers,
                listen,
                settings or GatewaySettings(),
                SystemClock(),
                listen_tls=[("127.0.0.1", 0)],
                tls=tls or files.tls(),
            )
            await gateway.start()
            stack.push_async_callback(gateway.close)
            return gateway

        yield start


@pytest.fixture
async def connect_tls(files: Files) -> AsyncIterator[ConnectTls]:
    """Connects by TLS; closed at the end of the test, before the gateway."""
    async with AsyncExitStack() as stack:

        async def connect(gateway: Gateway, issued: Issued | None = None) -> Far:
            host, port = gateway.secure_addresses[0]
            streams = await asyncio.open_connection(host, port, ssl=files.client(issued))
            far = Far(*streams)
            stack.push_async_callback(far.close)
            return far

        yield connect
