from __future__ import annotations

from adapters.messaging.pace import Pace
from linkage.clock import ManualClock


async def test_turns_without_a_pace_are_given_at_once() -> None:
    pace = Pace(ManualClock(), 0, 1.0)
    for _ in range(1000):
        await pace.turn()


def test_each_pause_is_twice_as_long_until_one_is_taken() -> None:
    clock = ManualClock()
    pace = Pace(clock, 0, 1.0)
    pauses = []
    for _ in range(7):
        pace.throttled()
        pace.throttled()  # of the same window: no further pause
        pauses.append(pace._closed_until - clock.now())
        clock.advance(pauses[-1])
    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    pace.took()
    pace.throttled()
    assert pace._closed_until - clock.now() == 1
