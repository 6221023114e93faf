"""The journal beside the writer: its rows with their hashes, where it begins, where it ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, Insert, bindparam, insert, select

from linkage.store import archive
from linkage.store.archive import DAY_US, Anchor, Chained, Segment, read_segment
from linkage.store.journal_head import Head
from linkage.store.rows import JournalRow, columns_of, from_us
from linkage.store.sql import tables
from linkage.store.sql.tables import journal

# Made once, for every timeline asks them: to build a statement costs more than to run it.
_SINCE: Final = (
    select(tables.archive)
    .where(tables.archive.c.last_at >= bindparam("since"))
    .order_by(tables.archive.c.first_seq)
)
_NEWEST: Final = select(tables.archive).order_by(tables.archive.c.first_seq.desc()).limit(1)


def segments_of(connection: Connection) -> list[Segment]:
    """The segments, the oldest first."""
    table = tables.archive
    rows = connection.execute(select(table).order_by(table.c.first_seq))
    return [Segment(**row._mapping) for row in rows]


def segments_since(connection: Connection, since_us: int) -> list[Segment]:
    """Those that may tell of something that began then; a day is allowed for clocks."""
    rows = connection.execute(_SINCE, {"since": since_us - DAY_US})
    return [Segment(**row._mapping) for row in rows]


def anchor_of(connection: Connection) -> Anchor:
    """Where the journal in the database begins."""
    row = connection.execute(_NEWEST).first()
    return Anchor() if row is None else Anchor(row.last_seq, row.hash)


def insert_segment(segment: Segment) -> Insert:
    """The statement that lists a segment, which makes it the anchor."""
    return insert(tables.archive).values(asdict(segment))


def rows_of(engine: Engine, first: int, last: int | None = None) -> Iterator[Chained]:
    """Rows in the database with their hashes, page by page.

    A connection per page: a reader that stands still must not keep the WAL from being written
    back.
    """
    names = columns_of(JournalRow)
    query = select(*[journal.c[name] for name in names], journal.c.prev_hash, journal.c.hash)
    query = query.order_by(journal.c.seq).limit(archive.PAGE)
    if last is not None:
        query = query.where(journal.c.seq <= last)
    while True:
        with engine.connect() as connection:
            rows = connection.execute(query.where(journal.c.seq >= first)).all()
        for *values, prev_hash, own_hash in rows:
            row = JournalRow(**dict(zip(names, values, strict=True)))
            yield row, prev_hash, own_hash
        if len(rows) < archive.PAGE:
            return
        first = rows[-1].seq + 1


def all_rows(engine: Engine, folder: Path) -> Iterator[Chained]:
    """The whole journal: segments, then the database.

    Raises:
        ArchiveError: a segment is missing or damaged.
    """
    with engine.connect() as connection:
        segments = segments_of(connection)
    for segment in segments:
        yield from read_segment(folder / segment.name)
    yield from rows_of(engine, segments[-1].last_seq + 1 if segments else 1)


# --- its end -------------------------------------------------------------------------------------
def newest_of(connection: Connection) -> Head | None:
    """The end of the journal in the database; None where it is empty."""
    row = connection.execute(
        select(journal.c.seq, journal.c.hash, journal.c.recorded_at)
        .order_by(journal.c.seq.desc())
        .limit(1)
    ).first()
    return None if row is None else Head(row.seq, row.hash, row.recorded_at)


def head_problem(connection: Connection, head: Head) -> str | None:
    """In words, what of the journal contradicts a head that was noted once; None: nothing."""
    own = connection.execute(select(journal.c.hash).where(journal.c.seq == head.seq)).scalar()
    anchor = anchor_of(connection)
    if own is None and head.seq <= anchor.seq:
        return None  # it went to the archive, whose own chain is checked
    noted = f"seq {head.seq}, which was there at {from_us(head.at):%Y-%m-%d %H:%M:%S} UTC,"
    if own is None:
        newest = newest_of(connection)
        ends = 0 if newest is None else newest.seq
        return f"{noted} is missing: the journal was cut off after seq {ends}"
    return None if own == head.hash else f"{noted} is another entry now"
