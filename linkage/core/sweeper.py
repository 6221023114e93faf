"""What the core does every second: expire, look at the disk, ask about silent calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final

from linkage.core.context import Context
from linkage.core.delivery.queues import DeliveryQueues
from linkage.core.job import Job
from linkage.core.overload.admission import Admission
from linkage.core.scope import Done
from linkage.core.sessions.registry import LinkRegistry
from linkage.core.writer.writer import Writer
from linkage.ports import Clock
from linkage.store.rows import DeliveryRow
from protocol.results import Result

SWEEP_EVERY_S: Final = 1.0

EXPIRE_MAX: Final = 1000
"""Deliveries that one sweep expires."""
ANSWER_WITHIN_US: Final = 30 * 1_000_000
"""How long after its expiry a command that was sent may go unanswered; then nobody knows."""


@dataclass(frozen=True, slots=True)
class Sweep(Job[None]):
    """Expire commands that wait too long, as of `steady_us`, and see what room the disk has.

    `pushed` are at their receiver already, who has longer to answer. Nothing else that had expired
    by then can be pushed after it: so none is both told as expired and executed.
    """

    pushed: frozenset[tuple[str, int]]
    steady_us: int

    probes: ClassVar[bool] = True

    def run(self, context: Context) -> None:
        """The sender of each is told."""
        context.disk_free = context.free_bytes()
        # What was pushed is left alone for a while, and may not take the place of what waits.
        for row in context.tx.queues.expired(self.steady_us, EXPIRE_MAX + len(self.pushed)):
            self._expire(context, row)

    def _expire(self, context: Context, row: DeliveryRow) -> None:
        assert row.expires_at is not None, "what never expires has not expired"
        result, state = Result.EXPIRED, "expired"
        detail = f"{row.receiver} did not accept it in time"
        if (row.receiver, row.seq) in self.pushed:
            if row.expires_at + ANSWER_WITHIN_US > self.steady_us:
                return
            result, state = Result.TIMEOUT, "unknown"
            detail = f"{row.receiver} was sent it and has not answered; ask with 215 or 293"
        elif row.journal_seq < context.first_seq:
            # 309 says that it was not executed; what an earlier process sent nobody knows.
            result, state = Result.TIMEOUT, "unknown"
            detail = f"{row.receiver} may have received it before linkage was restarted"
        context.tx.queues.settle(row.receiver, row.seq, row.journal_seq, state, int(result))
        entry = context.tx.journal.find(row.journal_seq)
        context.own_notices.tell_failed(entry, result, detail)


@dataclass(frozen=True, slots=True)
class SweepSilentCalls(Job[None]):
    """Ask platforms about operations that were not heard of for long."""

    def run(self, context: Context) -> None:
        """See `LivenessAudit.audit`."""
        context.liveness.audit()


class Sweeper:
    """Puts the jobs of every second, and looks at what needs no disk.

    Args:
        audit_every_s: after how long platforms are asked again about silent calls.
    """

    def __init__(
        self,
        writer: Writer,
        queues: DeliveryQueues,
        links: LinkRegistry,
        admission: Admission,
        clock: Clock,
        steady_us: Callable[[], int],
        *,
        audit_every_s: float,
    ) -> None:
        self._writer = writer
        self._queues = queues
        self._links = links
        self._admission = admission
        self._clock = clock
        self._steady_us = steady_us
        self._audit_every_s = audit_every_s
        self._audited_at = clock.now()
        self._next: asyncio.TimerHandle | None = None
        self._waits = False

    def start(self) -> None:
        """Begin; the first sweep is after `SWEEP_EVERY_S`."""
        self._next = asyncio.get_running_loop().call_later(SWEEP_EVERY_S, self.sweep)

    def stop(self) -> None:
        """Sweep no more."""
        if self._next is not None:
            self._next.cancel()

    def sweep(self) -> None:
        """What is due now; the next is after `SWEEP_EVERY_S`."""
        self.start()
        self._queues.pump_due()
        self._audit_liveness()
        self._links.sum_up()
        if self._admission.offer_kept():
            self._queues.load_all()
        # One at a time: a disk that hangs must not find a heap of them when it comes back.
        if not self._waits:
            self._waits = True
            self._writer.put(Sweep(self._queues.pushed(), self._steady_us()), self._swept)
        self._admission.look(len(self._writer.unsettled), self._writer.oldest_s)

    def _swept(self, _: Done[None]) -> None:
        self._waits = False

    def _audit_liveness(self) -> None:
        now = self._clock.now()
        if now - self._audited_at >= self._audit_every_s and not self._waits:
            self._audited_at = now
            self._writer.put(SweepSilentCalls())
