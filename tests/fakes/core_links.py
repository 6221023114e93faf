"""A core with links that are no sockets, and a clock that is turned by hand."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Engine

from linkage.clock import ManualClock
from linkage.config.file import Config
from linkage.core import Core
from linkage.ports import EntryKind, LinkPort, Role
from linkage.store.sql.unit import UnitOfWork
from linkage.store.sqlite.database import open_for_reading, open_store
from protocol import messages as m
from protocol.codec import decode, encode
from protocol.envelope import Request, Response
from protocol.message import Message
from protocol.registration import make_registration
from tests.fakes.core_bench import PEERS, SECRET, chain, config, new_store

ROLES = {
    "desk": Role.APPLICATION,
    "other": Role.APPLICATION,
    "pbx": Role.PLATFORM,
    "pbx2": Role.PLATFORM,
}
WAIT_S = 30.0


def as_sent(request: Request) -> Request:
    """The request as it is read from a wire."""
    item = decode(encode(request))
    assert isinstance(item, Request)
    return item


class FakeLink:
    """Remembers what it is sent. Answers nothing by itself unless `answers` says how."""

    def __init__(self, core: Core, peer: str, window: int = 64) -> None:
        self.core = core
        self.peer = peer
        self.window = window
        self.address = f"10.0.0.1:{id(self) % 60_000}"
        self.pushed: list[Request] = []
        self.reasons: list[str] = []
        self.answers: Callable[[Request], int | None] | None = None
        self.fails = False
        self._changed = asyncio.Event()

    def push(self, request: Request) -> None:
        if self.fails:
            raise RuntimeError("a bug of this link")
        self.pushed.append(request)
        self._changed.set()
        result = None if self.answers is None else self.answers(request)
        if result is not None:
            asyncio.get_running_loop().call_soon(self.answer, request, result)

    def close(self, reason: str) -> None:
        self.reasons.append(reason)
        self._changed.set()

    def answer(self, request: Request, result: int = 0, detail: str | None = None) -> None:
        self.core.answered(
            self,
            Response(request_id=request.id, type=request.type, result=result, detail=detail),
        )

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def heard(self, count: int) -> list[Request]:
        """What was pushed, once it is so many."""
        await self.until(lambda: len(self.pushed) >= count)
        return self.pushed

    @property
    def types(self) -> list[int]:
        return [request.type for request in self.pushed]

    @property
    def seqs(self) -> list[int | None]:
        return [request.seq for request in self.pushed]


def accept(_request: Request) -> int:
    return 0


class StuckUnit(UnitOfWork):
    """A disk that hangs until it is let go."""

    gate = threading.Event()
    entered = threading.Event()

    def commit(self) -> None:
        self.entered.set()
        assert self.gate.wait(20)
        super().commit()


class Site:
    """`async with Site(folder)`: a core and its store; `restart` and `kill` as processes do."""

    unit: type[UnitOfWork] = UnitOfWork

    def __init__(
        self,
        folder: Path,
        peers: Iterable[dict[str, Any]] = PEERS,
        unit: type[UnitOfWork] = UnitOfWork,
        **settings: Any,
    ) -> None:
        self.config: Config = config(folder, peers, **settings)
        self.clock = ManualClock()
        self.unit = unit
        self._ids = itertools.count(1)
        new_store(self.config.database_path)
        self._open()

    def _open(self) -> None:
        self.engine: Engine = open_store(self.config.database_path)
        self.core = Core(self.config, self.unit(self.engine), self.clock, {})

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    async def _start(self) -> None:
        await self.core.start()
        self._rest()

    def _rest(self) -> None:
        """Leave the sweep to the test: the core's own goes by real seconds, in which no test that
        turns the clock knows where it is, once the machine is busy."""
        self.core._sweeper.stop()

    async def __aexit__(self, *_: object) -> None:
        await self.core.stop()
        self.engine.dispose()

    async def restart(self) -> None:
        await self.__aexit__()
        self._open()
        await self._start()

    async def kill(self) -> None:
        """What a process leaves that ends without a word: the disk as it is."""
        await self.core.credential_expiry.stop()
        self.core._writer._put.clear()
        await self.core._writer.stop()
        self.engine.dispose()
        self._open()
        await self._start()

    async def settled(self) -> None:
        """Everything that was handed in so far has been done."""
        with suppress(OSError):  # the disk may be full
            await self.core.recall("nobody")

    async def sweep(self) -> None:
        """What the core does every second."""
        self.core._sweeper.sweep()
        self._rest()
        await self.settled()

    # --- peers -----------------------------------------------------------------------------------
    def registration(
        self,
        peer: str,
        *,
        secret: str = SECRET,
        nonce: str | None = None,
        ahead_s: float = 0.0,
        role: Role | None = None,
        **further: Any,
    ) -> Request:
        from datetime import timedelta

        number = next(self._ids)
        message = make_registration(
            role or ROLES[peer],
            peer,
            secret,
            self.clock.utc() + timedelta(seconds=ahead_s),
            nonce or f"nonce-{number:08d}",
            **further,
        )
        return as_sent(Request(id=f"r{number}", message=message))

    async def connect(
        self, peer: str, *, window: int = 64, last_seq: int | None = None, **further: Any
    ) -> FakeLink:
        link = FakeLink(self.core, peer, window)
        registration = self.registration(peer, last_seq=last_seq, **further)
        response = await self.core.register(link, registration)
        assert response.result == 0, response
        self.core.begin(link)
        await self.settled()
        return link

    async def say(
        self, link: LinkPort, message: Message, id_: str | None = None, **attrs: Any
    ) -> Response:
        request = Request(id=id_ or f"s{next(self._ids)}", message=message, **attrs)
        return await self.core.submit(link, as_sent(request))

    def journal(self) -> list[Any]:
        reading = open_for_reading(self.config.database_path)
        rows = [row for row, _, _ in chain(reading)]
        reading.dispose()
        return rows

    async def sql(self, statement: str) -> Any:
        """Something done to the store in the core's own thread, between two commits."""

        def execute() -> Any:
            with self.engine.begin() as connection:
                result = connection.exec_driver_sql(statement)
                return result.scalar() if result.returns_rows else None

        return await self.core.between_commits(execute)

    async def limit_pages(self, count: int | None = None) -> None:
        """The disk is full: at its present size, or at `count` pages."""
        if count is None:
            count = await self.sql("PRAGMA page_count")
        await self.sql(f"PRAGMA max_page_count={count}")

    async def write_protect(self, *, on: bool = True) -> None:
        """The disk takes nothing at all; what is on it can be read."""
        await self.sql(f"PRAGMA query_only={int(on)}")


def messages_of(site: Site) -> list[Any]:
    """The requests that were journalled."""
    return [row for row in site.journal() if row.kind == EntryKind.MESSAGE]


async def many(site: Site, pbx: FakeLink, count: int) -> None:
    """That many notices of one call."""
    for start in range(0, count, 200):
        await asyncio.gather(
            *(
                site.say(pbx, m.HoldNotice(call_id="C1", login_id=str(number)))
                for number in range(start, min(start + 200, count))
            )
        )
