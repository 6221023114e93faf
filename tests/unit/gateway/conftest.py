from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
import uvloop

from gateway import Gateway, GatewaySettings
from linkage.clock import SystemClock
from linkage.ports import PeerProfile
from tests.fakes.core import FakeCore
from tests.fakes.far_socket import Far

LOOPBACK = ("127.0.0.1", 0)

Start = Callable[..., Awaitable[Gateway]]
Connect = Callable[[Gateway], Awaitable[Far]]


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Everything here runs on the standard loop and on the one of `linkage serve`."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def core() -> FakeCore:
    return FakeCore()


@pytest.fixture
async def start(core: FakeCore) -> AsyncIterator[Start]:
    """Starts a gateway on loopback; closed at the end of the test."""
    async with AsyncExitStack() as stack:

        async def start(
            settings: GatewaySettings | None = None, peers: tuple[PeerProfile, ...] = ()
        ) -> Gateway:
            gateway = Gateway(
                core, peers, [LOOPBACK], settings or GatewaySettings(), SystemClock()
            )
            await gateway.start()
            stack.push_async_callback(gateway.close)
            return gateway

        yield start


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Connects to a gateway; closed at the end of the test, before the gateway."""
    async with AsyncExitStack() as stack:

        async def connect(gateway: Gateway) -> Far:
            far = await Far.connect(gateway.addresses[0])
            stack.push_async_callback(far.close)
            return far

        yield connect
