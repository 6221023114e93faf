"""The projections made anew from the journal, and compared with those that are there.

What the core applied was every accepted message of a peer, in journal order, with what was
decided then (owner, command) standing in the row, and the ends that it made up itself (its own
reconstructed notices): so playing them again through the same correlation must give the same rows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Engine, create_engine, select
from sqlalchemy.pool import StaticPool

from linkage.correlation import Entry, apply
from linkage.ports import EntryKind
from linkage.store.chain import RENUMBERED
from linkage.store.rows import JournalRow
from linkage.store.sql import tables
from linkage.store.sql.journal_rows import all_rows
from linkage.store.sql.unit import UnitOfWork
from protocol.codec import decode
from protocol.envelope import Request
from protocol.kinds import is_command
from protocol.messages import as_command
from protocol.results import is_accepted

BATCH: Final = 1000


def rebuild(journal: Engine, archive: Path | None = None) -> Engine:
    """A database in memory with the projections as the journal gives them.

    Args:
        journal: the store to read; it is not changed.
        archive: where the segments lie that hold the older part of the journal.

    Raises:
        ArchiveError: a segment is missing or damaged: what it tells of stands in the tables, but
        cannot be made anew without it.
    """
    target = create_engine("sqlite://", poolclass=StaticPool)
    tables.metadata.create_all(target)
    unit = UnitOfWork(target)
    unit.begin()
    events: dict[int, int] = {}
    rows = all_rows(journal, Path() if archive is None else archive)
    for number, (row, _, _) in enumerate(rows, start=1):
        if row.kind == RENUMBERED:
            unit.begin_op_ids_at(row.op_id or 0)
        elif _was_applied(row):
            command_event = None if row.command_seq is None else events.get(row.command_seq)
            _play(unit, row, command_event)
        if row.event_pk is not None and is_command(row.type or 0):
            events[row.seq] = row.event_pk
        if number % BATCH == 0:
            unit.commit()
            unit.begin()
    unit.commit()
    return target


def _was_applied(row: JournalRow) -> bool:
    own = row.kind == EntryKind.OWN and row.reconstructed
    return (row.kind == EntryKind.MESSAGE or own) and is_accepted(row.result or 0)


def _play(unit: UnitOfWork, row: JournalRow, command_event: int | None) -> None:
    item = decode(row.body)
    assert isinstance(item, Request), "the journal holds requests"
    is_own = row.kind == EntryKind.OWN
    entry = Entry(
        seq=row.seq,
        at=row.recorded_at if row.occurred_at is None else row.occurred_at,
        source=row.target or row.source if is_own else row.source,
        message=as_command(item.message),
        owner=row.owner,
        command_event=command_event,
        command_seq=row.command_seq,
        reconstructed=row.reconstructed,
        given_again=row.given_again,
        lost=row.op_id if is_own else None,
    )
    apply(unit.records, entry)


def differences(left: Engine, right: Engine) -> list[str]:
    """Rows of the projections that stand in one store and not in the other, in words."""
    found: list[str] = []
    with left.connect() as one, right.connect() as other:
        for table in tables.PROJECTIONS:
            rows, others = (
                {tuple(row) for row in connection.execute(select(table))}
                for connection in (one, other)
            )
            found += [f"{table.name}: only left {row}" for row in sorted(rows - others, key=str)]
            found += [f"{table.name}: only right {row}" for row in sorted(others - rows, key=str)]
    return found
