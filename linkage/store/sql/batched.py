"""Rows by their keys, whole lists of keys at a time: each query goes by an index."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import Column, Connection, bindparam, select

from linkage.store.sql import tables

CHUNK: Final = 500
"""Keys in one `IN (…)`: below what SQLite takes, and one query for an ordinary event."""


def select_in(connection: Connection, column: Column[Any], keys: Sequence[Any]) -> list[Any]:
    """Every row of the column's table that has one of the keys."""
    rows: list[Any] = []
    for part in chunks(keys):
        rows += connection.execute(_in_statement(column), {"keys": part})
    return rows


@cache
def _in_statement(column: Column[Any]) -> Any:
    # Built once: building and hashing a statement costs more than running it.
    return select(column.table).where(column.in_(bindparam("keys", expanding=True)))


def chunks(keys: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The keys in portions that one query takes."""
    for start in range(0, len(keys), CHUNK):
        yield keys[start : start + CHUNK]


def event_names(connection: Connection, keys: Iterable[int | None]) -> dict[int, tuple[str, str]]:
    """Key → (owner, EventId)."""
    wanted = sorted({key for key in keys if key is not None})
    table = tables.event
    return {
        row.event_pk: (row.owner, row.event_id)
        for row in select_in(connection, table.c.event_pk, wanted)
    }
