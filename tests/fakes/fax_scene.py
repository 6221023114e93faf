"""A HylaFAX adapter at work between a fax server and a disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from adapters.hylafax import HylafaxAdapter
from adapters.hylafax.settings import Settings
from linkage.clock import SystemClock
from linkage.config.adapters import read_settings
from linkage.files import DirectoryFiles
from linkage.ports import AdapterContext, AdapterError, Command, Outcome
from protocol import messages as m
from protocol.message import Message
from pytest_linkage.contract.disk import Disk
from simulators.clock import RealClock
from simulators.fax_server import FaxServer

N = TypeVar("N", bound=Message)
SPEED = 20.0


class FaxScene:
    """One server, one disk, one folder of files; adapters come and go."""

    def __init__(self, server: Any, folder: Path, **settings: Any) -> None:
        self.server, self.disk = server, Disk()
        self.files = DirectoryFiles(folder / "files")
        self.patience_s = 10.0
        self._settings = settings
        self._ids = count(1)
        self.adapter: HylafaxAdapter | None = None

    def make(self) -> HylafaxAdapter:
        """A new adapter."""
        host, port = self.server.address
        values = {
            "address": f"{host}:{port}", "password": "secret", "number": "12345",
            "response_s": 2.0, "poll_s": 0.02,
        }  # fmt: skip
        settings = read_settings(Settings, "fax", {**values, **self._settings})
        return HylafaxAdapter(
            AdapterContext(peer_id="fax", settings=settings, clock=SystemClock(), files=self.files)
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[HylafaxAdapter]:
        """A new adapter that takes commands."""
        self.adapter = self.make()
        before = len(self.told(m.PlatformStatusNotice))
        task = asyncio.get_running_loop().create_task(self.adapter.run(self.disk))
        try:
            await self.until(lambda: len(self.told(m.PlatformStatusNotice)) > before)
            yield self.adapter
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def keep(self, content: bytes, name: str = "fax.tif") -> str:
        """Put a document into linkage's files; its FileId."""

        async def pieces() -> AsyncIterator[bytes]:
            yield content

        return (await self.files.save(name, pieces())).file_id

    async def content(self, file_id: str) -> bytes:
        """What a file of linkage holds."""
        return b"".join([piece async for piece in self.files.open(file_id)])

    async def do(self, message: Message, expire_s: float = 20.0) -> Outcome | AdapterError:
        """What comes of a command."""
        assert self.adapter is not None
        deadline = self.adapter.context.clock.now() + expire_s
        request = Command(id=str(next(self._ids)), message=message, deadline=deadline)
        try:
            return await self.adapter.execute(request)
        except AdapterError as error:
            return error

    async def send(self, file_id: str, *numbers: str, **fields: Any) -> Outcome | AdapterError:
        """A 230."""
        phones = tuple(m.Phone(number=number) for number in numbers)
        return await self.do(m.SendFax(phone_nums=phones, file_id=file_id, **fields))

    def told(self, kind: type[N]) -> list[N]:
        """Notices of a class, as they were told."""
        return [each for each in self.disk.messages if isinstance(each, kind)]

    @property
    def results(self) -> list[m.FaxResultNotice]:
        """Every 131."""
        return self.told(m.FaxResultNotice)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until it was told."""
        await self.disk.until(condition, self.patience_s, "what was expected was not told")

    async def ended(self, count: int = 1) -> list[m.FaxResultNotice]:
        """So many 131 that tell an end."""

        def ends() -> list[m.FaxResultNotice]:
            going_on = {None, m.FaxStatus.RETRYING}
            return [each for each in self.results if each.status not in going_on]

        await self.until(lambda: len(ends()) >= count)
        return ends()


@asynccontextmanager
async def fax_scene(folder: Path, **settings: Any) -> AsyncIterator[FaxScene]:
    """A scene with a simulated server that lives twenty times as fast."""
    async with FaxServer(clock=RealClock(speed=SPEED)) as server:
        yield FaxScene(server, folder, **settings)
