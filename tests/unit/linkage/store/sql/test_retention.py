"""What of a queue may go: notices, and never a command that is open."""

from __future__ import annotations

from sqlalchemy import Engine

from linkage.config.core import RetentionSettings
from linkage.ports.maintenance import Overdue
from linkage.store.rows import JournalRow
from linkage.store.sql.retention import find_overdue
from linkage.store.sql.unit import UnitOfWork

NOW_US = 1_800_000_000_000_000


def queue(unit: UnitOfWork, *expiries: int | None) -> None:
    """Messages for one receiver; those that expire are commands."""
    with unit.transaction():
        for expires_at in expiries:
            seq = unit.journal.next_seq
            unit.journal.append(
                JournalRow(seq=seq, recorded_at=NOW_US, kind="Message", source="desk", body=b"x")
            )
            unit.queues.enqueue("pbx", "platform", seq, 205 if expires_at else 100, expires_at)


def test_too_many_that_wait_go_up_to_the_first_open_command(
    engine: Engine, unit: UnitOfWork
) -> None:
    queue(unit, None, None, NOW_US + 1, None, None)
    limits = RetentionSettings(queue_messages=1)

    (found,) = find_overdue(engine, limits, NOW_US)
    assert found == Overdue("pbx", 2, "too many waited (queue_messages)")

    with unit.transaction():
        unit.queues.settle("pbx", 3, 3, "expired", 309)
    (found,) = find_overdue(engine, limits, NOW_US)
    assert found.to_seq == 4


def test_where_a_command_is_first_nothing_goes(engine: Engine, unit: UnitOfWork) -> None:
    queue(unit, NOW_US + 1, None, None)

    assert find_overdue(engine, RetentionSettings(queue_messages=1), NOW_US) == []
