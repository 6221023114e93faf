"""From the event loop to the disk: jobs are gathered, committed as a batch, and settled.

```
 put, do ──▶ jobs of this turn of the loop ──▶ [thread] FairQueue ──▶ GroupCommit: one commit
         ◀── on_done(Done), settle(batch) ◀─────────────────────────────┘
```
What is put in one turn of the loop is handed over at its end as one list, so that a burst meets
the core's thread once. What nobody waits for goes with the next thing that somebody does wait for:
a commit for each acknowledgement would cost a quiet linkage as much again as its messages.

The thread takes the next batch by itself: everything that queued while the last one was committed,
without waiting for the loop to hand out what the last one brought. It waits for nothing to come
together: alone, a message is committed at once.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Final, TypeVar

from linkage.core.job import Job
from linkage.core.scope import Done, Now
from linkage.core.writer.fair_queue import FairQueue, Item
from linkage.core.writer.group_commit import GroupCommit, not_now
from linkage.ports import Clock

logger = logging.getLogger("linkage.core")

T = TypeVar("T")

BATCH_MAX: Final = 512
"""Jobs of one commit at most: bounds how long the first of a batch waits for the last."""
PATIENT_S: Final = 0.02
"""How long a job that nobody waits for may wait for company."""
LOOKS_MAX: Final = 16
"""How often another thread looks what is oldest while the loop takes and settles jobs."""


class _Stop:
    """Hands over that there will be nothing more."""


@dataclass(slots=True)
class Batch:
    """What one commit brought: for each item what became of it; from when to when, monotonic.

    `failed`: the disk did not take it. `journal_seq`: the newest row that is on disk after it.
    """

    items: list[Item]
    done: list[Done[Any]]
    began: float
    ended: float
    failed: bool
    journal_seq: int


class Writer:
    """Jobs on their way to the disk. Everything but the commit itself runs in the loop's thread.

    Args:
        commits: does the jobs, in a thread of the writer's own.
        steady_us: see `linkage.core.clock_steps`.
        settle: told of each batch, in the order in which they were done; takes what it has
            settled out of `unsettled`, and calls its `on_done`.
    """

    def __init__(
        self,
        commits: GroupCommit,
        clock: Clock,
        steady_us: Callable[[], int],
        settle: Callable[[Batch], None],
    ) -> None:
        self._commits = commits
        self._clock = clock
        self._steady_us = steady_us
        self._settle = settle
        self._handed: SimpleQueue[list[Item] | Callable[[], None] | _Stop] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self.answered = 0
        """The newest journal row whose answer has gone out."""
        self._put: list[Item] = []
        self._handing: asyncio.Handle | None = None
        self._patient = False
        self._turn_began = 0.0
        self._taken = 0
        self.turns = 0
        """Counts what was handed over: while it stays, what was put is the loop's still."""
        self.unsettled: dict[int, float] = {}
        """When each job was taken that is not settled yet, by its number: the monotonic time of
        the first of its turn of the loop."""
        self.running = False
        """Whether jobs are taken: from `start` until `stop`."""
        self.stopping = False
        """Whether nothing is taken any more, for good."""

    # --- life ------------------------------------------------------------------------------------
    def start(self) -> None:
        """Begin to take jobs; call it in the event loop."""
        loop = asyncio.get_running_loop()
        # A daemon: who leaves the process without `stop` is not held up by it. A commit is whole
        # or not there.
        self._thread = threading.Thread(
            target=self._run, args=(loop,), name="linkage-core", daemon=True
        )
        self._thread.start()
        self.running = True

    async def stop(self) -> None:
        """Finish what was taken, and take nothing more."""
        self.stopping = True
        self._hand_over()
        if self._thread is not None:
            self._handed.put(_Stop())
            await asyncio.to_thread(self._thread.join)
            # What the thread scheduled last is called before this goes on.
            await asyncio.sleep(0)
            self._thread = None
        self.running = False

    # --- what is taken ---------------------------------------------------------------------------
    def put(
        self,
        job: Job[T],
        on_done: Callable[[Done[T]], None] | None = None,
        *,
        patient: bool = False,
    ) -> None:
        """Queue a job; it is handed over with everything else of this turn of the loop.

        `on_done` is called once, with what became of it. Nobody waits for what is `patient`:
        without company it is handed over `PATIENT_S` later. The order is kept in any case.
        """
        if self._handing is None or (self._patient and not patient):
            self._hand_over_later(patient=patient)
        self._taken += 1
        self._put.append((self._taken, job, on_done))
        self.unsettled[self._taken] = self._turn_began

    def _hand_over_later(self, *, patient: bool) -> None:
        loop = asyncio.get_running_loop()
        if self._handing is not None:
            self._handing.cancel()
        self._patient = patient
        self._turn_began = self._clock.now()
        self._handing = (
            loop.call_later(PATIENT_S, self._hand_over)
            if patient
            else loop.call_soon(self._hand_over)
        )

    async def do(self, job: Job[T], on_done: Callable[[Done[T]], None] | None = None) -> Done[T]:
        """What becomes of a job, once it is on disk or refused; `on_done` hears it at once."""
        if self.stopping or not self.running:
            return not_now()
        future: asyncio.Future[Done[T]] = asyncio.get_running_loop().create_future()

        def told(done: Done[T]) -> None:
            if on_done is not None:
                on_done(done)
            tell(future, done)

        self.put(job, told)
        return await future

    async def between(self, act: Callable[[], T]) -> T:
        """Do something in the core's thread, after what was taken so far, outside a transaction.

        It is done to its end also when its caller is cancelled. Call it only between `start` and
        `stop`.
        """
        self._hand_over()
        result: Future[T] = Future()

        def run() -> None:
            result.set_running_or_notify_cancel()
            try:
                result.set_result(act())
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is the caller's
                result.set_exception(error)

        self._handed.put(run)
        return await asyncio.shield(asyncio.wrap_future(result))

    def _hand_over(self) -> None:
        if self._handing is not None:
            self._handing.cancel()
            self._handing = None
        if self._put:
            self._handed.put(self._put)
            self._put = []
            self.turns += 1

    # --- how it stands ---------------------------------------------------------------------------
    @property
    def oldest_s(self) -> float:
        """How long the oldest job has waited for the disk; safe to ask in any thread."""
        for _ in range(LOOKS_MAX):
            try:
                oldest = next(iter(self.unsettled), None)
                since = None if oldest is None else self.unsettled.get(oldest)
            except RuntimeError:  # the loop took or settled something just now
                continue
            return 0.0 if since is None else max(0.0, self._clock.now() - since)
        return 0.0  # what changes at every look does not wait

    # --- the core's thread -----------------------------------------------------------------------
    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        queue = FairQueue()
        ahead: Callable[[], None] | _Stop | None = None
        while True:
            if ahead is None:
                ahead = self._gather(queue)
            if len(queue):
                batch = self._commit(queue.take(BATCH_MAX))
                loop.call_soon_threadsafe(self._settled, batch)
            elif isinstance(ahead, _Stop):
                return
            elif ahead is not None:
                act, ahead = ahead, None
                act()

    def _gather(self, queue: FairQueue) -> Callable[[], None] | _Stop | None:
        """Take in what is there, and wait where nothing is; what is no list of jobs ends it."""
        while not len(queue) or not self._handed.empty():
            handed = self._handed.get()  # this thread alone takes from it
            if not isinstance(handed, list):
                return handed
            queue.add(handed)
        return None

    def _commit(self, items: list[Item]) -> Batch:
        """One commit; no bug ends the thread."""
        now = Now(self._clock.utc(), self._steady_us())
        began = self._clock.now()
        try:
            done = self._commits.process([job for _, job, _ in items], now)
        except Exception as error:
            logger.exception(
                "a batch of %d jobs failed as a whole by a bug; each is answered", len(items)
            )
            done = [Done(error=error) for _ in items]
        return Batch(
            items,
            done,
            began,
            self._clock.now(),
            failed=self._commits.store_failing,
            journal_seq=self._commits.journal_seq,
        )

    # --- back in the loop ------------------------------------------------------------------------
    def _settled(self, batch: Batch) -> None:
        try:
            self._settle(batch)
        finally:
            self.answered = batch.journal_seq


def tell(future: asyncio.Future[T], value: T) -> None:
    """Give an answer to who waits for it, who may have been cancelled."""
    if not future.done():
        future.set_result(value)
