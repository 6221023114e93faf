"""The convening race, whoever answers, fails, or is called by two commands: it stays in bounds."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from linkage.convening.people import Convening, Fate, Person, Race, Try
from linkage.convening.race import (
    Action,
    Dial,
    Settled,
    StopRinging,
    Whereabouts,
    advance,
    failed,
    joined,
    outlast,
    stop,
    wake,
)
from protocol.messages import CallMode, HangupSide
from protocol.reasons import Reason

NUMBERS = [f"100{digit}" for digit in range(6)]
SOME_NUMBERS = st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=4)


@st.composite
def persons(draw: st.DrawFn) -> Person:
    numbers = draw(SOME_NUMBERS)
    return Person(
        tries=[
            Try(
                number=number,
                written=number,
                obstacle=draw(st.sampled_from([None, None, None, Reason.NO_TRUNK])),
            )
            for number in numbers
        ],
        number=numbers[0],
        staff_id=draw(st.sampled_from([None, "1", "2", "3"])),
    )


@st.composite
def convenings(draw: st.DrawFn) -> Convening:
    def race() -> Race:
        mode = draw(st.sampled_from(CallMode))
        wanted = draw(st.integers(1, 3)) if mode is CallMode.N_OF_GROUP else 1
        people = draw(st.lists(persons(), min_size=1, max_size=5))
        return Race(mode=mode, wanted=wanted, persons=people)

    return Convening(
        request_id=draw(st.sampled_from("12")),
        ring_s=20,
        races=[race() for _ in range(draw(st.integers(1, 2)))],
    )


class Telephones:
    """Does what the race wants, and holds it to what it promises."""

    def __init__(self, calls: list[Convening], data: st.DataObject) -> None:
        self.calls = calls
        self.data = data
        self.now = datetime(2026, 12, 1, tzinfo=UTC)
        self.legs: dict[str, tuple[str, str | None, bool]] = {}
        """Those that are alive: number, StaffId, whether it was answered."""
        self.tries = {
            id(person): [each.number for each in person.tries if each.obstacle is None]
            for call in calls
            for _, person in call.persons()
        }
        self.dialled: Counter[int] = Counter()
        self.settled: Counter[int] = Counter()

    def do(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Dial(person=person, attempt=attempt):
                    self._dial(person, attempt)
                case StopRinging(person=person):
                    assert person.leg is not None
                    assert not self.legs.pop(person.leg)[2], "who speaks is not hung up"
                case Settled(person=person):
                    self.settled[id(person)] += 1

    def _dial(self, person: Person, attempt: Try) -> None:
        number, staff_id = attempt.number, person.staff_id
        for there, who, _ in self.legs.values():
            assert number != there, f"{number} is dialled twice"
            assert staff_id is None or staff_id != who, f"{staff_id} is called twice"
        left = self.tries[id(person)]
        assert number in left, "another number than his, or once more than was asked for"
        del left[: left.index(number) + 1]
        self.dialled[id(person)] += 1
        person.leg = f"L{sum(self.dialled.values())}"
        self.legs[person.leg] = (number, staff_id, False)

    def advance(self) -> None:
        where = Whereabouts()
        for number, staff_id, there in self.legs.values():
            where.note(number, staff_id, there=there)
        self.do(advance(self.calls, where))
        for call in self.calls:
            for race in call.races:
                assert race.count(Fate.RINGING, Fate.JOINED) <= max(
                    race.wanted, race.count(Fate.JOINED)
                ) or race.mode in {CallMode.ALL, CallMode.FIRST_WINS}
                assert not (race.enough and race.count(Fate.WAITING, Fate.RINGING))

    def happen(self) -> None:
        """One telephone answers or fails, somebody leaves, or time passes."""
        due = [p.due for call in self.calls for _, p in call.persons() if p.due is not None]
        choices = [*self.legs, *(["time"] if due else [])]
        assert choices, "somebody waits, and nothing can happen any more"
        chosen = self.data.draw(st.sampled_from(choices))
        if chosen == "time":
            self.now = max(self.now, min(due) + timedelta(seconds=1))
            assert wake(self.calls, self.now)
            return
        number, staff_id, answered = self.legs[chosen]
        if not answered and self.data.draw(st.booleans()):
            self.legs[chosen] = (number, staff_id, True)
            self.do(joined(self.calls, chosen))
            return
        del self.legs[chosen]
        reason = self.data.draw(st.sampled_from([Reason.BUSY, Reason.UNALLOCATED]))
        gone = failed(
            self.calls, chosen, number=number, reason=reason, unwanted=False, now=self.now
        )
        self.do(gone)

    def run(self) -> None:
        """Until everybody is there or given up."""
        self.advance()
        rounds = 0
        while not all(call.finished for call in self.calls):
            rounds += 1
            assert rounds < 1000, "it does not end"
            self.happen()
            self.advance()

    def judge(self) -> None:
        for call in self.calls:
            for _, person in call.persons():
                assert not person.open
                assert person.due is None
                assert self.settled[id(person)] == 1, "each is told of once"


@given(calls=st.lists(convenings(), min_size=1, max_size=2), data=st.data())
def test_nobody_is_dialled_twice_and_everybody_is_settled_once(
    calls: list[Convening], data: st.DataObject
) -> None:
    telephones = Telephones(calls, data)
    telephones.run()
    telephones.judge()


@given(calls=st.lists(convenings(), min_size=1, max_size=2), data=st.data())
def test_who_is_stopped_is_rung_no_more_whenever_that_happens(
    calls: list[Convening], data: st.DataObject
) -> None:
    telephones = Telephones(calls, data)
    telephones.advance()
    for _ in range(data.draw(st.integers(0, 5))):
        if all(call.finished for call in calls):
            break
        telephones.happen()
        telephones.advance()
    if data.draw(st.booleans()):
        telephones.do(outlast(calls, outage_s=31.0))
        dialled = sum(telephones.dialled.values())
        telephones.run()
    else:
        for call in calls:
            telephones.do(stop(call, Reason.OPERATOR_CANCELLED, HangupSide.OPERATOR))
        dialled = sum(telephones.dialled.values())
        assert all(call.finished for call in calls)
        assert all(answered for _, _, answered in telephones.legs.values())
        telephones.run()
    assert sum(telephones.dialled.values()) == dialled
    telephones.judge()
