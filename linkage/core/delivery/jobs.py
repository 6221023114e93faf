"""The jobs of delivery: an answer came, or none will; read on; expire what waits too long."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Final

from linkage.core.context import Context
from linkage.core.delivery.outcomes import report
from linkage.core.delivery.queue_reader import Loaded
from linkage.core.jobs import Job
from linkage.core.measures import Measures, Times
from linkage.core.scope import Done
from linkage.store.rows import DeliveryRow, JournalRow
from protocol.envelope import Response
from protocol.results import Result, result_text

EXPIRE_MAX: Final = 1000
"""Deliveries that one sweep expires."""
ANSWER_WITHIN_US: Final = 30 * 1_000_000
"""How long after its expiry a command that was sent may go unanswered; then nobody knows."""


@dataclass(slots=True)
class Acknowledge(Job[None]):
    """A receiver answered the delivery `seq` of its queue.

    `further` are those that it accepted alike in the same turn of the loop.
    """

    receiver: str
    seq: int
    response: Response
    further: list[int] = field(default_factory=list)

    is_kept: ClassVar[bool] = True

    def run(self, context: Context) -> None:
        """Of a command that was refused its sender is told."""
        response = self.response
        state = "done" if response.accepted else "refused"
        context.tx.queues.settle(self.receiver, self.seq, state, response.result)
        for seq in self.further:
            context.tx.queues.settle(self.receiver, seq, state, response.result)
        if response.accepted:
            return
        detail = response.detail or result_text(response.result)
        row = _request_of(context, response.request_id)
        report(context.scope, context.notifier, row, response.result, f"{self.receiver}: {detail}")
        if row is not None and row.source == context.peers.own_id:
            context.liveness.refused_with(self.receiver, row.seq, response.result)

    def measure(self, measures: Measures, done: Done[None], times: Times) -> None:
        """See `Job.measure`."""
        measures.acknowledged(self.response, 1 + len(self.further))
        if done.deliveries:
            measures.own_messages(done.deliveries, times)


@dataclass(frozen=True, slots=True)
class GiveUp(Job[None]):
    """A command may have reached its platform on a link that is gone: its outcome is unknown."""

    receiver: str
    seq: int
    journal_seq: int

    is_kept: ClassVar[bool] = True

    def run(self, context: Context) -> None:
        """Nothing, where it was answered or given up meanwhile."""
        delivery = context.tx.queues.find(self.receiver, self.seq)
        if delivery is None or delivery.state != "open":
            return
        context.tx.queues.settle(self.receiver, self.seq, "unknown", int(Result.TIMEOUT))
        row = context.tx.journal.find(self.journal_seq)
        detail = (
            f"{self.receiver} may have executed it before the link was lost; ask with 215 or 293"
        )
        report(context.scope, context.notifier, row, Result.TIMEOUT, detail)


@dataclass(frozen=True, slots=True)
class LoadQueue(Job[Loaded]):
    """Read open deliveries of a receiver after a position."""

    receiver: str
    after: int
    limit: int

    only_reads: ClassVar[bool] = True

    def run(self, context: Context) -> Loaded:
        """See `QueueReader.load`."""
        return context.queue_reader.load(self.receiver, self.after, self.limit)


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
        for row in context.tx.queues.expired(self.steady_us, EXPIRE_MAX):
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
        context.tx.queues.settle(row.receiver, row.seq, state, int(result))
        entry = context.tx.journal.find(row.journal_seq)
        report(context.scope, context.notifier, entry, result, detail)


def _request_of(context: Context, request_id: str) -> JournalRow | None:
    return context.tx.journal.find(int(request_id)) if request_id.isdecimal() else None
