"""A core keeps the contract in the adapter's own process and over the bus."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from linkage.bus.client import CoreClient
from linkage.ports import AdapterCorePort
from protocol.envelope import Response
from protocol.message import Message
from pytest_linkage.contract.core import CoreBench, CoreContract
from tests.fakes.bus import Bus, Peer


class _Bench(CoreBench):
    adapter = "sim"

    def __init__(self, bus: Bus, desk: Peer) -> None:
        self.bus = bus
        self._desk = desk

    @property
    def heard(self) -> Sequence[Message]:
        """Each Seq once: what was not acknowledged on disk comes again after a kill."""
        told = {push.seq: push.message for push in self._desk.pushed}
        return list(told.values())

    async def command(self, message: Message) -> Response:
        return await self.bus.say(self._desk, message)

    async def kill(self) -> None:
        await self.bus.vanish()
        self.bus.open()


class InProcess(_Bench):
    @property
    def core(self) -> AdapterCorePort:
        return self.bus.site.core


class OverTheBus(_Bench):
    def __init__(self, bus: Bus, desk: Peer, client: CoreClient) -> None:
        super().__init__(bus, desk)
        self._client = client

    @property
    def core(self) -> AdapterCorePort:
        return self._client


class _Contract(CoreContract):
    @asynccontextmanager
    async def started(self, folder: Path) -> AsyncIterator[CoreBench]:
        async with Bus(folder, adapters=["sim"]) as bus:
            desk = await bus.join(await bus.connected(), "desk")
            desk.answers = True
            yield await self.bench(bus, desk)

    @abstractmethod
    async def bench(self, bus: Bus, desk: Peer) -> CoreBench: ...


class TestInProcess(_Contract):
    async def bench(self, bus: Bus, desk: Peer) -> CoreBench:
        return InProcess(bus, desk)


class TestOverTheBus(_Contract):
    async def bench(self, bus: Bus, desk: Peer) -> CoreBench:
        client = await bus.connected("adapter:sim", capabilities={"sim": {202: frozenset()}})
        return OverTheBus(bus, desk, client)
