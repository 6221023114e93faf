"""The unit of work: one transaction, caches that never lie, a disk that may fail."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text

from linkage.ports.store import StoreFailedError
from linkage.store.rows import DeliveryRow, Event, FileRecord, JournalRow, Operation
from linkage.store.sql import journal, shelf, tables
from linkage.store.sql.unit import UnitOfWork
from linkage.store.sqlite.database import HEAD, StoreError, open_for_reading, open_store
from tests.fakes.core_bench import new_store


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    path = tmp_path / "linkage.db"
    new_store(path)
    made = open_store(path)
    yield made
    made.dispose()


@pytest.fixture
def unit(engine: Engine) -> UnitOfWork:
    return UnitOfWork(engine)


def operation(unit: UnitOfWork, native: str = "call:C1", **values: object) -> Operation:
    op_id = unit.records.next_op_id()
    fields: dict[str, object] = {"root": op_id, **values}
    return unit.records.add_operation(
        Operation(op_id=op_id, kind="call", platform="pbx", native=native, started_at=1, **fields)  # type: ignore[arg-type]  # one dict for all fields
    )


def entry(unit: UnitOfWork, **values: object) -> JournalRow:
    seq = unit.journal.next_seq
    row = JournalRow(seq=seq, recorded_at=1, kind="Message", source="pbx", **values)  # type: ignore[arg-type]  # the same
    unit.journal.append(row)
    return row


# --- operations ----------------------------------------------------------------------------------
def test_what_was_added_is_found_before_and_after_the_commit(unit: UnitOfWork) -> None:
    with unit.transaction():
        made = operation(unit)
        assert unit.records.find_operation("pbx", "call:C1") is made
        assert unit.records.find_calls("C1") == [made]
        assert unit.records.tree(made.op_id) == [made]
    with unit.transaction():
        assert unit.records.find_operation("pbx", "call:C1") is made


def test_an_older_operation_never_stands_for_the_latest(engine: Engine, unit: UnitOfWork) -> None:
    with unit.transaction():
        first, second = operation(unit), operation(unit)

    cold = UnitOfWork(engine)
    with cold.transaction():
        assert [found.op_id for found in cold.records.find_calls("C1")] == [
            second.op_id,
            first.op_id,
        ]
        assert cold.records.operation(first.op_id) == first
        latest = cold.records.find_operation("pbx", "call:C1")
        assert latest == second


def test_looking_up_a_batch_brings_the_latest_of_each_key(
    engine: Engine, unit: UnitOfWork
) -> None:
    with unit.transaction():
        for _ in range(3):
            latest = operation(unit)
        operation(unit, "call:C2")

    cold = UnitOfWork(engine)
    with cold.transaction():
        cold.records.prefetch({("pbx", "call:C1"), ("pbx", "call:C3"), ("pbx2", "call:C1")})
        assert cold.records.find_operation("pbx", "call:C1") == latest
        assert cold.records.find_operation("pbx", "call:C3") is None
        assert cold.records.find_operation("pbx2", "call:C1") is None
        made = operation(cold, "call:C3")
        assert cold.records.find_operation("pbx", "call:C3") is made


def test_one_row_is_one_object_whatever_way_it_is_found(engine: Engine, unit: UnitOfWork) -> None:
    with unit.transaction():
        operation(unit)

    cold = UnitOfWork(engine)
    with cold.transaction():
        cold.records.prefetch({("pbx", "call:C1")})
        ways = [
            cold.records.find_operation("pbx", "call:C1"),
            cold.records.operation(1),
            *cold.records.find_calls("C1"),
            *cold.records.tree(1),
        ]
        assert len({id(found) for found in ways}) == 1


def test_caches_are_bounded_and_forget_nothing_that_was_changed(
    engine: Engine, unit: UnitOfWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "CACHE_ROWS", 10)
    with unit.transaction():
        made = [operation(unit, f"call:C{number}") for number in range(30)]
        unit.flush()
        for number, one in enumerate(made):
            one.content = str(number)
            unit.records.change_operation(one)

    assert len(unit._records._operations.rows) == 10
    assert len(unit._records._native) == 10
    with unit.transaction():
        found = [unit.records.find_operation("pbx", f"call:C{number}") for number in range(30)]
        assert [one.content for one in found if one is not None] == [str(n) for n in range(30)]


def test_a_graft_moves_a_whole_tree(engine: Engine, unit: UnitOfWork) -> None:
    with unit.transaction():
        call = operation(unit, "call:C1")
        alone = operation(unit, "call:C2")
        below = operation(unit, "rec:R1", root=alone.op_id, parent=alone.op_id)
        unit.records.graft(alone, call)
        assert [one.op_id for one in unit.records.tree(call.op_id)] == [1, 2, 3]

    cold = UnitOfWork(engine)
    with cold.transaction():
        assert [one.op_id for one in cold.records.tree(call.op_id)] == [1, 2, 3]
        assert cold.records.tree(alone.op_id) == []
        assert (cold.records.operation(2), cold.records.operation(3)) == (alone, below)


@pytest.mark.parametrize("key", [0, -1, 2**63, 10**30])
def test_keys_that_no_row_can_have_find_nothing(unit: UnitOfWork, key: int) -> None:
    with unit.transaction():
        assert unit.records.operation(key) is None
        assert unit.journal.find(key) is None


# --- events, bindings, files ---------------------------------------------------------------------
def test_an_event_is_unique_within_its_owner(unit: UnitOfWork) -> None:
    with unit.transaction():
        for key, owner in ((1, "a"), (2, "b")):
            unit.records.add_event(Event(event_pk=key, owner=owner, event_id="E", opened_at=1))
        assert [event.owner for event in unit.records.find_events("E")] == ["a", "b"]
    with pytest.raises(sqlite3.IntegrityError), unit.transaction():
        unit.records.add_event(Event(event_pk=3, owner="a", event_id="E", opened_at=1))


def test_bindings_end_and_are_never_deleted(engine: Engine, unit: UnitOfWork) -> None:
    with unit.transaction():
        unit.records.add_binding(1, 7, "created", "desk", 3)
        unit.records.end_binding(1, 5)
        unit.records.add_binding(1, 8, "manual", "desk", 5)
        unit.records.add_link(7, 8, "merge", "desk", 6)
        unit.records.end_link(7, 8, ("merge",), 9)

    with engine.connect() as connection:
        bound = connection.execute(
            select(
                tables.binding.c.event_pk, tables.binding.c.valid_from, tables.binding.c.valid_to
            )
        ).all()
        linked = connection.execute(select(tables.event_link.c.valid_to)).scalars().all()
    assert [tuple(row) for row in bound] == [(7, 3, 5), (8, 5, None)]
    assert linked == [9]


def test_a_file_is_known_by_its_platform_and_id(engine: Engine, unit: UnitOfWork) -> None:
    with unit.transaction():
        for platform, size in (("pbx", 1), ("pbx2", 2), ("pbx", 3)):
            unit.records.put_file(
                FileRecord(file_id="F", platform=platform, created_at=1, size_bytes=size)
            )

    with engine.connect() as connection:
        sizes = connection.execute(select(tables.file.c.platform, tables.file.c.size_bytes)).all()
    assert sorted(tuple(row) for row in sizes) == [("pbx", 3), ("pbx2", 2)]


# --- deliveries ----------------------------------------------------------------------------------
def queued(unit: UnitOfWork, *types: int) -> None:
    for type_ in types:
        unit.queues.enqueue("peer", "application", 1, type_)


def open_seqs(unit: UnitOfWork) -> list[int]:
    return [row.seq for row in unit.queues.open("peer", 0, 100)]


def test_seqs_count_on_over_restarts(engine: Engine, unit: UnitOfWork) -> None:
    with unit.transaction():
        queued(unit, 100, 101)
    cold = UnitOfWork(engine)
    with cold.transaction():
        assert cold.queues.next_seq("peer") == 3
        queued(cold, 102)
        assert open_seqs(cold) == [1, 2, 3]


def test_resuming_settles_what_is_there_and_reopens_notices_only(unit: UnitOfWork) -> None:
    with unit.transaction():
        queued(unit, 100, 205, 102, 605, 300, 500)
        for seq in range(2, 7):
            unit.queues.settle("peer", seq, "done", 0)
    with unit.transaction():
        assert unit.queues.reopen_after("peer", 1, 100, 10) == (3, None)
        assert unit.queues.settle_to("peer", 1, 10) == 1
        assert open_seqs(unit) == [3, 5, 6]
        assert all(row.attempts == 1 for row in unit.queues.open("peer", 0, 100))


def test_resuming_goes_slice_by_slice_from_both_ends(unit: UnitOfWork) -> None:
    with unit.transaction():
        queued(unit, *[100] * 9)
        for seq in range(4, 10):
            unit.queues.settle("peer", seq, "done", 0)
    with unit.transaction():
        assert unit.queues.reopen_after("peer", 4, 100, 2) == (2, 8)
        assert open_seqs(unit) == [1, 2, 3, 8, 9]
        assert unit.queues.reopen_after("peer", 4, 8, 3) == (3, 5)
        assert unit.queues.reopen_after("peer", 4, 5, 3) == (0, None)
        assert [unit.queues.settle_to("peer", 4, 2) for _ in range(2)] == [2, 1]
        assert open_seqs(unit) == [5, 6, 7, 8, 9]


def test_what_is_open_already_is_passed_over_in_slices_too(unit: UnitOfWork) -> None:
    with unit.transaction():
        queued(unit, *[100] * 9)
        unit.queues.settle("peer", 1, "done", 0)
    with unit.transaction():
        assert unit.queues.reopen_after("peer", 0, 100, 2) == (2, 2)
        assert open_seqs(unit) == [2, 3, 4, 5, 6, 7, 8, 9]
        assert unit.queues.reopen_after("peer", 0, 2, 2) == (1, None)
        assert open_seqs(unit) == [1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_a_replay_reopens_notices_only_and_counts_them(unit: UnitOfWork) -> None:
    with unit.transaction():
        queued(unit, 100, 205, 102, 605, 300)
        for seq in range(1, 6):
            unit.queues.settle("peer", seq, "done", 0)
    with unit.transaction():
        assert unit.queues.reopen("peer", 1, 4, ()) == 2
        assert open_seqs(unit) == [1, 3]
        assert unit.queues.reopen("peer", 1, 5, (300, 205)) == 1


def test_what_is_gone_from_a_queue_is_neither_resumed_nor_replayed(unit: UnitOfWork) -> None:
    with unit.transaction():
        queued(unit, *[100] * 5)
        unit.queues.set_gone_to("peer", 3)
        gap = DeliveryRow(receiver="peer", seq=3, journal_seq=1, type=195, expires_at=None)
        unit.queues.put(gap)
    for replay, again in ((True, [4, 5]), (False, [3, 4, 5])):  # with the 195 that tells of it
        with unit.transaction():
            for seq in range(1, 6):
                unit.queues.settle("peer", seq, "done", 0)
            unit.flush()
            if replay:
                opened = unit.queues.reopen("peer", 1, 5, ())
            else:
                opened, _ = unit.queues.reopen_after("peer", 0, 100, 10)
            assert opened == len(again)
            found = unit.connection.exec_driver_sql(
                "SELECT seq FROM delivery WHERE state = 'open' ORDER BY seq"
            )
            assert list(found.scalars()) == again


def test_what_expires_is_found_when_it_has(unit: UnitOfWork) -> None:
    with unit.transaction():
        unit.queues.enqueue("peer", "platform", 1, 205, expires_at=100)
        unit.queues.enqueue("peer", "platform", 1, 102)
        assert unit.queues.expired(99, 10) == []
        assert [row.seq for row in unit.queues.expired(100, 10)] == [1]


def test_a_nonce_is_kept_as_long_as_it_could_be_used_again(unit: UnitOfWork) -> None:
    with unit.transaction():
        assert unit.nonces.use("a", "n", 0)
        assert unit.nonces.use("b", "n", 0)
        assert unit.trimming.nonces(600 * 1_000_000, 10) == 0
        assert not unit.nonces.use("a", "n", 600 * 1_000_000)
        assert unit.trimming.nonces(901 * 1_000_000, 1) == 1
        assert unit.trimming.nonces(901 * 1_000_000, 10) == 1
        assert unit.nonces.use("a", "n", 901 * 1_000_000)


# --- requests seen before ------------------------------------------------------------------------
def test_requests_are_found_by_sender_and_id(unit: UnitOfWork) -> None:
    with unit.transaction():
        one = entry(unit, request_id="1", type=100)
        entry(unit, request_id="2", type=100)
    with unit.transaction():
        assert unit.journal.find_requests({("pbx", "1"), ("pbx2", "2")}) == [one]


def test_of_an_id_used_without_end_the_latest_are_found(
    unit: UnitOfWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    with unit.transaction():
        for _ in range(journal.SEEN_MAX + 5):
            entry(unit, request_id="1", type=100)
    with unit.transaction():
        found = unit.journal.find_requests({("pbx", "1")})
    assert len(found) == journal.SEEN_MAX
    assert min(row.seq for row in found) == 6


# --- what a commit writes ------------------------------------------------------------------------
def test_of_a_changed_row_the_columns_that_changed_are_written(
    engine: Engine, unit: UnitOfWork
) -> None:
    with unit.transaction():
        ended, said, alike = (operation(unit, f"call:C{number}") for number in range(3))
    with unit.transaction():
        ended.state, ended.ended_at = "ended", 7
        said.content = "hello"
        for one in (ended, said, alike):
            unit.records.change_operation(one)
        # Somebody else's hand, to see what is not written over.
        unit.connection.exec_driver_sql("UPDATE operation SET to_num = 'kept'")
    with unit.transaction():
        said.content, said.direction = None, "in"
        unit.records.change_operation(said)

    cold = UnitOfWork(engine)
    with cold.transaction():
        found = [cold.records.find_operation("pbx", f"call:C{number}") for number in range(3)]
    assert [(one.state, one.ended_at, one.content, one.to_num) for one in found if one] == [
        ("ended", 7, None, "kept"),
        ("open", None, None, "kept"),
        ("open", None, None, "kept"),
    ]
    assert found[1] == replace(said, to_num="kept")


@pytest.mark.parametrize("rows", [1, 31, 32, 33, 100])
def test_however_many_rows_each_is_written_as_it_is(
    engine: Engine, unit: UnitOfWork, rows: int
) -> None:
    written = []
    with unit.transaction():
        for number in range(rows):
            said = None if number % 3 else f"{number}"
            written.append(
                entry(unit, detail=said, body=bytes([number]), reconstructed=number > 5)
            )
    cold = UnitOfWork(engine)
    with cold.transaction():
        assert [cold.journal.find(row.seq) for row in written] == written


def test_rows_that_took_the_same_step_are_written_together_and_apart_from_others(
    engine: Engine, unit: UnitOfWork
) -> None:
    with unit.transaction():
        calls = [operation(unit, f"call:C{number}") for number in range(80)]
    with unit.transaction():
        for number, one in enumerate(calls):
            one.state = "alerting" if number % 8 else "ended"
            one.answered_at = number if number > 70 else None
            unit.records.change_operation(one)

    cold = UnitOfWork(engine)
    with cold.transaction():
        assert [cold.records.operation(one.op_id) for one in calls] == calls


def test_what_is_looked_up_by_its_id_has_what_came_since(unit: UnitOfWork) -> None:
    with unit.transaction():
        first = operation(unit)
        assert unit.records.find_event("desk", "E") is None
    with unit.transaction():
        second = operation(unit)
        assert unit.records.find_calls("C1") == [second, first]
        third = operation(unit)
        assert unit.records.find_calls("C1") == [third, second, first]
        unit.flush()
        assert unit.records.find_calls("C1") == [third, second, first]
        assert unit.records.find_event("desk", "E") is None
        made = unit.records.add_event(Event(event_pk=1, owner="desk", event_id="E", opened_at=1))
        assert unit.records.find_event("desk", "E") is made
        assert unit.records.find_events("E") == [made]


def test_answers_are_written_one_by_one_however_they_came(unit: UnitOfWork) -> None:
    with unit.transaction():
        queued(unit, *[100] * 12)
        unit.queues.enqueue("other", "application", 1, 100)
    with unit.transaction():
        for seq in (3, 1, 2, 7, 9, 8, 11):
            unit.queues.settle("peer", seq, "done", 0)
        unit.queues.settle("peer", 12, "done", 1)
        unit.queues.settle("peer", 8, "refused", 500)
        unit.queues.settle("peer", 5, "expired", 309)
        assert open_seqs(unit) == [4, 6, 10]
        assert len(unit.queues.open("other", 0, 10)) == 1
        states = unit.connection.exec_driver_sql(
            "SELECT seq, state, result FROM delivery WHERE seq IN (5, 7, 8, 11, 12) ORDER BY seq"
        ).all()
        assert [tuple(row) for row in states] == [
            (5, "expired", 309), (7, "done", 0), (8, "refused", 500), (11, "done", 0),
            (12, "done", 1),
        ]  # fmt: skip


# --- failure -------------------------------------------------------------------------------------
def test_a_failed_transaction_leaves_nothing_in_memory_either(
    engine: Engine, unit: UnitOfWork
) -> None:
    with unit.transaction():
        kept = operation(unit)
        entry(unit)

    def fail() -> None:
        with unit.transaction():
            kept.content = "never"
            unit.records.change_operation(kept)
            operation(unit, "call:C2")
            entry(unit)
            queued(unit, 100)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with unit.transaction():
        found = unit.records.find_operation("pbx", "call:C1")
        assert found is not None
        assert found.content is None
        assert unit.records.find_operation("pbx", "call:C2") is None
        assert unit.journal.next_seq == 2
        assert unit.records.next_op_id() == 2
        assert unit.queues.next_seq("peer") == 1


def test_a_full_disk_is_told_from_a_bug(engine: Engine, unit: UnitOfWork) -> None:
    with unit.transaction():
        entry(unit)
    with engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    with pytest.raises(StoreFailedError, match="full"), unit.transaction():
        entry(unit, body=b"x" * 1_000_000)

    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1000000")
    with unit.transaction():
        entry(unit, body=b"x" * 1_000_000)
        assert unit.journal.next_seq == 3


def test_a_database_that_goes_away_under_us_is_no_bug(tmp_path: Path, unit: UnitOfWork) -> None:
    blocker = sqlite3.connect(tmp_path / "linkage.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    try:
        with unit.transaction():
            unit.connection.exec_driver_sql("PRAGMA busy_timeout=1")
        with pytest.raises(StoreFailedError, match="locked"), unit.transaction():
            entry(unit)
    finally:
        blocker.close()
    with unit.transaction():
        entry(unit)


# --- opening -------------------------------------------------------------------------------------
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
