"""Many rows in few statements: what goes in comes out, whatever the rows have in common."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import select

from linkage.store.sql import tables
from linkage.store.sql.driver import SHARED_FROM, Row, SqlDriver
from linkage.store.sql.queues import DELIVERY_COLUMNS
from linkage.store.sqlite.database import open_store

MANY = 3 * SHARED_FROM + 7
"""Statements of several sizes, with and without rows that share."""


def row(seq: int, **values: object) -> Row:
    given = {"receiver": "desk", "seq": seq, "journal_seq": 2 * seq, "type": 100, "state": "open"}
    given |= {"attempts": 0} | values
    return tuple([given.get(name) for name in DELIVERY_COLUMNS])


MIXED = {
    "all share": [row(seq) for seq in range(MANY)],
    "one differs": [row(seq, type=102 if seq == MANY - 1 else 100) for seq in range(MANY)],
    "one has what the others have not": [
        row(seq, result=0 if seq == SHARED_FROM else None) for seq in range(MANY)
    ],
    "one has not what the others have": [
        row(seq, expires_at=None if not seq else 5) for seq in range(MANY)
    ],
    "all differ": [
        row(seq, receiver=f"desk{seq}", type=seq, state=f"s{seq}", attempts=seq, result=-seq)
        for seq in range(MANY)
    ],
    "too few to share": [row(seq) for seq in range(SHARED_FROM - 1)],
    "just enough": [row(seq) for seq in range(SHARED_FROM)],
    "one alone": [row(1)],
    "none": [],
}


@pytest.mark.parametrize("rows", MIXED.values(), ids=MIXED.keys())
def test_what_is_inserted_is_read_again(rows: list[Row], tmp_path: Path) -> None:
    store = open_store(tmp_path / "linkage.db")
    with store.begin() as connection:
        SqlDriver(connection).insert(tables.delivery, DELIVERY_COLUMNS, rows)
    columns = [tables.delivery.c[name] for name in DELIVERY_COLUMNS]
    with store.connect() as connection:
        found = connection.execute(select(*columns).order_by(tables.delivery.c.journal_seq)).all()
    store.dispose()
    assert [tuple(each) for each in found] == rows


@pytest.mark.parametrize("many", [1, SHARED_FROM])
def test_what_no_row_has_is_not_bound(many: int, tmp_path: Path) -> None:
    store = open_store(tmp_path / "linkage.db")
    executed: list[str] = []
    with store.begin() as connection:
        driver = cast("sqlite3.Connection", connection.connection.dbapi_connection)
        driver.set_trace_callback(executed.append)
        SqlDriver(connection).insert(
            tables.delivery, DELIVERY_COLUMNS, [row(seq) for seq in range(many)]
        )
        driver.set_trace_callback(None)
    store.dispose()
    (text,) = [text for text in executed if text.startswith("INSERT")]
    assert "state" in text
    assert "result" not in text
    assert "expires_at" not in text
