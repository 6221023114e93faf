"""A mail adapter at work between a simulated mail server and a disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from adapters.mail import MailAdapter
from adapters.mail.settings import Settings
from linkage.clock import SystemClock
from linkage.config.adapters import read_settings
from linkage.files import DirectoryFiles
from linkage.ports import AdapterContext, AdapterError, Command, Outcome
from protocol import messages as m
from protocol.message import Message
from pytest_linkage.contract.disk import Disk
from simulators.clock import RealClock
from simulators.mail_server import MailServer
from tests.real.peers.ports import free_port

N = TypeVar("N", bound=Message)
SPEED = 20.0
PATIENCE_S = 20.0
DESK = "desk@city.example"


class MailScene:
    """One mail server, one disk; adapters come and go."""

    def __init__(self, server: Any, folder: Path, **settings: Any) -> None:
        self.server, self.disk = server, Disk()  # a MailServer, or another that has an `address`
        self.files = DirectoryFiles(folder / "files")
        self.listen = ("127.0.0.1", free_port())
        self._settings = settings
        self._ids = count(1)
        self.adapter: MailAdapter | None = None
        self.task: asyncio.Task[None] | None = None

    def make(self) -> MailAdapter:
        """A new adapter."""
        host, port = self.server.address
        values = {
            "smtp": f"{host}:{port}", "smtp_tls": "none", "username": "linkage",
            "password": "secret", "sender": DESK, "response_s": 2.0,
            "listen": f"{self.listen[0]}:{self.listen[1]}",
        }  # fmt: skip
        values |= self._settings
        given = {name: value for name, value in values.items() if value is not None}
        settings = read_settings(Settings, "mail", given)
        return MailAdapter(
            AdapterContext(
                peer_id="mail", settings=settings, clock=SystemClock(), files=self.files
            )
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[MailAdapter]:
        """A new adapter that is connected."""
        self.adapter = self.make()
        before = len(self.told(m.PlatformStatusNotice))
        self.task = asyncio.get_running_loop().create_task(self.adapter.run(self.disk))
        try:
            await self.until(
                lambda: len(self.told(m.PlatformStatusNotice)) > before or self._over()
            )
            if self.task.done():
                self.task.result()
            yield self.adapter
        finally:
            self.task.cancel()
            await asyncio.wait({self.task})

    def _over(self) -> bool:
        return self.task is not None and self.task.done()

    async def do(self, message: Message, expire_s: float = 20.0) -> Outcome | AdapterError:
        """What comes of a command."""
        assert self.adapter is not None
        deadline = self.adapter.context.clock.now() + expire_s
        request = Command(id=str(next(self._ids)), message=message, deadline=deadline)
        try:
            return await self.adapter.execute(request)
        except AdapterError as error:
            return error

    async def send(self, *to: str, subject: str = "fire", **fields: Any) -> Outcome | AdapterError:
        """A 240."""
        return await self.do(m.SendMail(to=to, subject=subject, **{"text": "come", **fields}))

    def told(self, kind: type[N]) -> list[N]:
        """Notices of a class, as they were told."""
        return [each for each in self.disk.messages if isinstance(each, kind)]

    @property
    def received(self) -> list[m.MailReceivedNotice]:
        """Every 140."""
        return self.told(m.MailReceivedNotice)

    @property
    def results(self) -> list[m.MailResultNotice]:
        """Every 141."""
        return self.told(m.MailResultNotice)

    @property
    def reports(self) -> list[m.MailReportNotice]:
        """Every 142."""
        return self.told(m.MailReportNotice)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until it was told."""
        await self.disk.until(condition, PATIENCE_S, "what was expected was not told")

    async def reported(self, number: int = 1) -> list[m.MailReportNotice]:
        """So many 142."""
        await self.until(lambda: len(self.reports) >= number)
        return self.reports

    async def came(self, number: int = 1) -> list[m.MailReceivedNotice]:
        """So many 140."""
        await self.until(lambda: len(self.received) >= number)
        return self.received

    async def content(self, file_id: str) -> bytes:
        """What a file holds."""
        return b"".join([piece async for piece in self.files.open(file_id)])

    async def last_is_in(self) -> None:
        """Return when a mail that is sent now came in: what came before it was taken, too."""
        number = len(self.received)
        self.server.receive("last@example.com", DESK, f"last {number}", "the last one")
        await self.until(
            lambda: any(each.sender == "last@example.com" for each in self.received[number:])
        )


@asynccontextmanager
async def mail_scene(
    folder: Path, *, server: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[MailScene]:
    """A scene whose mail server lives twenty times as fast."""
    async with MailServer(clock=RealClock(speed=SPEED), **(server or {})) as made:
        scene = MailScene(made, folder, **settings)
        made.deliver_to = scene.listen
        yield scene
