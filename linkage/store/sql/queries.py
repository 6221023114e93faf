"""Reads for data answers: operations of an event, what is open now, files."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import Result, Select, func, select
from typing_extensions import override

from linkage.correlation.event_links import MERGE
from linkage.ports.store import QueriesPort, Wanted
from linkage.store.rows import FileRecord, Operation
from linkage.store.sql.driver import select_rows
from linkage.store.sql.tables import event, event_link, file, journal, operation
from linkage.store.sql.transaction import Part

OPEN_MAX: Final = 10_000
"""Open operations that one snapshot shows at most; an installation with more has lost hang-ups."""

_OPERATIONS: Final = select_rows(operation, Operation)


class SqlQueries(Part, QueriesPort):
    """What is collected is sent to the database first: an answer has what came just before it."""

    def _execute(self, statement: Select[Any]) -> Result[Any]:
        self._tx.flush()
        return self._tx.connection.execute(statement)

    @override
    def events_under(self, event_pk: int) -> list[int]:
        found = [event_pk]
        layer: Sequence[int] = found
        while layer:
            rows = self._execute(select(event.c.event_pk).where(event.c.merged_into.in_(layer)))
            layer = [row.event_pk for row in rows if row.event_pk not in found]
            found.extend(layer)
        return found

    @override
    def events_linked(self, events: Collection[int]) -> list[int]:
        tie = event_link.c
        ends = ((tie.event_pk, tie.other_pk), (tie.other_pk, tie.event_pk))
        found = {
            row[0]
            for near, far in ends
            for row in self._execute(
                select(far).where(near.in_(events), tie.valid_to.is_(None), tie.kind != MERGE)
            )
        }
        return sorted(found.difference(events))

    @override
    def count_operations(self, wanted: Wanted) -> int:
        return (
            self._execute(_filter(select(func.count()).select_from(operation), wanted)).scalar()
            or 0
        )

    @override
    def find_operations(self, wanted: Wanted, offset: int, limit: int) -> list[Operation]:
        statement = _filter(_OPERATIONS, wanted).order_by(
            operation.c.started_at, operation.c.op_id
        )
        rows = self._execute(statement.offset(offset).limit(limit))
        return [Operation(**row._mapping) for row in rows]

    @override
    def open_operations(self, kinds: Collection[str]) -> list[Operation]:
        rows = self._execute(
            _OPERATIONS.where(operation.c.ended_at.is_(None), operation.c.kind.in_(kinds))
            .order_by(operation.c.op_id.desc())
            .limit(OPEN_MAX)
        )
        return [Operation(**row._mapping) for row in rows][::-1]

    @override
    def open_calls_of(self, login_id: str | None, number: str | None) -> list[Operation]:
        column = operation.c
        who = (
            column.login_id == login_id
            if number is None
            else (column.from_num == number) | (column.to_num == number)
        )
        rows = self._execute(
            _OPERATIONS.where(column.ended_at.is_(None), column.kind.in_(("call", "leg")), who)
            .order_by(column.op_id.desc())
            .limit(OPEN_MAX)
        )
        return [Operation(**row._mapping) for row in rows]

    @override
    def open_and_heard(self, kind: str, after: int, limit: int) -> list[tuple[Operation, int]]:
        heard = (
            select(func.max(journal.c.recorded_at))
            .where(journal.c.op_id == operation.c.op_id, journal.c.source == operation.c.platform)
            .scalar_subquery()
        )
        rows = self._execute(
            _OPERATIONS.add_columns(heard.label("heard"))
            .where(
                operation.c.kind == kind, operation.c.op_id > after, operation.c.ended_at.is_(None)
            )
            .order_by(operation.c.op_id)
            .limit(limit)
        )
        found = [dict(row._mapping) for row in rows]
        return [
            (Operation(**row), row["started_at"] if last is None else last)
            for row in found
            for last in [row.pop("heard")]
        ]

    @override
    def files_of(self, op_ids: Collection[int]) -> dict[int, FileRecord]:
        statement = select_rows(file, FileRecord).where(file.c.op_id.in_(op_ids))
        rows = self._execute(statement.order_by(file.c.created_at))
        return {row.op_id: FileRecord(**row._mapping) for row in rows}

    @override
    def latest_platform(self, events: Collection[int]) -> str | None:
        statement = select(operation.c.platform).where(operation.c.event_pk.in_(events))
        return self._execute(statement.order_by(operation.c.op_id.desc()).limit(1)).scalar()


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
