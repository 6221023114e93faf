"""A receiver answered a delivery, or never will: what is written of that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from linkage.core.context import Context
from linkage.core.job import Job
from linkage.core.measures import Measures, Times
from linkage.core.scope import Done
from linkage.store.rows import JournalRow
from protocol.envelope import Response
from protocol.results import Result, result_text


@dataclass(slots=True)
class Acknowledge(Job[None]):
    """A receiver answered the delivery of a journal entry, in the place `seq` of its queue.

    `further` are those, `(seq, journal_seq)`, that it accepted alike in the same turn of the loop.
    """

    receiver: str
    seq: int
    journal_seq: int
    response: Response
    further: list[tuple[int, int]] = field(default_factory=list)

    is_kept: ClassVar[bool] = True

    def run(self, context: Context) -> None:
        """Of a command that was refused its sender is told."""
        response = self.response
        state = "done" if response.accepted else "refused"
        settle = context.tx.queues.settle
        settle(self.receiver, self.seq, self.journal_seq, state, response.result)
        for seq, journal_seq in self.further:
            settle(self.receiver, seq, journal_seq, state, response.result)
        if response.accepted:
            return
        detail = response.detail or result_text(response.result)
        row = _request_of(context, response.request_id)
        context.own_notices.tell_failed(row, response.result, f"{self.receiver}: {detail}")
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
        context.tx.queues.settle(
            self.receiver, self.seq, self.journal_seq, "unknown", int(Result.TIMEOUT)
        )
        row = context.tx.journal.find(self.journal_seq)
        detail = (
            f"{self.receiver} may have executed it before the link was lost; ask with 215 or 293"
        )
        context.own_notices.tell_failed(row, Result.TIMEOUT, detail)


def _request_of(context: Context, request_id: str) -> JournalRow | None:
    return context.tx.journal.find(int(request_id)) if request_id.isdecimal() else None
