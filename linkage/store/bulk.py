"""Many rows at the price of a few: compiled once, rows as tuples straight to the driver.

A commit writes some hundred rows in five tables. SQLAlchemy's handling of parameters, row by row,
costs more than the database's own work; so the statement is compiled once for the
dialect, and the driver's `executemany` gets tuples in its positional order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, Dialect, Table, bindparam, insert, update

Row = tuple[Any, ...]


def columns_of(row: type) -> tuple[str, ...]:
    """The columns of a record class, in order."""
    return tuple(field.name for field in fields(row))


def in_table_order(table: Table, names: tuple[str, ...]) -> tuple[str, ...]:
    """The order in which statements take the values: that of the table's columns."""
    return tuple(column.name for column in table.columns if column.name in names)


def insert_rows(
    connection: Connection, table: Table, names: tuple[str, ...], rows: list[Row]
) -> None:
    """Insert rows whose values stand in the order of `names`, which is the table's."""
    if rows:
        connection.exec_driver_sql(_insert(table, names, connection.dialect), rows)


def update_rows(
    connection: Connection,
    table: Table,
    names: tuple[str, ...],
    keys: tuple[str, ...],
    rows: list[Row],
) -> None:
    """Update rows by key; each tuple has the values of `names`, then those of `keys`."""
    if rows:
        connection.exec_driver_sql(_update(table, names, keys, connection.dialect), rows)


@cache
def getter(names: tuple[str, ...]) -> Callable[[Any], Row]:
    """What makes a tuple of an object's attributes."""
    return attrgetter(*names)


def tuples(names: tuple[str, ...], objects: Iterable[Any]) -> list[Row]:
    """A tuple of these attributes for each object."""
    return list(map(getter(names), objects))


@cache
def _insert(table: Table, names: tuple[str, ...], dialect: Dialect) -> str:
    statement = insert(table).values({name: bindparam(name) for name in names})
    return _text(statement, names, dialect)


@cache
def _update(table: Table, names: tuple[str, ...], keys: tuple[str, ...], dialect: Dialect) -> str:
    # A key's parameter must not carry the column's own name: that one is taken by SET.
    statement = update(table).values({name: bindparam(name) for name in names})
    for key in keys:
        statement = statement.where(table.c[key] == bindparam(f"key_{key}"))
    return _text(statement, (*names, *(f"key_{key}" for key in keys)), dialect)


def _text(statement: Any, order: tuple[str, ...], dialect: Dialect) -> str:
    compiled = statement.compile(dialect=dialect)
    if tuple(compiled.positiontup or ()) != order:
        raise TypeError(f"{dialect.name} binds {compiled.positiontup}, not {order}")
    return str(compiled)
