"""Many rows at the price of a few: compiled statements and tuples, straight to the driver.

A commit reads and writes some hundred rows in five tables. SQLAlchemy's handling of statements and
parameters costs many times the database's own work on them; so a statement is built with
SQLAlchemy, compiled once for the dialect, and the driver gets its text and tuples in its order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import chain
from operator import attrgetter
from typing import Any, Final, TypeVar

from sqlalchemy import (
    Boolean,
    Connection,
    Dialect,
    Select,
    Table,
    bindparam,
    insert,
    literal_column,
    select,
    update,
)

from linkage.store.rows import columns_of
from linkage.store.sql.dialect import numbered, raw

Row = tuple[Any, ...]
Record = TypeVar("Record")

TOGETHER: Final = (32, 16, 8, 4, 2, 1)
"""Numbers of rows that an INSERT is compiled for. Each statement lets go of the interpreter's
lock, and must get it back from the event loop; a row a statement would do so some thousand times a
batch. Times the columns they stay below the 999 parameters that every SQLite takes."""
SHARED_FROM: Final = TOGETHER[0]
"""Rows from which on it is worth while to look for what they share."""
INSERTS_KEPT: Final = 512
"""Texts of INSERT statements; which columns are left out or shared differs from batch to batch."""
KEYS: Final = (1, 8, 64, 500)
"""Numbers of keys that a statement is compiled for; what is less is filled up with its last
key."""


def select_rows(table: Table, cls: type) -> Select[Any]:
    """Of a table what its records have, in the table's order: `maker` takes the rows."""
    return select(*[table.c[name] for name in in_table_order(table, columns_of(cls))])


def in_table_order(table: Table, names: tuple[str, ...]) -> tuple[str, ...]:
    """The order in which statements take the values: that of the table's columns."""
    return tuple(column.name for column in table.columns if column.name in names)


@cache
def getter(names: tuple[str, ...]) -> Callable[[Any], Row]:
    """What makes a tuple of an object's attributes."""
    return attrgetter(*names)


def maker(table: Table, cls: type[Record]) -> Callable[[Row], Record]:
    """What makes a record of a row that `select_rows` has brought."""
    names = in_table_order(table, columns_of(cls))
    flags = [name for name in names if isinstance(table.c[name].type, Boolean)]

    def make(row: Row) -> Record:
        values = dict(zip(names, row, strict=True))
        for flag in flags:
            values[flag] = bool(values[flag])
        return cls(**values)

    return make


class SqlDriver:
    """The driver beneath an open connection.

    Its errors are the driver's own, which SQLAlchemy would wrap.
    """

    def __init__(self, connection: Connection) -> None:
        self._dialect = connection.dialect
        self._driver = raw(connection)

    def insert(self, table: Table, names: tuple[str, ...], rows: Sequence[Row]) -> None:
        """Insert rows whose values stand in the order of `names`, which is the table's.

        A column that is None in all of them is left out: most are. What is the same in all of
        them is bound once a statement: to bind a value costs as much as to store it.
        """
        if not rows:
            return
        shared: list[Any] = []
        same: list[str] = []
        own: list[str] = []
        columns: list[Row] = []
        for name, column in zip(names, zip(*rows, strict=True), strict=True):
            first = column[0]
            if len(rows) < SHARED_FROM or column.count(first) < len(rows):
                if first is not None or column.count(None) < len(rows):
                    own.append(name)
                    columns.append(column)
            elif first is not None:
                same.append(name)
                shared.append(first)
        rows = list(zip(*columns, strict=True))
        start = 0
        for size in TOGETHER:
            while len(rows) - start >= size:
                values = [*shared, *chain.from_iterable(rows[start : start + size])]
                text = _insert(table, tuple(same), tuple(own), size, self._dialect)
                self._driver.execute(text, values)
                start += size

    def update(
        self, table: Table, names: tuple[str, ...], values: Row, keys: Sequence[Any]
    ) -> None:
        """Give all rows of these keys the same values; the key is the table's first column."""
        for part in _parts(keys):
            text = _update(table, names, len(part), self._dialect)
            self._driver.execute(text, (*values, *part))

    def execute(self, statement: Any, order: tuple[str, ...], values: Row) -> list[Row]:
        """Execute with values in the order of the named parameters; the rows that it gives."""
        return self._driver.execute(_text(statement, order, self._dialect), values).fetchall()

    def execute_many(self, statement: Any, order: tuple[str, ...], rows: Sequence[Row]) -> None:
        """Execute for each tuple of values."""
        self._driver.executemany(_text(statement, order, self._dialect), rows)

    def find_each(
        self, make: Callable[[int], Select[Any]], keys: Sequence[Any], *more: Any
    ) -> list[Row]:
        """The rows of a look-up of many keys.

        Args:
            make: makes the SELECT for a number of keys, with the parameters `key_0`, `key_1` … and
                after them those of `more`, `more_0` …
            keys: at least one.
            more: further values.
        """
        found: list[Row] = []
        for part in _parts(keys):
            text = _look_up(make, len(part), len(more), self._dialect)
            found += self._driver.execute(text, (*part, *more)).fetchall()
        return found


def keys_of(number: int) -> list[Any]:
    """The parameters of that many keys, for `SqlDriver.find_each`."""
    return [bindparam(name) for name in _names("key", number)]


def at_most(rows: int, statement: Select[Any]) -> Select[Any]:
    """The statement with a LIMIT that is part of its text and no parameter."""
    return statement.limit(literal_column(str(rows))).offset(literal_column("0"))


def _parts(keys: Sequence[Any]) -> Iterator[list[Any]]:
    """The keys in parts of the sizes that statements are compiled for."""
    for start in range(0, len(keys), KEYS[-1]):
        part = list(keys[start : start + KEYS[-1]])
        size = next(size for size in KEYS if size >= len(part))
        yield part + part[-1:] * (size - len(part))


def _names(kind: str, number: int) -> Iterable[str]:
    return [f"{kind}_{index}" for index in range(number)]


@cache
def _look_up(make: Callable[[int], Select[Any]], keys: int, more: int, dialect: Dialect) -> str:
    return _text(make(keys), (*_names("key", keys), *_names("more", more)), dialect)


@lru_cache(maxsize=INSERTS_KEPT)
def _insert(
    table: Table, same: tuple[str, ...], own: tuple[str, ...], rows: int, dialect: Dialect
) -> str:
    """An INSERT of so many rows that takes the values which all share, and then those of each."""
    names = in_table_order(table, (*same, *own))
    statement = insert(table).values({name: bindparam(name) for name in names})
    single = _text(statement, names, dialect)
    values = []
    for row in range(rows):
        at = {name: 1 + number for number, name in enumerate(same)}
        at |= {name: 1 + len(same) + row * len(own) + number for number, name in enumerate(own)}
        values.append("(" + ", ".join([numbered(at[name]) for name in names]) + ")")
    return single[: single.rindex("(")] + ", ".join(values)


@cache
def _update(table: Table, names: tuple[str, ...], keys: int, dialect: Dialect) -> str:
    values: dict[str, Any] = {name: bindparam(name) for name in names}
    statement = update(table).values(values).where(table.columns[0].in_(keys_of(keys)))
    return _text(statement, (*names, *_names("key", keys)), dialect)


@cache
def _text(statement: Any, order: tuple[str, ...], dialect: Dialect) -> str:
    compiled = statement.compile(dialect=dialect)
    if tuple(compiled.positiontup or ()) != order:
        raise TypeError(f"{dialect.name} binds {compiled.positiontup}, not {order}")
    return str(compiled)
