"""Slices of retention: rows that are kept no longer are taken away, a few at a time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from linkage.core.context import Context
from linkage.core.job import Job
from linkage.ports import EntryKind
from linkage.store.archive import Segment
from linkage.store.rows import JournalRow


@dataclass(frozen=True, slots=True)
class SealSegment(Job[None]):
    """An archive segment is on disk: from now on it stands for its rows of the journal."""

    segment: Segment

    def run(self, context: Context) -> None:
        """The rows are trimmed from now on."""
        tx, segment = context.tx, self.segment
        tx.journal.append(
            JournalRow(
                seq=tx.journal.next_seq,
                recorded_at=context.scope.now_us,
                kind=EntryKind.ARCHIVED.value,
                source=context.peers.own_id,
                detail=f"entries {segment.first_seq} to {segment.last_seq} are in {segment.name}",
            )
        )
        tx.trimming.list_segment(segment)


class Rows(StrEnum):
    """What rows are taken of."""

    QUEUE = "queue"
    NONCES = "nonces"
    JOURNAL = "journal"


@dataclass(frozen=True, slots=True)
class DeleteRows(Job[int]):
    """Take away at most `limit` rows that are kept no longer.

    `receiver` says of whose queue, `now_us` what time it is for nonces, as far as is certain.
    """

    what: Rows
    limit: int
    receiver: str = ""
    now_us: int | None = None

    def run(self, context: Context) -> int:
        """How many were taken away."""
        tx = context.tx
        match self.what:
            case Rows.QUEUE:
                removed = tx.trimming.queue(self.receiver, self.limit)
            case Rows.NONCES:
                # A clock that is set ahead, and back again, must not let one be used twice.
                now_us = min(context.scope.now_us, context.scope.now.steady_us)
                if self.now_us is not None:
                    now_us = min(now_us, self.now_us)
                removed = tx.trimming.nonces(now_us, self.limit)
            case Rows.JOURNAL:
                removed = tx.trimming.journal(self.limit)
        return removed
