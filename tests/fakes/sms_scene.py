"""An SMPP adapter at work between a simulated SMS centre and a disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from adapters.smpp import SmppAdapter
from adapters.smpp.settings import Settings
from linkage.clock import SystemClock
from linkage.config.adapters import read_settings
from linkage.files import DirectoryFiles
from linkage.ports import AdapterContext, AdapterError, Command, Outcome
from protocol import messages as m
from protocol.message import Message
from pytest_linkage.contract.disk import Disk
from simulators.clock import RealClock
from simulators.sms_centre import SmsCentre

N = TypeVar("N", bound=Message)
SPEED = 20.0
PATIENCE_S = 10.0


class SmsScene:
    """One centre, one disk; adapters come and go."""

    def __init__(self, centre: Any, **settings: Any) -> None:
        self.centre, self.disk = centre, Disk()  # a SmsCentre, or another that has an `address`
        self._settings = settings
        self._ids = count(1)
        self.adapter: SmppAdapter | None = None
        self.task: asyncio.Task[None] | None = None

    def make(self) -> SmppAdapter:
        """A new adapter."""
        host, port = self.centre.address
        values = {
            "address": f"{host}:{port}", "system_id": "linkage", "password": "secret",
            "sender": "12345", "response_s": 2.0, "throttle_s": 0.05, "progress_s": 0.1,
        }  # fmt: skip
        settings = read_settings(Settings, "sms", {**values, **self._settings})
        files = DirectoryFiles(Path("/nonexistent"))
        return SmppAdapter(
            AdapterContext(peer_id="sms", settings=settings, clock=SystemClock(), files=files)
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[SmppAdapter]:
        """A new adapter that is bound."""
        self.adapter = self.make()
        before = len(self.told(m.PlatformStatusNotice))
        self.task = asyncio.get_running_loop().create_task(self.adapter.run(self.disk))
        try:
            await self.until(lambda: len(self.told(m.PlatformStatusNotice)) > before)
            yield self.adapter
        finally:
            self.task.cancel()
            await asyncio.wait({self.task})

    async def do(self, message: Message, expire_s: float = 20.0) -> Outcome | AdapterError:
        """What comes of a command."""
        assert self.adapter is not None
        deadline = self.adapter.context.clock.now() + expire_s
        request = Command(id=str(next(self._ids)), message=message, deadline=deadline)
        try:
            return await self.adapter.execute(request)
        except AdapterError as error:
            return error

    async def send(self, number: str, text: str = "fire", **fields: Any) -> Outcome | AdapterError:
        """A 220 to one number."""
        receivers = (m.Receiver(phone_num=number),)
        return await self.do(m.SendSms(receivers=receivers, content=text, **fields))

    def told(self, kind: type[N]) -> list[N]:
        """Notices of a class, as they were told."""
        return [each for each in self.disk.messages if isinstance(each, kind)]

    @property
    def reports(self) -> list[m.SmsReportNotice]:
        """Every 122."""
        return self.told(m.SmsReportNotice)

    @property
    def results(self) -> list[m.SmsSendResultNotice]:
        """Every 121."""
        return self.told(m.SmsSendResultNotice)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until it was told."""
        await self.disk.until(condition, PATIENCE_S, "what was expected was not told")

    async def reported(self, number: int = 1) -> list[m.SmsReportNotice]:
        """So many 122."""
        await self.until(lambda: len(self.reports) >= number)
        return self.reports

    async def settled(self) -> None:
        """Give what has happened its time."""
        await asyncio.sleep(0.3)


@asynccontextmanager
async def sms_scene(
    *, centre: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[SmsScene]:
    """A scene whose centre lives twenty times as fast."""
    async with SmsCentre(clock=RealClock(speed=SPEED), **(centre or {})) as made:
        yield SmsScene(made, **settings)
