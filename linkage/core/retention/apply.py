"""Retention within the open transaction: what a queue lets go, and who is told of it."""

from __future__ import annotations

from datetime import datetime

from linkage.core.jobs import AnnounceGaps, DeleteRows, Done, DropQueue, Now, Rows, SealSegment
from linkage.core.notify import Notifier
from linkage.core.peers import Peers
from linkage.ports import EntryKind
from linkage.ports.store import Tx
from linkage.store.archive import Segment
from linkage.store.rows import DeliveryRow, JournalRow, from_us
from protocol.messages import GapCause, GapNotice


def keep(
    unit: Tx,
    teller: Notifier,
    peers: Peers,
    work: AnnounceGaps | DropQueue | SealSegment | DeleteRows,
    now: Now,
) -> Done:
    """A slice of retention."""
    match work:
        case AnnounceGaps():
            return announce(unit, teller, peers, now)
        case DropQueue():
            return retire(unit, teller, peers, work, now)
        case SealSegment():
            return seal(unit, peers, work.segment, now)
        case DeleteRows():
            return trim(unit, work, now)


def retire(unit: Tx, teller: Notifier, peers: Peers, work: DropQueue, now: Now) -> Done:
    """Move the end of what is gone of a queue; `value` is True where it moved.

    One number is written, however many messages it is about. What was not fetched is announced to
    the receiver by 195, and journalled.
    """
    gone_to = unit.queues.gone_to(work.receiver)
    to_seq = min(work.to_seq, unit.queues.next_seq(work.receiver) - 1)
    first = next(iter(unit.queues.open(work.receiver, gone_to - 1, 1)), None)
    waits = first is not None and first.seq <= to_seq
    if first is not None and waits and work.why is None:
        to_seq, waits = first.seq - 1, False  # opened again since it was looked at
    if to_seq <= gone_to:
        return Done()
    if first is None or not waits:
        unit.queues.set_gone_to(work.receiver, to_seq)
        return Done(value=True)
    since, until = _at(unit, first), _at(unit, unit.queues.find(work.receiver, to_seq))
    unit.journal.append(
        JournalRow(
            seq=unit.journal.next_seq,
            recorded_at=now.utc_us,
            kind=EntryKind.GAP.value,
            source=work.receiver,
            detail=f"Seq {first.seq} to {to_seq} are dropped unfetched: {work.why}",
        )
    )
    earlier = teller.unread_gap(work.receiver)
    from_seq = first.seq
    if earlier is not None:
        from_seq, since = earlier.from_seq or from_seq, earlier.since
    unit.queues.set_gone_to(work.receiver, to_seq)
    peer = peers.get(work.receiver)
    if peer is not None:
        teller.tell_gone(peer, from_seq, to_seq, since=since, until=until)
    return Done(value=True)


def _at(unit: Tx, row: DeliveryRow | None) -> datetime | None:
    """When the message of a place in a queue was journalled."""
    entry = None if row is None else unit.journal.find(row.journal_seq)
    return None if entry is None else from_us(entry.recorded_at)


def announce(unit: Tx, teller: Notifier, peers: Peers, now: Now) -> Done:
    """195 for the Seqs that were left out by `linkage.store.sql.renumber`; once.

    What registered until now may have done so at the store that was there before, which may have
    served until a moment ago.
    """
    done = Done()
    gaps = unit.queues.take_gaps()
    if gaps:
        unit.nonces.know_since(now.utc_us)
    begin = gaps.pop("", None)
    if begin is not None:
        unknown = [item for item in peers.by_id.values() if item.id not in gaps]
        gaps |= {
            item.id: 1 for item in unknown if unit.queues.begin(item.id, item.role.value, begin)
        }
    for peer_id, first in gaps.items():
        peer = peers.get(peer_id)
        if peer is not None:
            last = unit.queues.next_seq(peer_id) - 1
            gap = GapNotice(from_seq=first, to_seq=last, cause=GapCause.RESTART)
            teller.tell(peer, gap, done)
    return done


def seal(unit: Tx, peers: Peers, segment: Segment, now: Now) -> Done:
    """Let a segment stand for its rows, which are trimmed from now on."""
    unit.journal.append(
        JournalRow(
            seq=unit.journal.next_seq,
            recorded_at=now.utc_us,
            kind=EntryKind.ARCHIVED.value,
            source=peers.own_id,
            detail=f"entries {segment.first_seq} to {segment.last_seq} are in {segment.name}",
        )
    )
    unit.trimming.list_segment(segment)
    return Done()


def trim(unit: Tx, work: DeleteRows, now: Now) -> Done:
    """Take rows away; `value` is how many."""
    match work.what:
        case Rows.QUEUE:
            removed = unit.trimming.queue(work.receiver, work.limit)
        case Rows.NONCES:
            # A clock that is set ahead, and back again, must not let one be used twice.
            now_us = min(now.utc_us, now.steady_us)
            if work.now_us is not None:
                now_us = min(now_us, work.now_us)
            removed = unit.trimming.nonces(now_us, work.limit)
        case Rows.JOURNAL:
            removed = unit.trimming.journal(work.limit)
    return Done(value=removed)
