"""An adapter whose runs are scripted, and what its host is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from linkage.files import DirectoryFiles
from linkage.hosting import AdapterHost
from linkage.ports import (
    Adapter,
    AdapterContext,
    AdapterPort,
    Capability,
    Command,
    CommandError,
    Notice,
    Outcome,
    Snapshots,
)
from protocol.envelope import Request, Response
from protocol.message import Message
from protocol.messages import (
    CallDirection,
    Hangup,
    IncomingCallNotice,
    QueryCall,
    SnapshotNotice,
)
from protocol.messages.call import HoldAction
from protocol.results import Result
from tests.fakes.core import FakeCore

NO_FILES = DirectoryFiles(Path("/nowhere"))


class Scripted(Adapter, Snapshots):
    """Does what the test puts into `running` and `executing`."""

    name: ClassVar[str] = "scripted"
    capabilities: ClassVar[Capability] = {
        202: frozenset(),
        206: frozenset({HoldAction.HOLD, HoldAction.RETRIEVE}),
    }

    def __init__(self, context: AdapterContext) -> None:
        super().__init__(context)
        self.executing: Callable[[Command], Awaitable[Outcome]] = self.accept
        self.runs: asyncio.Queue[Exception | None] = asyncio.Queue()
        self.started = 0
        self.begun: list[str] = []
        self.port: AdapterPort | None = None
        self.running = asyncio.Event()
        self.alive: SnapshotNotice | None = None

    async def emit(
        self, message: Message, *, time: datetime | None = None, reconstructed: bool = False
    ) -> None:
        """One notice, in the run that there is."""
        assert self.port is not None
        await self.port.record([Notice(message, time, reconstructed)])

    async def run(self, port: AdapterPort) -> None:
        self.port = port
        self.started += 1
        self.running.set()
        error = await self.runs.get()
        if error is not None:
            raise error

    async def execute(self, request: Command) -> Outcome:
        self.begun.append(request.id)
        return await self.executing(request)

    def serial_key(self, message: Message) -> str | None:
        return message.call_id

    async def snapshot(self, query: QueryCall) -> SnapshotNotice:
        self.begun.append(str(query.call_id))
        if self.alive is None:
            raise CommandError(Result.NOT_SUPPORTED, "scripted cannot tell what lives")
        return self.alive

    async def accept(self, request: Request) -> Outcome:  # noqa: ARG002 - as `execute` has it
        return Outcome(ids={"call_id": "call-of-ours"}, detail="done")


class Pauses:
    def __init__(self) -> None:
        self.asked: list[float] = []
        self.over = asyncio.Event()
        self.over.set()

    async def sleep(self, seconds: float) -> None:
        self.asked.append(seconds)
        await asyncio.sleep(0)
        await self.over.wait()


def hang_up(request_id: str, call_id: str | None = "c1", **attributes: Any) -> Request:
    phone = "1" if call_id is None else None
    return Request(id=request_id, message=Hangup(call_id=call_id, phone_num=phone), **attributes)


def incoming() -> IncomingCallNotice:
    return IncomingCallNotice(call_id="c1", direction=CallDirection.IN)


async def answer_to(host: AdapterHost, core: FakeCore, request: Request) -> Response:
    count = len(core.answers)
    host.push(request)
    assert len(core.answers) == count, "answered from within push"
    await core.until(lambda: len(core.answers) > count)
    answer = core.answers[count]
    assert answer.request_id == request.id
    assert answer.type == request.type
    return answer


async def ran(adapter: Scripted, times: int) -> None:
    async with asyncio.timeout(30):
        while adapter.started < times:  # noqa: ASYNC110 - the adapter has no event for a later run
            await asyncio.sleep(0)
