from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from linkage.store.checkpoints import Checkpoints
from linkage.store.database import open_store, uri_of


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)


def in_the_database_itself(path: Path) -> int:
    """Peers that the file has without its log; it may be looked at in the middle of a write."""
    with (
        suppress(sqlite3.DatabaseError),
        closing(sqlite3.connect(uri_of(path, "ro") + "&immutable=1", uri=True)) as connection,
    ):
        return int(connection.execute("SELECT count(*) FROM peer").fetchone()[0])
    return 0


def write(path: Path, name: str) -> sqlite3.Connection:
    """A writer whose log is far from full."""
    writer = sqlite3.connect(path)
    writer.execute(
        "INSERT INTO peer (peer_id, role, next_seq) VALUES (?, 'application', 1)", [name]
    )
    writer.commit()
    return writer


async def test_what_was_committed_is_taken_in_while_the_writer_stays(tmp_path: Path) -> None:
    path = tmp_path / "a 100%?" / "linkage.db"
    engine = open_store(path)
    with closing(write(path, "desk")):
        before = in_the_database_itself(path)
        with Checkpoints(path, every_s=0.01):
            await until(lambda: in_the_database_itself(path) == 1)
            with closing(write(path, "pbx")):
                await until(lambda: in_the_database_itself(path) == 2)
    engine.dispose()
    assert before == 0


async def test_a_reader_neither_stops_it_nor_is_disturbed(tmp_path: Path) -> None:
    path = tmp_path / "linkage.db"
    engine = open_store(path)
    with closing(write(path, "desk")), closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        count = "SELECT count(*) FROM peer"
        assert reader.execute(count).fetchone() == (1,)
        with Checkpoints(path, every_s=0.01):
            await until(lambda: in_the_database_itself(path) == 1)
            with closing(write(path, "pbx")):
                assert reader.execute(count).fetchone() == (1,)
                reader.execute("COMMIT")
                await until(lambda: in_the_database_itself(path) == 2)
    engine.dispose()


async def test_a_store_that_is_not_there_is_told_once_and_taken_up_when_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "linkage.db"
    with caplog.at_level(logging.WARNING), Checkpoints(path, every_s=0.01):
        await until(lambda: caplog.records)
        engine = open_store(path)
        with closing(write(path, "desk")):
            await until(lambda: in_the_database_itself(path) == 1)
    engine.dispose()
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: the log is not taken into the database: unable to open database file"
    ]
