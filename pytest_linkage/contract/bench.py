"""An adapter at work: made, run, asked, cancelled or killed; and what it told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from linkage.clock import SystemClock
from linkage.config.adapters import read_settings
from linkage.files import DirectoryFiles
from linkage.ports import Adapter, AdapterContext, AdapterError, Command, Outcome
from protocol.message import Message
from protocol.messages import GapNotice, PlatformStatusNotice
from pytest_linkage.contract.disk import Disk, KilledError
from pytest_linkage.contract.platform import Expected, PlatformDouble

SETTLE_S = 0.2
"""After which nothing more comes of what has happened."""


@dataclass
class Running:
    """One run of an adapter."""

    adapter: Adapter
    task: asyncio.Task[None]
    patience_s: float

    async def do(
        self, message: Message, request_id: str, expire_s: float = 30.0
    ) -> Outcome | BaseException:
        """Have a command done; what came of it, errors included. It must not take for ever."""
        deadline = self.adapter.context.clock.now() + expire_s
        request = Command(
            id=request_id, message=message, expire_s=max(1, round(expire_s)), deadline=deadline
        )
        try:
            async with asyncio.timeout(self.patience_s):
                return await self.adapter.execute(request)
        except (AdapterError, KilledError) as error:
            return error
        except TimeoutError:
            raise AssertionError(f"no answer within {self.patience_s:g} s") from None

    async def ended(self) -> BaseException | None:
        """What `run` raised, once it did."""
        await asyncio.wait({self.task}, timeout=self.patience_s)
        assert self.task.done(), f"run goes on after {self.patience_s:g} s"
        assert not self.task.cancelled(), "run cancelled itself"
        return self.task.exception()


class Bench:
    """A platform, a disk, and adapters that come and go between them."""

    def __init__(
        self, adapter: type[Adapter], platform: PlatformDouble, folder: Path, patience_s: float
    ) -> None:
        self.platform = platform
        self.patience_s = patience_s
        self.disk = Disk()
        self._class = adapter
        self.files = DirectoryFiles(folder / "files")
        self._numbers = count(1)

    def make(self, settings: Mapping[str, Any] | None = None) -> Adapter:
        """A new one."""
        values = self.platform.settings if settings is None else settings
        model = self._class.settings_class
        return self._class(
            AdapterContext(
                peer_id="contract",
                settings=values if model is dict else read_settings(model, "contract", values),
                clock=SystemClock(),
                files=self.files,
            )
        )

    def request_id(self) -> str:
        """A new one: as linkage's, a decimal number that never comes again."""
        return str(next(self._numbers))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Running]:
        """A new adapter that has told its 191 and so takes commands; cancelled at the end."""
        before = self._connections()
        adapter = self.make()
        task = asyncio.get_running_loop().create_task(adapter.run(self.disk))
        running = Running(adapter, task, self.patience_s)
        try:
            await self.told_or_over(lambda: self._connections() > before, running)
            assert not running.task.done(), f"it did not connect: {running.task.exception()!r}"
            yield running
        finally:
            running.task.cancel()
            await asyncio.wait({running.task}, timeout=self.patience_s)

    def _connections(self) -> int:
        return sum(isinstance(message, PlatformStatusNotice) for message in self.disk.messages)

    async def told_or_over(self, condition: Any, running: Running) -> None:
        """Wait until something was told, or the run is over."""
        loop = asyncio.get_running_loop()
        waiting = loop.create_task(
            self.disk.until(condition, self.patience_s, "what was expected was not told")
        )
        await asyncio.wait({waiting, running.task}, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            waiting.cancel()
            await asyncio.wait({waiting})
        else:
            waiting.result()

    async def told(self, *expected: Expected) -> None:
        """Wait until each was told."""
        for each in expected:
            await self._told(each)

    async def _told(self, expected: Expected) -> None:
        def is_told() -> bool:
            return self.disk.count(expected) > 0

        await self.disk.until(is_told, self.patience_s, f"no {expected}")

    async def told_or_gap(self, expected: Expected) -> None:
        """Wait until it was told, or that something may not have been (195)."""
        gap = Expected(GapNotice)
        await self.disk.until(
            lambda: self.disk.count(expected) or self.disk.count(gap),
            self.patience_s,
            f"neither {expected} nor a gap",
        )

    async def settled(self) -> None:
        """Wait until what has happened had its time."""
        while True:
            records = self.disk.records
            await asyncio.sleep(SETTLE_S)
            if self.disk.records == records:
                return

    def assert_once(self, *expected: Expected) -> None:
        """Each was told, and none of them twice."""
        told = "\n".join(f"  {message}" for message in self.disk.messages)
        for each in expected:
            number = self.disk.count(each)
            assert number == 1, f"told {number} times: {each}, of:\n{told}"
