from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from linkage.clock import MANUAL_START, ManualClock, SystemClock
from linkage.ports import Clock


def test_both_clocks_serve_the_port() -> None:
    clocks: list[Clock] = [SystemClock(), ManualClock()]
    assert all(clock.utc().tzinfo is UTC for clock in clocks)


def test_the_system_clock_never_runs_backwards() -> None:
    clock = SystemClock()
    readings = [clock.now() for _ in range(100)]
    assert readings == sorted(readings)


def test_a_manual_clock_moves_only_when_told() -> None:
    clock = ManualClock()
    before = clock.now()
    clock.advance(1.5)
    assert clock.now() == before + 1.5
    assert clock.utc() == MANUAL_START + timedelta(seconds=1.5)


def test_setting_the_wall_clock_leaves_the_monotonic_one() -> None:
    clock = ManualClock()
    before = clock.now()
    clock.jump(datetime(2020, 1, 1, tzinfo=UTC))
    assert clock.now() == before
    assert clock.utc().year == 2020


def test_a_manual_clock_refuses_nonsense() -> None:
    clock = ManualClock()
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-1)
    with pytest.raises(ValueError, match="aware"):
        clock.jump(datetime(2020, 1, 1))  # noqa: DTZ001 - the naive time is the point
    with pytest.raises(ValueError, match="aware"):
        ManualClock(datetime(2020, 1, 1))  # noqa: DTZ001 - the same
