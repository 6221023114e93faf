"""The projections made anew from the journal, and compared with those that are there.

What the core applied was every accepted message of a peer, in journal order, with what was
decided then (owner, command) standing in the row, and the ends that it made up itself (its own
reconstructed notices): so playing them again through the same correlation must give the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection, Engine, create_engine, select
from sqlalchemy.pool import StaticPool

from linkage.correlation import Entry, apply
from linkage.ports import EntryKind
from linkage.store import tables
from linkage.store.rows import JournalRow
from linkage.store.unit import UnitOfWork, columns_of
from protocol.codec import decode
from protocol.envelope import Request
from protocol.messages import as_command
from protocol.results import is_accepted

BATCH: Final = 1000


def rebuild(journal: Engine) -> Engine:
    """A database in memory with the projections as the journal gives them.

    Args:
        journal: the store to read; it is not changed.
    """
    target = create_engine("sqlite://", poolclass=StaticPool)
    tables.metadata.create_all(target)
    unit = UnitOfWork(target)
    with journal.connect() as connection:
        unit.begin()
        for number, (row, command_event) in enumerate(_applied(connection), start=1):
            _play(unit, row, command_event)
            if number % BATCH == 0:
                unit.commit()
                unit.begin()
        unit.commit()
    return target


def _applied(connection: Connection) -> Iterator[tuple[JournalRow, int | None]]:
    journal = tables.journal
    command = journal.alias()
    statement = (
        select(*[journal.c[name] for name in columns_of(JournalRow)], command.c.event_pk)
        .outerjoin(command, command.c.seq == journal.c.command_seq)
        .where(
            (journal.c.kind == EntryKind.MESSAGE.value)
            | ((journal.c.kind == EntryKind.OWN.value) & journal.c.reconstructed)
        )
        .order_by(journal.c.seq)
    )
    for *columns, command_event in connection.execute(statement):
        row = JournalRow(**dict(zip(columns_of(JournalRow), columns, strict=True)))
        if is_accepted(row.result or 0):
            yield row, command_event


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
        reconstructed=row.reconstructed,
        lost=row.op_id if is_own else None,
    )
    apply(unit, entry)


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
