"""The server: who is connected, what is sent, what came in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from itertools import count
from types import TracebackType
from typing import Any, Final, Self

from linkage.clock import SystemClock
from simulators.clock import RealClock, ScenarioClock
from simulators.fax_server.behaviour import Behaviour, behaviour_of
from simulators.fax_server.session import Session
from simulators.fax_server.spool import Job, Received, tiff

DIAL_S: Final = 1.0
PAGE_S: Final = 1.0


class FaxServer:
    """An hfaxd on a socket of this host, with a modem that needs no line.

    Args:
        host, port: where it listens; port 0: any that is free.
        users: name → password ("": none is asked for).
        clock: the time that it lives in; None: real time.
        behaviour: number → what becomes of a fax to it.
        on_event: told of each thing that happens, in words.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        users: Mapping[str, str] | None = None,
        clock: ScenarioClock | None = None,
        behaviour: Callable[[str], Behaviour] = behaviour_of,
        on_event: Callable[[str], None] | None = None,
    ) -> None:
        self.users = {"linkage": "secret"} if users is None else dict(users)
        self.behaviour = behaviour
        self.jobs: list[Job] = []
        """Every job that was taken, in order."""
        self.received: dict[str, Received] = {}
        self.documents = count(1)
        self.flows = asyncio.Event()
        """Cleared: it takes what comes, and does and says nothing."""
        self._host, self._port = host, port
        self._clock, self._on_event = clock, on_event
        self._job_numbers, self._file_numbers = count(1), count(1)
        self._sessions: set[Session] = set()
        self._server: asyncio.Server | None = None
        self._changed = asyncio.Condition()
        self.flows.set()

    # --- life ------------------------------------------------------------------------------------
    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.flows.set()
        await self.stop()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return self._host, self._port

    @property
    def clock(self) -> ScenarioClock:
        """The time that it lives in."""
        if self._clock is None:
            self._clock = RealClock()
        return self._clock

    async def start(self) -> None:
        """Listen, for the first time or again; jobs and faxes are kept."""
        self._server = await asyncio.start_server(self._serve, self._host, self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Hang up on everybody, and listen no more."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for session in list(self._sessions):
            session.hang_up()
        tasks = [session.task for session in self._sessions if session.task is not None]
        if tasks and self.flows.is_set():
            await asyncio.wait(tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(self, reader, writer)
        self._sessions.add(session)
        try:
            await session.serve()
        finally:
            self._sessions.discard(session)

    # --- what a test asks ------------------------------------------------------------------------
    def jobs_to(self, number: str) -> list[Job]:
        """The jobs to a number."""
        return [job for job in self.jobs if job.to == number]

    async def wait_for_fax(self, number: str, *, within_s: float = 10.0) -> Job:
        """The first job to a number, once it is over."""
        async with asyncio.timeout(within_s), self._changed:
            while not (over := [job for job in self.jobs_to(number) if job.is_over]):
                await self._changed.wait()
        return over[0]

    def receive(
        self,
        caller: str,
        *,
        pages: int = 1,
        station: str = "CITIZEN",
        content: bytes | None = None,
        file: str = "",
    ) -> Received:
        """A fax came in."""
        name = file or f"fax{next(self._file_numbers):09}.tif"
        fax = Received(name, content or tiff(pages), caller, station, SystemClock().utc())
        self.received[name] = fax
        self.tell(f"fax of {fax.pages} pages from {caller}: {name}")
        return fax

    # --- what sessions ask -----------------------------------------------------------------------
    def tell(self, what: str) -> None:
        """Say what happens."""
        if self._on_event is not None:
            self._on_event(what)

    def next_job(self) -> int:
        """The number of a new job."""
        return next(self._job_numbers)

    def take(self, job: Job) -> None:
        """A job was submitted."""
        self.jobs.append(job)
        self.tell(f"job {job.id} to {job.to}: {job.pages} pages")
        if not self.behaviour(job.to).is_silent:
            self._later(DIAL_S, lambda: self._dial(job))

    def kill(self, job: Job) -> None:
        """A job is stopped."""
        self._end(job, "F", "Job aborted by request")

    def finish(self, job: Job, status: str = "", pages_sent: int | None = None) -> None:
        """A job comes to its end; `status`: it failed with that."""
        if not job.is_over:
            job.attempts += 1
            job.pages_sent = job.pages if pages_sent is None else pages_sent
            self._end(job, "F" if status else "D", status)

    # --- the line --------------------------------------------------------------------------------
    def _later(self, seconds: float, action: Callable[[], Any]) -> None:
        self.clock.call_at(self.clock.now() + seconds, action)

    def _dial(self, job: Job) -> None:
        if job.is_over:
            return
        job.attempts += 1
        job.state, job.status = "R", ""
        failure = self.behaviour(job.to).failure(job.attempts)
        self._page(job, failure)

    def _page(self, job: Job, failure: tuple[str, int] | None) -> None:
        if job.is_over:
            return
        if failure is not None and job.pages_sent >= min(failure[1], job.pages):
            self._failed(job, failure[0])
        elif job.pages_sent == job.pages:
            self._end(job, "D", "")
        else:
            self._later(PAGE_S, lambda: self._sent(job, failure))

    def _sent(self, job: Job, failure: tuple[str, int] | None) -> None:
        if not job.is_over:
            job.pages_sent += 1
            self._page(job, failure)

    def _failed(self, job: Job, status: str) -> None:
        if job.attempts >= int(job.parameters.get("MAXDIALS", "12")):
            self._end(job, "F", status)
            return
        job.state, job.status = "S", status
        self._later(2 * DIAL_S, lambda: self._dial(job))

    def _end(self, job: Job, state: str, status: str) -> None:
        job.state, job.status = state, status
        self.tell(f"job {job.id} to {job.to}: {status or 'arrived'}")
        asyncio.get_running_loop().create_task(self._notify())

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()
