"""From the event loop to the disk: work is gathered, committed as a batch, and settled.

```
 put, do ──▶ inbox of this turn of the loop ──▶ thread: one commit ──▶ settle(batch), in the loop
```
What is put in one turn of the loop is handed over at its end as one list, so that a burst meets
the core's thread once. What nobody waits for goes with the next thing that somebody does wait for:
a commit for each acknowledgement would cost a quiet linkage as much again as its messages.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from linkage.core.engine import CoreEngine
from linkage.core.jobs import Done, Job, Now, Register
from linkage.core.writer.circuit_breaker import CircuitBreaker
from linkage.core.writer.fair_queue import Item
from linkage.core.writer.thread import Batch, WriterThread
from linkage.ports import Clock

logger = logging.getLogger("linkage.core")

T = TypeVar("T")

PATIENT_S: Final = 0.02
"""How long work that nobody waits for may wait for company."""
LOOKS_MAX: Final = 16
"""How often another thread looks what is oldest while the loop takes and settles work."""


class Writer:
    """Jobs on their way to the disk. Everything but the commit itself runs in the loop's thread.

    Args:
        engine: does the work, in a thread of its own.
        steady_us: see `linkage.core.clock_steps`.
        settle: told of each batch, in the order in which they were done; takes what it has
            settled out of `unsettled`.
    """

    def __init__(
        self,
        engine: CoreEngine,
        clock: Clock,
        steady_us: Callable[[], int],
        settle: Callable[[Batch], None],
    ) -> None:
        self._engine = engine
        self._breaker = CircuitBreaker(engine, clock.now)
        self._clock = clock
        self._steady_us = steady_us
        self._settle = settle
        self._thread = WriterThread(self._process, self._settled)
        self.answered = 0
        """The newest journal row whose answer has gone out."""
        self._inbox: list[Item] = []
        self._handing: asyncio.Handle | None = None
        self._patient = False
        self._turn_began = 0.0
        self._taken = 0
        self.turns = 0
        """Counts what was handed over: while it stays, what was put is the loop's still."""
        self.unsettled: dict[int, float] = {}
        """When each thing was taken that is not settled yet, by its number: the monotonic time of
        the first of its turn of the loop."""
        self.running = False
        """Whether work is taken: from `start` until `stop`."""
        self.stopping = False
        """Whether nothing is taken any more, for good."""

    # --- life ------------------------------------------------------------------------------------
    def start(self) -> None:
        """Begin to take work; call it in the event loop."""
        self._thread.start()
        self.running = True

    async def stop(self) -> None:
        """Finish what was taken, and take nothing more."""
        self.stopping = True
        self._hand_over()
        await self._thread.stop()
        self.running = False

    # --- what is taken ---------------------------------------------------------------------------
    def put(
        self,
        work: Job,
        told: Callable[[Done], None] | None = None,
        *,
        patient: bool = False,
    ) -> None:
        """Queue work; it is handed over with everything else of this turn of the loop.

        `told` is called once, with what became of it. Nobody waits for what is `patient`: without
        company it is handed over `PATIENT_S` later. The order is kept in any case.
        """
        if self._handing is None or (self._patient and not patient):
            self._hand_over_later(patient=patient)
        self._taken += 1
        self._inbox.append((self._taken, work, told))
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

    async def do(self, work: Job) -> Done:
        """What becomes of work, once it is on disk or refused."""
        failing = isinstance(work, Register) and self._engine.store_failing
        if failing or self.stopping or not self.running:
            return self._engine.not_now(work)
        future: asyncio.Future[Done] = asyncio.get_running_loop().create_future()
        self.put(work, partial(tell, future))
        return await future

    async def between(self, act: Callable[[], T]) -> T:
        """Do something in the core's thread, after what was taken so far, outside a transaction.

        Call it only between `start` and `stop`.
        """
        self._hand_over()
        return await self._thread.call(act)

    def _hand_over(self) -> None:
        if self._handing is not None:
            self._handing.cancel()
            self._handing = None
        if self._inbox:
            self._thread.hand_over(self._inbox)
            self._inbox = []
            self.turns += 1

    # --- how it stands ---------------------------------------------------------------------------
    @property
    def oldest_s(self) -> float:
        """How long the oldest work has waited for the disk; safe to ask in any thread."""
        for _ in range(LOOKS_MAX):
            try:
                oldest = next(iter(self.unsettled), None)
                since = None if oldest is None else self.unsettled.get(oldest)
            except RuntimeError:  # the loop took or settled something just now
                continue
            return 0.0 if since is None else max(0.0, self._clock.now() - since)
        return 0.0  # what changes at every look does not wait

    def _process(self, items: list[Item]) -> Batch:
        """One commit, in the core's thread; no bug ends that."""
        now = Now(self._clock.utc(), self._steady_us())
        began = self._clock.now()
        try:
            done = self._breaker.process([work for _, work, _ in items], now)
        except Exception as error:
            logger.exception("a batch of %d failed as a whole", len(items))
            done = [Done(value=error) for _ in items]
        return Batch(
            items,
            done,
            began,
            self._clock.now(),
            failed=self._engine.store_failing,
            journal_seq=self._engine.journal_seq,
        )

    def _settled(self, batch: Batch) -> None:
        try:
            self._settle(batch)
        finally:
            self.answered = batch.journal_seq


def tell(future: asyncio.Future[T], value: T) -> None:
    """Give an answer to who waits for it, who may have been cancelled."""
    if not future.done():
        future.set_result(value)
