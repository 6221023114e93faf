"""Operations, events, bindings and files: found by whatever key, one object for one row."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy import Engine, select

from linkage.store.rows import Event, FileRecord
from linkage.store.sql import shelf, tables
from linkage.store.sql.unit import UnitOfWork
from tests.fakes.store_unit import operation


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


def test_an_event_is_unique_within_its_owner(unit: UnitOfWork) -> None:
    with unit.transaction():
        for key, owner in ((1, "a"), (2, "b")):
            unit.records.add_event(Event(event_pk=key, owner=owner, event_id="E", opened_at=1))
        assert [event.owner for event in unit.records.find_events("E")] == ["a", "b"]
    with pytest.raises(sqlite3.IntegrityError), unit.transaction():
        unit.records.add_event(Event(event_pk=3, owner="a", event_id="E", opened_at=1))


def test_bindings_end_and_are_never_deleted(engine: Engine, unit: UnitOfWork) -> None:
    with unit.transaction():
        unit.records.bindings.add(1, 7, "created", "desk", 3)
        unit.records.bindings.end(1, 5)
        unit.records.bindings.add(1, 8, "manual", "desk", 5)
        unit.records.bindings.link(7, 8, "merge", "desk", 6)
        unit.records.bindings.unlink(7, 8, ("merge",), 9)

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
            unit.records.files.put(
                FileRecord(file_id="F", platform=platform, created_at=1, size_bytes=size)
            )

    with engine.connect() as connection:
        sizes = connection.execute(select(tables.file.c.platform, tables.file.c.size_bytes)).all()
    assert sorted(tuple(row) for row in sizes) == [("pbx", 3), ("pbx2", 2)]
