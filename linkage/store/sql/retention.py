"""What of queues, nonces and the journal is kept no longer in the database.

What is overdue is looked for beside the writer, on a connection of its own, whatever that costs;
the writer only moves one number per queue (`peer.gone_to`) and then takes rows away in slices.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Connection, Engine, func, select

from linkage.config.core import RetentionSettings
from linkage.ports.maintenance import Overdue
from linkage.ports.store import CLOCK
from linkage.store.archive import DAY_US, Anchor
from linkage.store.clock_history import ClockHistory
from linkage.store.sql import tables
from linkage.store.sql.dialect import size_bytes
from linkage.store.sql.journal_rows import anchor_of
from linkage.store.sql.tables import delivery, is_open, journal, peer

SAMPLES: Final = 256
"""Messages of a queue that are measured to judge its size: a queue of millions is not summed."""


SEGMENT_ROWS: Final = 100_000
"""Rows of an archive segment at most: read through in a second or two."""
SEGMENT_MIN: Final = 5_000
"""Fewer rows than this wait for more, a day at most."""
JOURNAL_MIN_US: Final = 2 * DAY_US
"""What stays in the database in any case: it is the duplicate window (decision 0005)."""


def find_overdue(engine: Engine, limits: RetentionSettings, now_us: int) -> list[Overdue]:
    """What may go of every queue; most of the time nothing."""
    with engine.connect() as connection:
        steps = read_steps(connection)
        fetched_before = seq_at(connection, now_us - limits.replay_us, steps)
        waited_since = seq_at(connection, now_us - limits.queue_us, steps)
        queues = connection.execute(select(peer).where(peer.c.next_seq - 1 > peer.c.gone_to)).all()
        found: list[Overdue] = []
        for queue in queues:
            found += _of_queue(connection, queue, limits, fetched_before, waited_since)
    return found


def _of_queue(
    connection: Connection,
    queue: Any,
    limits: RetentionSettings,
    fetched_before: int,
    waited_since: int,
) -> Iterator[Overdue]:
    newest = queue.next_seq - 1
    fetched = max(_before(connection, queue, fetched_before), newest - limits.replay_messages)
    if fetched > queue.gone_to:
        yield Overdue(queue.peer_id, fetched)
    for to_seq, why in (
        (_before(connection, queue, waited_since), "it waited for too long (queue_days)"),
        (_above(connection, queue, limits.queue_messages), "too many waited (queue_messages)"),
        (_too_big(connection, queue, limits.queue_bytes), "too much waited (queue_bytes)"),
    ):
        if to_seq <= queue.gone_to or not _waits(connection, queue, to_seq):
            continue
        before = _before_command(connection, queue.peer_id, to_seq)
        if before > queue.gone_to:
            yield Overdue(queue.peer_id, before, why)


def seq_at(connection: Connection, moment_us: int, steps: ClockHistory) -> int:
    """The seq of the first journal row of that moment or later; of the next one where none is.

    By halving: rows are recorded in the order of time, but for a clock that was set, which `steps`
    allow for.
    """
    low = connection.execute(select(func.min(journal.c.seq))).scalar() or 1
    high = (connection.execute(select(func.max(journal.c.seq))).scalar() or 0) + 1
    while low < high:
        middle = (low + high) // 2
        row = connection.execute(
            select(journal.c.seq, journal.c.recorded_at)
            .where(journal.c.seq >= middle)
            .order_by(journal.c.seq)
            .limit(1)
        ).first()
        if row is None or steps.placed(row.seq, row.recorded_at) >= moment_us:
            high = middle
        else:
            low = row.seq + 1
    return low


def _before(connection: Connection, queue: Any, journal_seq: int) -> int:
    """The last Seq of the queue that was journalled before a seq; costs what is found."""
    mine = (delivery.c.receiver == queue.peer_id, delivery.c.seq > queue.gone_to)
    found = connection.execute(
        select(delivery.c.seq)
        .where(*mine, delivery.c.journal_seq >= journal_seq)
        .order_by(delivery.c.seq)
        .limit(1)
    ).scalar()
    return int(queue.next_seq if found is None else found) - 1


def _above(connection: Connection, queue: Any, messages: int) -> int:
    """The last Seq that must go so that no more than `messages` wait."""
    if queue.next_seq - 1 - queue.gone_to <= messages:
        return 0
    found = connection.execute(
        select(delivery.c.seq)
        .where(delivery.c.receiver == queue.peer_id, is_open)
        .order_by(delivery.c.seq.desc())
        .offset(messages)
        .limit(1)
    ).scalar()
    return found or 0


def _too_big(connection: Connection, queue: Any, size_bytes: int) -> int:
    """The same for bytes, by what `SAMPLES` of the queue measure on average."""
    waiting = (delivery.c.receiver == queue.peer_id, is_open)
    first, last = connection.execute(
        select(func.min(delivery.c.seq), func.max(delivery.c.seq)).where(*waiting)
    ).one()
    if first is None:
        return 0
    step = max(1, (last - first) // SAMPLES)
    rows = connection.execute(
        select(func.length(journal.c.body))
        .join(delivery, delivery.c.journal_seq == journal.c.seq)
        .where(*waiting, delivery.c.seq.in_(range(first, last + 1, step)))
    )
    sizes = [int(size) for size in rows.scalars()]
    average = sum(sizes) / len(sizes) if sizes else 0
    return _above(connection, queue, int(size_bytes / average)) if average else 0


def _before_command(connection: Connection, receiver: str, to_seq: int) -> int:
    """The Seq before the first open command: those end by their expiry, which is told."""
    found = connection.execute(
        select(func.min(delivery.c.seq)).where(
            delivery.c.receiver == receiver,
            is_open,
            delivery.c.expires_at.is_not(None),
            delivery.c.seq <= to_seq,
        )
    ).scalar()
    return to_seq if found is None else int(found) - 1


def _waits(connection: Connection, queue: Any, to_seq: int) -> bool:
    found = connection.execute(
        select(delivery.c.seq)
        .where(
            delivery.c.receiver == queue.peer_id,
            is_open,
            delivery.c.seq.between(queue.gone_to + 1, to_seq),
        )
        .limit(1)
    ).first()
    return found is not None


def queues_to_trim(engine: Engine) -> list[str]:
    """The queues of which rows are left that are gone already."""
    rest = delivery.c.receiver == peer.c.peer_id, delivery.c.seq < peer.c.gone_to
    with engine.connect() as connection:
        found = connection.execute(select(peer.c.peer_id).where(select(1).where(*rest).exists()))
        return list(found.scalars())


# --- the journal ---------------------------------------------------------------------------------
def read_steps(connection: Connection) -> ClockHistory:
    """Those of a store."""
    memory = tables.adapter_memory
    rows = connection.execute(
        select(memory.c.key, memory.c.value).where(memory.c.adapter == CLOCK)
    )
    return ClockHistory.of_texts({row.key: row.value for row in rows})


def find_archivable(
    engine: Engine, limits: RetentionSettings, now_us: int
) -> tuple[Anchor, int] | None:
    """The anchor, and the last seq that may go to the archive now; None: nothing should."""
    if limits.journal_us is None and limits.journal_bytes is None:
        return None
    with engine.connect() as connection:
        anchor = anchor_of(connection)
        steps = read_steps(connection)
        last = min(
            _unwanted(connection, anchor, limits, now_us, steps),
            seq_at(connection, now_us - JOURNAL_MIN_US, steps) - 1,
            (connection.execute(select(func.max(journal.c.seq))).scalar() or 0) - 1,
        )
        if last <= anchor.seq:
            return None
        last = min(last, _needed(connection) - 1)
        part = select(journal.c.seq, journal.c.recorded_at).where(
            journal.c.seq > anchor.seq, journal.c.seq <= last
        )
        rows = part.order_by(journal.c.seq).limit(SEGMENT_ROWS).subquery()
        found = connection.execute(
            select(func.count(), func.max(rows.c.seq), func.min(rows.c.seq))
        ).one()
        entries, last, first = found
        row = connection.execute(part.where(journal.c.seq == first)).first()
    if row is None:
        return None
    if entries < SEGMENT_MIN and limits.journal_us is not None:
        oldest = steps.placed(row.seq, row.recorded_at)
        if oldest > now_us - limits.journal_us - DAY_US:
            return None
    return anchor, last


def _unwanted(
    connection: Connection,
    anchor: Anchor,
    limits: RetentionSettings,
    now_us: int,
    steps: ClockHistory,
) -> int:
    """The last seq that is too old, or that makes the database too large."""
    last = 0
    if limits.journal_us is not None:
        last = seq_at(connection, now_us - limits.journal_us, steps) - 1
    if limits.journal_bytes is None:
        return last
    used = size_bytes(connection)
    if used <= limits.journal_bytes:
        return last
    mine = journal.c.seq > anchor.seq
    entries = connection.execute(select(func.count()).where(mine)).scalar() or 0
    too_many = int(entries * (used - limits.journal_bytes) / used)
    found = connection.execute(
        select(journal.c.seq).where(mine).order_by(journal.c.seq).offset(too_many).limit(1)
    ).scalar()
    return max(last, found or 0)


def _needed(connection: Connection) -> int:
    """The first seq that a delivery, done or not, may still be read from."""
    first, command = (
        connection.execute(statement).scalar()
        for statement in (
            select(func.min(delivery.c.journal_seq)),
            select(func.min(journal.c.command_seq)).join(
                delivery, delivery.c.journal_seq == journal.c.seq
            ),
        )
    )
    return min(sys.maxsize if seq is None else int(seq) for seq in (first, command))
