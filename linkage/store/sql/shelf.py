"""Records of one table in memory: one object for each row, written as far as it changed."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import Table

from linkage.store.rows import columns_of
from linkage.store.sql.driver import Row, SqlDriver, getter, in_table_order, maker

CACHE_ROWS: Final = 20_000

Record = TypeVar("Record")


def trim(rows: OrderedDict[Any, Any]) -> list[Any]:
    """Let go of what came first, and say of which keys; what is used again is read again."""
    return [rows.popitem(last=False)[0] for _ in range(len(rows) - CACHE_ROWS)]


class Shelf(Generic[Record]):
    """Records of one table by key: one object for each row, written as far as it changed.

    `rows` are those used lately; `new` and `changed` wait for the flush.
    """

    def __init__(self, table: Table, cls: type[Record]) -> None:
        self._table = table
        self._names = in_table_order(table, columns_of(cls))
        self._values = getter(self._names)
        self._make = maker(table, cls)
        self._on_disk: dict[int, Row] = {}
        self.rows: OrderedDict[int, Record] = OrderedDict()
        self.new: dict[int, Record] = {}
        self.changed: dict[int, Record] = {}

    def add(self, key: int, record: Record) -> Record:
        """Insert with the next flush."""
        self.new[key] = self.rows[key] = record
        return record

    def change(self, key: int, record: Record) -> None:
        """Write with the next flush; a row not yet inserted takes its changes along."""
        if key not in self.new:
            self.changed[key] = record

    def take(self, row: Row) -> Record:
        """The record of a row that was read, whose first column is the key."""
        record = self.rows.get(row[0])
        if record is None:
            record = self.rows[row[0]] = self._make(row)
            self._on_disk[row[0]] = self._values(record)
        return record

    def flush(self, driver: SqlDriver) -> None:
        """Send what is new, and of what changed the columns that did."""
        new = list(map(self._values, self.new.values()))
        driver.insert(self._table, self._names, new)
        self._on_disk.update(zip(self.new, new, strict=True))
        for (names, values), keys in self._differences().items():
            driver.update(self._table, names, values, keys)
        self.new.clear()
        self.changed.clear()

    def _differences(self) -> dict[tuple[tuple[str, ...], Row], list[int]]:
        """Columns that changed and their values → the keys of the rows where they did.

        Within a batch many rows take the same step at the same time.
        """
        found: dict[tuple[tuple[str, ...], Row], list[int]] = {}
        for key, record in self.changed.items():
            before, now = self._on_disk.get(key), self._values(record)
            if before == now:
                continue
            differing = [
                at for at, value in enumerate(now) if before is None or value != before[at]
            ]
            names = tuple([self._names[at] for at in differing])
            values = tuple([now[at] for at in differing])
            found.setdefault((names, values), []).append(key)
            self._on_disk[key] = now
        return found

    def trim(self) -> None:
        """After a commit: let go of what was not used for longest."""
        for key in trim(self.rows):
            del self._on_disk[key]
