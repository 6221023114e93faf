"""What the race wants, case by case."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from linkage.convening.people import Convening, Fate, Person, Race, Try
from linkage.convening.race import (
    AGAIN_AFTER_S,
    Action,
    Dial,
    Progress,
    Settled,
    StopRinging,
    Whereabouts,
    advance,
    common_reason,
    failed,
    joined,
    stop_all,
    wake,
)
from protocol.messages import CallMode, HangupSide
from protocol.reasons import Reason

NOW = datetime(2026, 12, 1, tzinfo=UTC)


def person(*numbers: str, staff_id: str | None = None) -> Person:
    tries = [Try(number=number, written=number) for number in numbers]
    return Person(tries=tries, number=numbers[0], staff_id=staff_id)


def convening(mode: CallMode, *people: Person, wanted: int = 1) -> Convening:
    return Convening(
        request_id="1", ring_s=20, races=[Race(mode=mode, wanted=wanted, persons=[*people])]
    )


def ring(actions: list[Action]) -> list[str]:
    """The numbers that are dialled; each rings by a leg of that name."""
    dials = [each for each in actions if isinstance(each, Dial)]
    for dial in dials:
        dial.person.leg = dial.attempt.number
    return [dial.attempt.number for dial in dials]


def fail(one: Convening, leg: str, reason: Reason = Reason.BUSY) -> list[Action]:
    return failed([one], leg, number=leg, reason=reason, unwanted=False, now=NOW)


@pytest.mark.parametrize(
    ("mode", "wanted", "rung"),
    [
        (CallMode.ALL, 1, ["1", "2", "3"]),
        (CallMode.SEQUENTIAL, 1, ["1"]),
        (CallMode.FIRST_WINS, 1, ["1", "2", "3"]),
        (CallMode.N_OF_GROUP, 2, ["1", "2"]),
    ],
)
def test_as_many_ring_at_a_time_as_the_mode_says(
    mode: CallMode, wanted: int, rung: list[str]
) -> None:
    one = convening(mode, person("1"), person("2"), person("3"), wanted=wanted)
    assert ring(advance([one], Whereabouts())) == rung


def test_once_enough_have_come_who_rings_stops_and_who_waits_is_skipped() -> None:
    one = convening(CallMode.N_OF_GROUP, person("1"), person("2"), person("3"), wanted=2)
    first, second, third = one.races[0].persons
    ring(advance([one], Whereabouts()))
    joined([one], "1")
    where = Whereabouts()
    where.note("3", None, there=True)  # he has come by himself
    fail(one, "2")
    actions = advance([one], where)
    assert actions == [
        Settled(one, one.races[0], third),
        Progress(one),
    ]
    assert [each.fate for each in (first, second, third)] == [
        Fate.JOINED,
        Fate.FAILED,
        Fate.JOINED,
    ]


def test_who_is_called_by_the_first_to_win_stops_the_others() -> None:
    one = convening(CallMode.FIRST_WINS, person("1"), person("2"))
    first, second = one.races[0].persons
    ring(advance([one], Whereabouts()))
    assert joined([one], "2") == [Settled(one, one.races[0], second)]
    assert advance([one], Whereabouts()) == [
        StopRinging(first, Reason.ANSWERED_ELSEWHERE, HangupSide.PLATFORM),
        Settled(one, one.races[0], first, Reason.ANSWERED_ELSEWHERE),
        Progress(one),
    ]
    assert one.finished


@pytest.mark.parametrize("mode", [CallMode.SEQUENTIAL, CallMode.FIRST_WINS, CallMode.N_OF_GROUP])
def test_nobody_is_rung_for_a_group_of_which_a_later_one_is_there_already(mode: CallMode) -> None:
    one = convening(mode, person("1"), person("2"))
    first, second = one.races[0].persons
    where = Whereabouts()
    where.note("2", None, there=True)
    assert advance([one], where) == [
        Settled(one, one.races[0], second),
        Settled(one, one.races[0], first, Reason.SKIPPED),
        Progress(one),
    ]


def test_who_rings_for_another_group_takes_a_place_in_this_one_though_he_stands_last() -> None:
    one = convening(CallMode.N_OF_GROUP, person("1"), person("2"), person("3"), wanted=2)
    where = Whereabouts()
    where.note("3", None, there=False)
    assert ring(advance([one], where)) == ["1"]
    fail(one, "1")
    assert ring(advance([one], where)) == ["2"]


def test_one_who_is_listed_twice_is_rung_once_and_counts_twice() -> None:
    one = convening(CallMode.ALL, person("1", staff_id="a"), person("2", staff_id="a"))
    first, second = one.races[0].persons
    assert ring(advance([one], Whereabouts())) == ["1"]
    joined([one], "1")
    where = Whereabouts()
    where.note("1", "a", there=True)
    advance([one], where)
    assert (first.fate, second.fate) == (Fate.JOINED, Fate.JOINED)


def test_a_number_is_repeated_after_a_pause_and_another_at_once() -> None:
    one = convening(CallMode.ALL, person("1", "2", "1"))
    assert ring(advance([one], Whereabouts())) == ["1"]
    fail(one, "1")
    assert ring(advance([one], Whereabouts())) == ["2"]
    fail(one, "2")
    assert ring(advance([one], Whereabouts())) == []
    assert not wake([one], NOW + timedelta(seconds=AGAIN_AFTER_S - 1))
    assert wake([one], NOW + timedelta(seconds=AGAIN_AFTER_S))
    assert ring(advance([one], Whereabouts())) == ["1"]


def test_one_who_rings_is_not_rung_again_behind_a_number_that_cannot_be_dialled() -> None:
    blocked = Person(
        tries=[
            Try(number="9", written="9", obstacle=Reason.NO_TRUNK),
            Try(number="1", written="1"),
        ],
        number="9",
    )
    one = convening(CallMode.ALL, person("1"), blocked)
    assert ring(advance([one], Whereabouts())) == ["1"]
    assert blocked.fate is Fate.WAITING


def test_a_number_that_there_is_not_is_not_tried_again() -> None:
    one = convening(CallMode.ALL, person("1", "1"))
    ring(advance([one], Whereabouts()))
    (settled,) = fail(one, "1", Reason.UNALLOCATED)
    assert isinstance(settled, Settled)
    assert settled.reason == Reason.UNALLOCATED


def test_who_was_hung_up_by_an_operator_is_not_tried_by_his_next_number() -> None:
    one = convening(CallMode.ALL, person("1", "2"))
    ring(advance([one], Whereabouts()))
    reason = Reason.OPERATOR_CANCELLED
    (settled,) = failed([one], "1", number="1", reason=reason, unwanted=True, now=NOW)
    assert isinstance(settled, Settled)
    assert ring(advance([one], Whereabouts())) == []


def test_all_that_is_over_is_told_of_once() -> None:
    one = convening(CallMode.SEQUENTIAL, person("1"), person("2"))
    first, second = one.races[0].persons
    ring(advance([one], Whereabouts()))
    reason, side = Reason.CONFERENCE_ENDED, HangupSide.OPERATOR
    assert stop_all([one], reason, side) == [
        StopRinging(first, reason, side),
        Settled(one, one.races[0], first, reason),
        Settled(one, one.races[0], second, reason),
        Progress(one),
    ]
    assert stop_all([one], reason, side) == []


def test_what_all_say_is_the_reason_and_otherwise_that_nobody_answered() -> None:
    assert common_reason([Reason.BUSY, Reason.BUSY]) == Reason.BUSY
    assert common_reason([Reason.BUSY, Reason.REJECTED]) == Reason.NO_ANSWER
