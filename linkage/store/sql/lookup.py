"""Reads for data answers: operations of an event, what is open now, files."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Select, func, select

from linkage.store.rows import FileRecord, Operation
from linkage.store.sql.tables import event, file, journal, operation
from linkage.store.sql.unit import columns_of

OPEN_MAX: Final = 10_000
"""Open operations that one snapshot shows at most; an installation with more has lost hang-ups."""

_OPERATIONS: Final = select(*[operation.c[name] for name in columns_of(Operation)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a 280 asks for: empty and None mean everything. Times are microseconds."""

    events: Collection[int]
    kinds: Collection[str] = ()
    since: int | None = None
    until: int | None = None
    number: str | None = None


def events_under(connection: Connection, event_pk: int) -> list[int]:
    """An event and all that were merged into it, however deep."""
    found = [event_pk]
    layer: Sequence[int] = found
    while layer:
        rows = connection.execute(select(event.c.event_pk).where(event.c.merged_into.in_(layer)))
        layer = [row.event_pk for row in rows if row.event_pk not in found]
        found.extend(layer)
    return found


def count_operations(connection: Connection, wanted: Wanted) -> int:
    """How many operations fit."""
    return (
        connection.execute(_filter(select(func.count()).select_from(operation), wanted)).scalar()
        or 0
    )


def find_operations(
    connection: Connection, wanted: Wanted, offset: int, limit: int
) -> list[Operation]:
    """Operations that fit, in the order in which they began."""
    statement = _filter(_OPERATIONS, wanted).order_by(operation.c.started_at, operation.c.op_id)
    rows = connection.execute(statement.offset(offset).limit(limit))
    return [Operation(**row._mapping) for row in rows]


def open_operations(connection: Connection, kinds: Collection[str]) -> list[Operation]:
    """Operations of these kinds that have not ended, the latest `OPEN_MAX`.

    In the order in which they began.
    """
    rows = connection.execute(
        _OPERATIONS.where(operation.c.ended_at.is_(None), operation.c.kind.in_(kinds))
        .order_by(operation.c.op_id.desc())
        .limit(OPEN_MAX)
    )
    return [Operation(**row._mapping) for row in rows][::-1]


def open_calls_of(
    connection: Connection, login_id: str | None, number: str | None
) -> list[Operation]:
    """Calls and legs that have not ended, and that a dispatcher, or else a number, is in."""
    column = operation.c
    who = (
        column.login_id == login_id
        if number is None
        else (column.from_num == number) | (column.to_num == number)
    )
    rows = connection.execute(
        _OPERATIONS.where(column.ended_at.is_(None), column.kind.in_(("call", "leg")), who)
        .order_by(column.op_id.desc())
        .limit(OPEN_MAX)
    )
    return [Operation(**row._mapping) for row in rows]


def open_and_heard(
    connection: Connection, kind: str, after: int, limit: int
) -> list[tuple[Operation, int]]:
    """Open operations of a kind, by OpId after one, each with when it was heard of last.

    In microseconds by the wall clock: when its platform's last notice of it was journalled, else
    when it began.
    """
    heard = (
        select(func.max(journal.c.recorded_at))
        .where(journal.c.op_id == operation.c.op_id, journal.c.source == operation.c.platform)
        .scalar_subquery()
    )
    rows = connection.execute(
        _OPERATIONS.add_columns(heard.label("heard"))
        .where(operation.c.kind == kind, operation.c.op_id > after, operation.c.ended_at.is_(None))
        .order_by(operation.c.op_id)
        .limit(limit)
    )
    found = [dict(row._mapping) for row in rows]
    return [
        (Operation(**row), row["started_at"] if last is None else last)
        for row in found
        for last in [row.pop("heard")]
    ]


def last_heard(connection: Connection, op_id: int, platform: str) -> int | None:
    """When a platform's last notice of an operation was journalled."""
    return connection.execute(
        select(func.max(journal.c.recorded_at)).where(
            journal.c.op_id == op_id, journal.c.source == platform
        )
    ).scalar()


def files_of(connection: Connection, op_ids: Collection[int]) -> dict[int, FileRecord]:
    """The latest file of each operation that has one."""
    statement = select(*[file.c[name] for name in columns_of(FileRecord)]).where(
        file.c.op_id.in_(op_ids)
    )
    rows = connection.execute(statement.order_by(file.c.created_at))
    return {row.op_id: FileRecord(**row._mapping) for row in rows}


def operation_of_file(connection: Connection, platform: str, file_id: str) -> int | None:
    """The OpId of what a platform's file is of."""
    return connection.execute(
        select(file.c.op_id).where(file.c.platform == platform, file.c.file_id == file_id)
    ).scalar()


def latest_platform(connection: Connection, event_pk: int) -> str | None:
    """The platform of an event's latest operation."""
    statement = select(operation.c.platform).where(operation.c.event_pk == event_pk)
    return connection.execute(statement.order_by(operation.c.op_id.desc()).limit(1)).scalar()


def _filter(statement: Select[Any], wanted: Wanted) -> Select[Any]:
    statement = statement.where(operation.c.event_pk.in_(wanted.events))
    if wanted.kinds:
        statement = statement.where(operation.c.kind.in_(wanted.kinds))
    if wanted.since is not None:
        statement = statement.where(operation.c.started_at >= wanted.since)
    if wanted.until is not None:
        statement = statement.where(operation.c.started_at <= wanted.until)
    if wanted.number is not None:
        statement = statement.where(
            (operation.c.from_num == wanted.number) | (operation.c.to_num == wanted.number)
        )
    return statement
