"""When requests are not taken, and what is alarmed of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from linkage.config.core import OverloadLimits
from linkage.core.alarms import Alarm
from linkage.core.overload.conditions import CALM_S, MIB, Conditions, Readings

UTC_NOW = datetime(2026, 1, 2, tzinfo=UTC)
WELL: dict[str, Any] = {
    "inbox": 0,
    "oldest_s": 0.0,
    "store_error": None,
    "disk_free": 10_000 * MIB,
    "log_held": "",
}


class Watcher:
    """Looks once for each call, and remembers what was news."""

    def __init__(self) -> None:
        self.conditions = Conditions(
            OverloadLimits(inbox=100, inbox_wait_s=10, disk_free_mb=512), "linkage"
        )
        self.told: list[tuple[str, bool]] = []
        self.alarms: list[Alarm] = []
        self.now = 1000.0
        self.look()
        self.told.clear()

    def look(self, after_s: float = 0.0, **changed: Any) -> None:
        self.now += after_s
        self.alarms = self.conditions.look(Readings(**WELL | changed), self.now, UTC_NOW)
        self.told += [(alarm.id, alarm.raised) for alarm in self.alarms]


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


def test_what_a_process_before_had_raised_is_cleared_at_the_first_look() -> None:
    conditions = Conditions(OverloadLimits(), "linkage")
    unknown = {"disk_free": None, "log_held": None}
    first = conditions.look(Readings(**WELL | unknown), 0.0, UTC_NOW)
    second = conditions.look(Readings(**WELL), 1.0, UTC_NOW)

    assert {(alarm.id, alarm.raised) for alarm in first} == {
        ("store", False), ("overload", False), ("clock", False),
    }  # fmt: skip
    assert [(alarm.id, alarm.raised) for alarm in second] == [
        ("disk-low", False), ("log-held", False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "bad"),
    [
        ("store", {"store_error": "database or disk is full"}),
        ("overload", {"inbox": 100}),
        ("overload", {"oldest_s": 10.0}),
        ("disk-low", {"disk_free": 511 * MIB}),
        ("log-held", {"log_held": "sqlite3 (pid 4711) reads the store since 30 s"}),
        ("clock", {"clock_off_us": 301 * 1_000_000}),
        ("clock", {"clock_off_us": -301 * 1_000_000}),
    ],
)
def test_a_condition_is_told_once_and_is_over_when_it_has_been_calm(
    watcher: Watcher, condition: str, bad: dict[str, Any]
) -> None:
    watcher.look(**bad)
    watcher.look(**bad, after_s=100)
    assert list(watcher.conditions.raised) == [condition]

    watcher.look()
    watcher.look(**bad, after_s=CALM_S - 1)
    watcher.look()
    watcher.look(after_s=CALM_S - 1)
    assert watcher.told == [(condition, True)], "every other moment is no calm"

    watcher.look(after_s=1)
    watcher.look(after_s=1)
    assert watcher.told == [(condition, True), (condition, False)]
    assert watcher.conditions.raised == {}


def test_an_alarm_says_what_and_since_when(watcher: Watcher) -> None:
    watcher.look(store_error="database or disk is full")
    (alarm,) = watcher.alarms
    assert (alarm.level, alarm.source) == ("critical", "linkage")
    assert alarm.text == "the store cannot be written: database or disk is full"
    assert alarm.at == round(UTC_NOW.timestamp() * 1e6)


def test_an_overload_ends_at_half_of_what_began_it(watcher: Watcher) -> None:
    seen = []
    for inbox, oldest_s in ((99, 9.9), (100, 0.0), (50, 0.0), (49, 5.0), (49, 4.9)):
        watcher.look(inbox=inbox, oldest_s=oldest_s)
        seen.append(watcher.conditions.overloaded)
    assert seen == [False, True, True, True, False]


def test_a_little_more_room_than_too_little_is_not_enough(watcher: Watcher) -> None:
    watcher.look(disk_free=511 * MIB)
    for _ in range(3):
        watcher.look(disk_free=513 * MIB, after_s=CALM_S)
    assert watcher.told == [("disk-low", True)]
    watcher.look(disk_free=564 * MIB)
    watcher.look(disk_free=564 * MIB, after_s=CALM_S)
    assert watcher.told[-1] == ("disk-low", False)
