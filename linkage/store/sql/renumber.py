"""After an older store was put in place: no number is given twice.

What happened after the backup is lost here, but not out there: peers hold Seqs, OpIds and Ids of
commands that this store would give again, to other messages. So it goes on counting from beyond
all that can have been given meanwhile, says so in the journal, and tells every peer the gap (195).
"""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from linkage.store.chain import RENUMBERED, row_hash
from linkage.store.journal_head import Head, HeadError, read_head
from linkage.store.rows import MICROSECONDS, JournalRow, columns_of, to_us
from linkage.store.sql import tables
from linkage.store.sql.dialect import upsert
from linkage.store.sql.journal_rows import anchor_of, head_problem, newest_of

logger = logging.getLogger("linkage.store")

RATE: Final = 20_000
"""Messages a second that no installation exceeds."""
LEAST: Final = 1_000_000
"""Numbers left out on top: clocks may be wrong, and what was noted last is some seconds old."""
PER_ENTRY: Final = 4
"""OpIds, or Seqs of one queue, that one entry may have brought."""
OPERATION: Final = "operation"
"""`floor` of OpIds."""
GAP: Final = "gap:"
"""`floor` of a peer's Seqs that its queue has lost, until it is told; with the PeerId behind.

With none behind: where the queues of those begin whom this store does not know. They may have come
after the backup, and have been given Seqs.
"""


def renumber(connection: Connection, now_us: int, why: str, own_id: str, beyond: int = 0) -> int:
    """Leave out numbers, within the caller's transaction; how many.

    As many as can have been given since the newest entry, which says by itself that the same
    backup, restored a second time, goes on beyond what the first one gave.

    Args:
        connection: to the store, which nobody else uses.
        now_us: the wall clock.
        why: one line for the journal.
        own_id: linkage's own id.
        beyond: a journal seq that is known to have been given.
    """
    newest = newest_of(connection) or Head(*_empty(connection))
    in_time = max(0, now_us - newest.at) * RATE // MICROSECONDS
    skipped = LEAST + max(in_time, (beyond - newest.seq) * PER_ENTRY)
    row = JournalRow(
        seq=newest.seq + skipped + 1,
        recorded_at=now_us,
        kind=RENUMBERED,
        source=own_id,
        op_id=_last_op_id(connection) + skipped,
        detail=f"{why}; {skipped} numbers are left out",
    )
    values: dict[str, Any] = {name: getattr(row, name) for name in columns_of(JournalRow)}
    hashes = {"prev_hash": newest.hash, "hash": row_hash(newest.hash, row)}
    connection.execute(insert(tables.journal).values(values | hashes))
    _set_floor(connection, OPERATION, row.op_id or 0)
    for peer in connection.execute(select(tables.peer)).all():
        # The gap of an earlier restore that the peer was not told yet begins before this one.
        told = select(tables.floor.c.value).where(tables.floor.c.name == GAP + peer.peer_id)
        first = connection.execute(told).scalar() or peer.next_seq
        _set_floor(connection, GAP + peer.peer_id, first)
    _set_floor(connection, GAP, max(1, floor_of(connection, GAP)) + skipped)
    connection.execute(update(tables.peer).values(next_seq=tables.peer.c.next_seq + skipped))
    return skipped


def notice_older_store(engine: Engine, head_file: Path, now: datetime, own_id: str) -> None:
    """Renumber where the journal has lost its end since it was noted last.

    Somebody put an older database in place by hand, or cut entries off. Serving goes on: calls
    come in; but it is said in the log and in the journal.
    """
    try:
        head = read_head(head_file)
    except HeadError as error:
        logger.warning("%s", error)
        return
    if head is None:
        return
    with engine.begin() as connection:
        problem = head_problem(connection, head)
        if problem is None:
            return
        logger.error("%s; numbers are left out, so that none is given twice", problem)
        renumber(connection, to_us(now), problem, own_id, beyond=head.seq)


def _empty(connection: Connection) -> tuple[int, bytes, int]:
    anchor = anchor_of(connection)
    return anchor.seq, anchor.hash, 0


def _last_op_id(connection: Connection) -> int:
    last = connection.execute(select(func.max(tables.operation.c.op_id))).scalar() or 0
    return max(last, floor_of(connection, OPERATION))


def floor_of(connection: Connection, name: str) -> int:
    """The number below which none is given; 0: no floor."""
    table = tables.floor
    return connection.execute(select(table.c.value).where(table.c.name == name)).scalar() or 0


def take_gaps(connection: Connection) -> dict[str, int]:
    """The first Seq that each peer has lost, for those who were not told yet; now they are.

    Under an empty name: the first Seq of those whom the store does not know.
    """
    table = tables.floor
    mine = table.c.name.startswith(GAP, autoescape=True)
    rows = connection.execute(select(table).where(mine)).all()
    connection.execute(delete(table).where(mine))
    return {row.name.removeprefix(GAP): row.value for row in rows}


def _set_floor(connection: Connection, name: str, value: int) -> None:
    values = {"name": name, "value": value}
    connection.execute(
        upsert(tables.floor).values(values).on_conflict_do_update(["name"], set_=values)
    )
