from __future__ import annotations

import asyncio
import logging
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Self

import pytest

from linkage.clock import ManualClock
from linkage.store.read.reader import StoreReader
from linkage.store.sqlite.checkpoints import BACKUP_PATIENCE_S, Checkpoints
from linkage.store.sqlite.database import LOG_KEPT_BYTES, open_store, uri_of
from linkage.store.sqlite.holders import readers_of
from protocol.messages import HangupNotice
from tests.fakes.embodiments import Writer


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


class Held:
    """A store with a reader in the middle of a transaction, and more written since."""

    def __init__(self, path: Path, *arguments: str) -> None:
        self.path = path
        script = path.with_name("reader.py")
        script.write_text(READER)
        self.clock = ManualClock()
        self.engine = open_store(path)
        self.reader = subprocess.Popen(
            [sys.executable, str(script), *arguments, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.reader.stdout is not None
        assert self.reader.stdout.readline() == b"reading\n"
        self.writer = write(path, "desk")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.writer.close()
        self.engine.dispose()
        self.let_go()
        assert self.reader.stdout is not None
        self.reader.stdout.close()
        self.reader.wait()

    def let_go(self) -> None:
        assert self.reader.stdin is not None
        self.reader.stdin.close()


READER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[-1], isolation_level=None)
connection.execute("BEGIN")
connection.execute("SELECT count(*) FROM peer").fetchall()
print("reading", flush=True)
sys.stdin.read()
"""


async def test_a_reader_that_stays_is_named_and_forgotten_when_it_is_gone(tmp_path: Path) -> None:
    with Held(tmp_path / "linkage.db") as held:
        with Checkpoints(held.path, every_s=0.01, patience_s=30, clock=held.clock) as log:
            await until(lambda: log.behind_bytes)
            held.clock.advance(29)
            await until(lambda: log.held_s == 29)
            assert log.problem is None
            held.clock.advance(1)
            await until(lambda: log.problem)
            told = str(log.problem)
            assert f"(pid {held.reader.pid})" in told
            assert "reader.py" in told
            assert "since 30 s" in told
            held.let_go()
            await until(lambda: log.problem is None and not log.behind_bytes)
        assert log.held_s == 0


async def test_a_stopped_reader_is_told_as_such(tmp_path: Path) -> None:
    with Held(tmp_path / "linkage.db") as held:
        held.reader.send_signal(signal.SIGSTOP)
        try:
            [reader] = readers_of(held.path)
            await until(lambda: readers_of(held.path)[0].stopped)
        finally:
            held.reader.send_signal(signal.SIGCONT)
        assert reader.pid == held.reader.pid


def test_where_no_locks_are_listed_those_are_named_who_have_the_file_open(tmp_path: Path) -> None:
    proc = tmp_path / "proc"
    (proc / "4711" / "fd").mkdir(parents=True)
    (proc / "4711" / "cmdline").write_bytes(b"/usr/bin/sqlite3\0linkage.db\0")
    (proc / "4711" / "stat").write_text("4711 (sqlite3 (x)) T 1")
    engine = open_store(tmp_path / "linkage.db")
    (proc / "4711" / "fd" / "5").symlink_to(tmp_path / "linkage.db-shm")
    found = readers_of(tmp_path / "linkage.db", proc)
    engine.dispose()
    assert list(map(str, found)) == ["sqlite3 linkage.db (pid 4711, stopped)"]
    assert readers_of(tmp_path / "no such.db", proc) == []


async def test_a_backup_may_read_for_as_long_as_backups_do(tmp_path: Path) -> None:
    with (
        Held(tmp_path / "linkage.db", "backup") as held,
        Checkpoints(held.path, every_s=0.01, patience_s=30, clock=held.clock) as log,
    ):
        await until(lambda: log.behind_bytes)
        held.clock.advance(BACKUP_PATIENCE_S - 1)
        await until(lambda: log.held_s == BACKUP_PATIENCE_S - 1)
        assert log.problem is None
        held.clock.advance(1)
        await until(lambda: log.problem)
        held.let_go()


def test_a_log_that_grew_is_given_back_when_it_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "linkage.db"
    engine = open_store(path)
    with engine.connect() as connection:
        limit = connection.exec_driver_sql("PRAGMA journal_size_limit").scalar()
    engine.dispose()
    assert limit == LOG_KEPT_BYTES


async def test_our_own_readers_hold_nothing_between_what_they_show(tmp_path: Path) -> None:
    """A pager that waits, a Ctrl-Z: neither may stand in the middle of a transaction."""
    path = tmp_path / "linkage.db"
    journal = Writer(path)
    for number in range(3):
        journal.say("pbx", HangupNotice(call_id=f"c{number}"))
    with StoreReader.open(path) as reader:
        shown = reader.entries()
        assert next(shown).seq == 1
        reader.last_entries(20)
        reader.list_events()
        known = len(reader.peers())
        with closing(write(path, "later")), Checkpoints(path, every_s=0.01):
            await until(lambda: in_the_database_itself(path) == known + 1)
        assert [entry.seq for entry in shown] == [2, 3]
    journal.close()
