"""A host with its adapter, a core that is none, and a clock turned by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from linkage.clock import ManualClock
from linkage.hosting import AdapterHost
from linkage.ports import (
    AdapterContext,
)
from linkage.supervision import Backoff
from tests.fakes.core import FakeCore
from tests.fakes.hosted_adapter import (
    NO_FILES,
    Pauses,
    Scripted,
)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def core() -> FakeCore:
    return FakeCore(peers=("asterisk",))


@pytest.fixture
def adapter(clock: ManualClock) -> Scripted:
    context = AdapterContext(peer_id="asterisk", settings={}, clock=clock, files=NO_FILES)
    return Scripted(context)


@pytest.fixture
async def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
async def host(
    adapter: Scripted, core: FakeCore, clock: ManualClock, pauses: Pauses
) -> AsyncIterator[AdapterHost]:
    host = AdapterHost(
        adapter,
        core,
        clock,
        backoff=Backoff(),
        execute_within_s=0.05,
        sleep=pauses.sleep,
        jitter=lambda: 1.0,
    )
    await host.start()
    async with asyncio.timeout(30):
        await adapter.running.wait()
    yield host
    await host.stop()
