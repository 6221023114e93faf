"""A store is made once, opened again, and kept from others."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text

from linkage.store.sql import tables
from linkage.store.sqlite.database import HEAD, StoreError, open_for_reading, open_store
from tests.fakes.core_bench import new_store


def test_a_store_is_made_once_and_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "linkage.db"
    for _ in range(2):
        engine = open_store(path)
        with engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            version = connection.exec_driver_sql("SELECT version_num FROM alembic_version")
            assert version.scalar() == HEAD
        engine.dispose()


def test_a_store_is_its_users_alone_in_whatever_directory(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    before = os.umask(0o022)
    try:
        engine = open_store(tmp_path / "linkage.db")
        with engine.begin() as connection:
            connection.execute(text("PRAGMA user_version = 1"))
            modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
        engine.dispose()
    finally:
        os.umask(before)
    assert modes == {"linkage.db": 0o600, "linkage.db-wal": 0o600, "linkage.db-shm": 0o600}


def test_the_migrations_make_the_tables_that_the_code_knows(tmp_path: Path) -> None:
    from sqlalchemy import inspect

    engine = open_store(tmp_path / "linkage.db")
    there = inspect(engine)
    for table in tables.metadata.sorted_tables:
        columns = {column["name"]: column for column in there.get_columns(table.name)}
        assert set(columns) == {column.name for column in table.columns}, table.name
        keys = there.get_pk_constraint(table.name)["constrained_columns"]
        assert keys == [column.name for column in table.primary_key.columns], table.name
        nullable = {name for name, column in columns.items() if column["nullable"]}
        assert nullable == {c.name for c in table.columns if c.nullable}, table.name
        indexes = {index["name"] for index in there.get_indexes(table.name)}
        assert {index.name for index in table.indexes} <= indexes, table.name
    engine.dispose()


def test_a_newer_or_foreign_database_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "linkage.db"
    new_store(path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    for opening in (open_store, open_for_reading):
        with pytest.raises(StoreError, match=r"newer linkage.*upgrade"):
            opening(path)

    path.write_bytes(b"no database at all, but longer than a header of one" * 100)
    with pytest.raises(StoreError, match="move it away"):
        open_store(path)
    with pytest.raises(StoreError, match="made by `linkage serve`"):
        open_for_reading(tmp_path / "none.db")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="choose another `data`"):
        open_store(tmp_path / "file" / "linkage.db")


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    from sqlalchemy.exc import OperationalError

    path = tmp_path / "linkage.db"
    new_store(path)
    reading = open_for_reading(path)
    with reading.connect() as connection, pytest.raises(OperationalError, match="readonly"):
        connection.exec_driver_sql("DELETE FROM journal")
    reading.dispose()
