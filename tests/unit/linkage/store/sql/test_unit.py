"""The unit of work: queues, requests seen before, what a commit writes, a disk that may fail."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete

from linkage.ports.store import StoreFailedError
from linkage.store.rows import DeliveryRow, Event, JournalRow
from linkage.store.sql import journal, tables
from linkage.store.sql.unit import UnitOfWork
from tests.fakes.store_unit import operation


def entry(unit: UnitOfWork, **values: object) -> JournalRow:
    seq = unit.journal.next_seq
    row = JournalRow(seq=seq, recorded_at=1, kind="Message", source="pbx", **values)  # type: ignore[arg-type]  # the same
    unit.journal.append(row)
    return row


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
            unit.queues.settle("peer", seq, 1, "done", 0)
    with unit.transaction():
        assert unit.queues.reopen_after("peer", 1, 100, 10) == (3, None)
        assert unit.queues.settle_to("peer", 1, 10) == 1
        assert open_seqs(unit) == [3, 5, 6]
        assert all(row.attempts == 1 for row in unit.queues.open("peer", 0, 100))


def test_resuming_goes_slice_by_slice_from_both_ends(unit: UnitOfWork) -> None:
    with unit.transaction():
        queued(unit, *[100] * 9)
        for seq in range(4, 10):
            unit.queues.settle("peer", seq, 1, "done", 0)
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
        unit.queues.settle("peer", 1, 1, "done", 0)
    with unit.transaction():
        assert unit.queues.reopen_after("peer", 0, 100, 2) == (2, 2)
        assert open_seqs(unit) == [2, 3, 4, 5, 6, 7, 8, 9]
        assert unit.queues.reopen_after("peer", 0, 2, 2) == (1, None)
        assert open_seqs(unit) == [1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_a_replay_reopens_notices_only_and_counts_them(unit: UnitOfWork) -> None:
    with unit.transaction():
        queued(unit, 100, 205, 102, 605, 300)
        for seq in range(1, 6):
            unit.queues.settle("peer", seq, 1, "done", 0)
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
                unit.queues.settle("peer", seq, 1, "done", 0)
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
            unit.queues.settle("peer", seq, 1, "done", 0)
        unit.queues.settle("peer", 12, 1, "done", 1)
        unit.queues.settle("peer", 8, 1, "refused", 500)
        unit.queues.settle("peer", 5, 1, "expired", 309)
        assert open_seqs(unit) == [4, 6, 10]
        assert len(unit.queues.open("other", 0, 10)) == 1
        states = unit.connection.exec_driver_sql(
            "SELECT seq, state, result FROM delivery WHERE seq IN (5, 7, 8, 11, 12) ORDER BY seq"
        ).all()
        assert [tuple(row) for row in states] == [
            (5, "expired", 309), (7, "done", 0), (8, "refused", 500), (11, "done", 0),
            (12, "done", 1),
        ]  # fmt: skip


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


def test_an_answer_to_what_stood_in_a_place_before_does_not_settle_what_stands_there_now(
    unit: UnitOfWork,
) -> None:
    with unit.transaction():
        queued(unit, *[100] * 3)
        unit.queues.put(DeliveryRow(receiver="peer", seq=2, journal_seq=7, type=195))
    with unit.transaction():
        for seq in range(1, 4):
            unit.queues.settle("peer", seq, 1, "done", 0)
        assert open_seqs(unit) == [2]
        unit.queues.settle("peer", 2, 7, "done", 0)
        unit.queues.settle("peer", 2, 1, "done", 0)
        assert open_seqs(unit) == []


def test_the_entry_of_a_command_is_found_as_it_is_on_disk_until_it_is_old(
    engine: Engine, unit: UnitOfWork
) -> None:
    with unit.transaction():
        written = entry(unit, type=220, request_id="1", target="sms", body=b"<request/>")
    cold = UnitOfWork(engine)
    with cold.transaction():
        assert cold.journal.find(written.seq) == written
    with engine.begin() as connection:
        connection.execute(delete(tables.journal).where(tables.journal.c.seq == written.seq))
    with unit.transaction():
        assert unit.journal.find(written.seq) == written  # from memory
        late = replace(written, seq=unit.journal.next_seq, recorded_at=1 + journal.COMMAND_KEPT_US)
        unit.journal.append(late)
    with unit.transaction():
        assert unit.journal.find(written.seq) is None
        assert unit.journal.find(late.seq) == late


def test_what_was_not_committed_is_not_found(unit: UnitOfWork) -> None:
    unit.begin()
    lost = entry(unit, type=220, target="sms")
    unit.rollback()
    with unit.transaction():
        assert unit.journal.find(lost.seq) is None
