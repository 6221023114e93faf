"""What a queue lets go, or has lost with an older store, and how its receiver is told (195)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from linkage.core.context import Context
from linkage.core.job import Job
from linkage.ports import EntryKind
from linkage.ports.store import Tx
from linkage.store.rows import DeliveryRow, JournalRow, from_us
from protocol.messages import GapCause, GapNotice


@dataclass(frozen=True, slots=True)
class DropQueue(Job[bool]):
    """Let the queue of a receiver go up to `to_seq`.

    With `why`, what was not fetched goes too: the receiver is told by 195. Without, only what was.
    """

    receiver: str
    to_seq: int
    why: str | None = None

    def run(self, context: Context) -> bool:
        """Whether the end of what is gone of the queue moved.

        One number is written, however many messages it is about. What was not fetched is announced
        to the receiver by 195, and journalled.
        """
        tx = context.tx
        gone_to = tx.queues.gone_to(self.receiver)
        to_seq = min(self.to_seq, tx.queues.next_seq(self.receiver) - 1)
        first = next(iter(tx.queues.open(self.receiver, gone_to - 1, 1)), None)
        waits = first is not None and first.seq <= to_seq
        if first is not None and waits and self.why is None:
            to_seq, waits = first.seq - 1, False  # opened again since it was looked at
        if to_seq <= gone_to:
            return False
        if first is None or not waits:
            tx.queues.set_gone_to(self.receiver, to_seq)
            return True
        since, until = _at(tx, first), _at(tx, tx.queues.find(self.receiver, to_seq))
        tx.journal.append(
            JournalRow(
                seq=tx.journal.next_seq,
                recorded_at=context.scope.now_us,
                kind=EntryKind.GAP.value,
                source=self.receiver,
                detail=f"Seq {first.seq} to {to_seq} were not fetched and are dropped: {self.why}",
            )
        )
        earlier = context.gaps.unread_gap(self.receiver)
        from_seq = first.seq
        if earlier is not None:
            from_seq, since = earlier.from_seq or from_seq, earlier.since
        tx.queues.set_gone_to(self.receiver, to_seq)
        peer = context.peers.get(self.receiver)
        if peer is not None:
            context.gaps.tell_gone(peer, from_seq, to_seq, since=since, until=until)
        return True


def _at(tx: Tx, row: DeliveryRow | None) -> datetime | None:
    """When the message of a place in a queue was journalled."""
    entry = None if row is None else tx.journal.find(row.journal_seq)
    return None if entry is None else from_us(entry.recorded_at)


@dataclass(frozen=True, slots=True)
class AnnounceGaps(Job[None]):
    """Tell every peer which Seqs its queue has lost since an older store was put in place."""

    is_kept: ClassVar[bool] = True

    def run(self, context: Context) -> None:
        """195 for the Seqs that were left out by `linkage.store.sql.renumber`; once.

        What registered until now may have done so at the store that was there before, which may
        have served until a moment ago.
        """
        tx = context.tx
        gaps = tx.queues.take_gaps()
        if gaps:
            tx.nonces.know_since(context.scope.now_us)
        begin = gaps.pop("", None)
        if begin is not None:
            unknown = [item for item in context.peers.by_id.values() if item.id not in gaps]
            gaps |= {
                item.id: 1
                for item in unknown
                if tx.queues.begin_at(item.id, item.role.value, begin)
            }
        for peer_id, first in gaps.items():
            peer = context.peers.get(peer_id)
            if peer is not None:
                last = tx.queues.next_seq(peer_id) - 1
                gap = GapNotice(from_seq=first, to_seq=last, cause=GapCause.RESTART)
                context.own_notices.tell_peer(peer, gap)
