"""Stores with a fault, for tests of what a fault costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from linkage.ports.records import RecordsPort
from linkage.store.rows import Operation
from linkage.store.sql.driver import Row, SqlDriver
from linkage.store.sql.transaction import Part, Transaction
from linkage.store.sql.unit import UnitOfWork


class _Watched:
    """Records that tell of each look-up first."""

    def __init__(self, records: RecordsPort, looked_up: Callable[[str], None]) -> None:
        self._records = records
        self._looked_up = looked_up

    def __getattr__(self, name: str) -> Any:
        return getattr(self._records, name)

    def find_operation(self, platform: str, native: str) -> Operation | None:
        self._looked_up(native)
        return self._records.find_operation(platform, native)


def watch_look_ups(unit: UnitOfWork, looked_up: Callable[[str], None]) -> None:
    """Call something with the native key whenever an operation is looked up; it may raise."""
    unit.records = cast("RecordsPort", _Watched(unit.records, looked_up))


class OnWrite(Part):
    """Calls something whenever what was collected is sent to the database; it may raise."""

    def __init__(self, tx: Transaction, written: Callable[[], None]) -> None:
        super().__init__(tx)
        self._written = written

    def write(self, driver: SqlDriver) -> None:  # noqa: ARG002 - as of every part
        self._written()


class _BadDriver:
    def __init__(self, driver: SqlDriver, read: Callable[[tuple[str, ...], Row], None]) -> None:
        self._driver = driver
        self._read = read

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver, name)

    def execute(self, statement: Any, order: tuple[str, ...], values: Row) -> list[Row]:
        self._read(order, values)
        return self._driver.execute(statement, order, values)


class OnRead(Part):
    """Calls something with the parameters of whatever is executed; it may raise."""

    def __init__(self, tx: Transaction, read: Callable[[tuple[str, ...], Row], None]) -> None:
        super().__init__(tx)
        self._read = read

    def begun(self) -> None:
        self._tx.driver = cast("SqlDriver", _BadDriver(self._tx.driver, self._read))
