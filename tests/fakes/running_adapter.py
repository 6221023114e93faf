"""An adapter at work in a test: with fakes for ports, ended with the test or killed within it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from adapters.asterisk import AsteriskAdapter
from adapters.asterisk.settings import Settings
from linkage.clock import SystemClock
from linkage.config.adapters import read_settings
from linkage.ports import AdapterContext, Clock, Command, CommandError, Outcome
from protocol.message import Message
from protocol.messages import PlatformStatusNotice
from protocol.results import Result
from tests.fakes.adapter_ports import FakeFiles, FakeMemory, FakePort, Notices
from tests.fakes.asterisk import FakeAsterisk


@dataclass
class Running:
    """An adapter that runs, and what it has told."""

    adapter: AsteriskAdapter
    notices: Notices
    port: FakePort
    task: asyncio.Task[None]
    count: int = 0

    async def do(self, message: Message, *, expire_s: float = 30.0) -> Outcome:
        """Have a command done; its request's id is C1, C2, …"""
        self.count += 1
        deadline = self.adapter.context.clock.now() + expire_s
        request = Command(
            id=f"C{self.count}", message=message, expire_s=round(expire_s), deadline=deadline
        )
        return await self.adapter.execute(request)

    async def up(self) -> None:
        """Return when it is connected; raise what kept it from that."""
        told = asyncio.get_running_loop().create_task(self.notices.any(PlatformStatusNotice))
        await asyncio.wait({told, self.task}, return_when=asyncio.FIRST_COMPLETED)
        if not told.done():
            told.cancel()
            await self.task
        await told

    async def ended(self, timeout_s: float = 30.0) -> BaseException | None:
        """What `run` raised, once it did."""
        await asyncio.wait({self.task}, timeout=timeout_s)
        assert self.task.done(), "the adapter still runs"
        return self.task.exception()


@dataclass
class Place:
    """What outlives an adapter: its settings and what it has on disk."""

    settings: Mapping[str, Any]
    memory: FakeMemory
    files: FakeFiles
    clock: Clock

    @classmethod
    def at(cls, folder: Path, settings: Mapping[str, Any], clock: Clock | None = None) -> Place:
        return cls(settings, FakeMemory(), FakeFiles(folder), clock or SystemClock())

    @asynccontextmanager
    async def run(self, *, connected: bool = True) -> AsyncIterator[Running]:
        """A new adapter, connected; cancelled at the end, which writes nothing: as if killed."""
        context = AdapterContext(
            peer_id="pbx",
            settings=read_settings(Settings, "pbx", self.settings),
            clock=self.clock,
            files=self.files,
        )
        adapter, notices = AsteriskAdapter(context), Notices()
        port = FakePort(self.memory, notices)
        task = asyncio.get_running_loop().create_task(adapter.run(port))
        running = Running(adapter, notices, port, task)
        try:
            if connected:
                await running.up()
            yield running
        finally:
            running.task.cancel()
            await asyncio.wait({running.task})


async def forgotten(place: Place, asterisk: FakeAsterisk) -> None:
    """Wait until nothing of any call is left, neither on disk nor at Asterisk."""
    await place.memory.until(lambda: place.memory.table.keys() == {"link"})
    await asterisk.until(lambda: not asterisk.bridges and not asterisk.lines)


async def refused(adapter: Running, message: Any, **more: Any) -> Result:
    """With what an adapter refuses a command."""
    with pytest.raises(CommandError) as error:
        await adapter.do(message, **more)
    return error.value.result
