"""The store in SQLite keeps the contract of every store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from linkage.ports.store import StorePort
from linkage.store.sql.unit import UnitOfWork
from linkage.store.sqlite.database import open_store
from pytest_linkage.contract.store import StoreContract


class TestSqlite(StoreContract):
    @contextmanager
    def opened(self, folder: Path) -> Iterator[StorePort]:
        engine = open_store(folder / "linkage.db")
        try:
            yield UnitOfWork(engine)
        finally:
            engine.dispose()
