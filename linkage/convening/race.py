"""Whom to call next, who has come, who is not needed any more: the race of a call-out.

```
            free place in the group            answers, is let in
 WAITING ───────────────────────▶ RINGING ───────────────────────▶ JOINED
    ▲      next number, next try     │ busy, silent, refused …
    └────────────────────────────────┼───────────── no number left ▶ FAILED
                                     └── enough have come, or all is over ▶ SKIPPED
```
A person's numbers are dialled one after the other, and nobody who rings or is in the call already
is dialled a second time, whoever asks for him: he counts as come once he is there.

Every function takes the convenings of one call and something that happened, changes how far they
have come, and returns what is to be done about that, in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from linkage.convening.people import Convening, Fate, Person, Race, Try
from protocol.messages import HangupSide
from protocol.reasons import Reason

AGAIN_AFTER_S: Final = 5.0
"""Before a number is tried once more (`Retry`): who is busy now is busy in a moment, too."""
HOPELESS: Final = frozenset(
    {Reason.UNALLOCATED, Reason.INVALID_FORMAT, Reason.NUMBER_CHANGED, Reason.BARRED}
)
"""After these a number is not tried again."""


# --- what is to be done --------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Dial:
    """Ring a person by this number, and note as `Person.leg` what rings."""

    convening: Convening
    person: Person
    attempt: Try


@dataclass(frozen=True, slots=True)
class StopRinging:
    """Hang up what rings for a person."""

    person: Person
    reason: int
    side: HangupSide


@dataclass(frozen=True, slots=True)
class Settled:
    """A person is there (`reason` None), or is not called any more (110)."""

    convening: Convening
    race: Race
    person: Person
    reason: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Somebody was settled since the last one (116)."""

    convening: Convening


Action = Dial | StopRinging | Settled | Progress


@dataclass(slots=True)
class Whereabouts:
    """Who rings for the call already, or is in it (True): by number and by StaffId."""

    by_number: dict[str | None, bool] = field(default_factory=dict)
    by_staff: dict[str | None, bool] = field(default_factory=dict)

    def note(self, number: str | None, staff_id: str | None, *, there: bool) -> None:
        """Somebody rings, or is `there`."""
        if number is not None:
            self.by_number[number] = there or self.by_number.get(number, False)
        if staff_id is not None:
            self.by_staff[staff_id] = there or self.by_staff.get(staff_id, False)

    def of(self, person: Person) -> bool | None:
        """Whether somebody who waits is there; False: he rings; None: neither."""
        found = self.by_staff.get(person.staff_id), self.by_number.get(person.next_number)
        return True in found if any(each is not None for each in found) else None


# --- what happens --------------------------------------------------------------------------------
def advance(convenings: Iterable[Convening], where: Whereabouts) -> list[Action]:
    """Somebody may be due: dial whoever has a place, skip whoever is not needed any more."""
    actions: list[Action] = []
    for convening in convenings:
        for race in convening.races:
            actions += _advance(convening, race, where)
        actions += _report(convening)
    return actions


def joined(convenings: Iterable[Convening], leg: str) -> list[Action]:
    """Somebody for whom a leg rang is in the call."""
    return [_settle(*each, Fate.JOINED) for each in list(_rung_by(convenings, leg))]


def failed(
    convenings: Iterable[Convening],
    leg: str,
    *,
    number: str | None,
    reason: int | None,
    unwanted: bool,
    now: datetime,
) -> list[Action]:
    """Somebody could not be had by a number: `advance` tries the next, unless he is unwanted."""
    actions: list[Action] = []
    for convening, race, person in list(_rung_by(convenings, leg)):
        if reason in HOPELESS:
            person.tries = [each for each in person.tries if each.number != number]
        if person.tries and not unwanted:
            person.fate = Fate.WAITING
            if person.next_number in person.tried:
                person.due = now + timedelta(seconds=AGAIN_AFTER_S)
        else:
            actions.append(_settle(convening, race, person, Fate.FAILED, reason))
    return actions


def stop(
    convening: Convening,
    reason: int,
    side: HangupSide,
    *,
    group_id: str | None = None,
    staff_id: str | None = None,
) -> list[Action]:
    """Call no more, wholly or a group or a person; a `Settled` for each whom that concerns."""
    actions: list[Action] = []
    for race, person in convening.persons():
        meant = group_id in {None, race.group_id} and staff_id in {None, person.staff_id}
        if meant and person.open:
            actions += _give_up(convening, race, person, Fate.FAILED, reason, side)
    return actions


def stop_all(convenings: Iterable[Convening], reason: int, side: HangupSide) -> list[Action]:
    """All is over: nobody else is called."""
    actions: list[Action] = []
    for convening in convenings:
        actions += stop(convening, reason, side)
        actions += _report(convening)
    return actions


def wake(convenings: Iterable[Convening], now: datetime) -> bool:
    """Whether somebody may be tried again by now; then `advance` does."""
    woken = False
    for convening in convenings:
        for _, person in convening.persons():
            if person.due is not None and person.due <= now:
                person.due, woken = None, True
    return woken


def outlast(convenings: Iterable[Convening], outage_s: float) -> list[Action]:
    """After an outage nobody is called whom his command would not have waited for so long.

    Who rings already may still come.
    """
    actions: list[Action] = []
    for convening in convenings:
        if outage_s <= convening.patience_s:
            continue
        for race, person in convening.persons():
            person.tries = []
            if person.fate is Fate.WAITING:
                reason = Reason.PLATFORM_FAULT
                actions.append(_settle(convening, race, person, Fate.FAILED, reason))
    return actions


def common_reason(reasons: Iterable[int]) -> int:
    """Why nobody could be reached: what all say, otherwise no answer."""
    said = set(reasons)
    return said.pop() if len(said) == 1 else Reason.NO_ANSWER


# --- how -----------------------------------------------------------------------------------------
def _advance(convening: Convening, race: Race, where: Whereabouts) -> list[Action]:
    # Who is there counts first, or somebody would be rung who is not needed any more.
    actions: list[Action] = [
        _settle(convening, race, person, Fate.JOINED)
        for person in _waiting(race)
        if person.due is None and where.of(person) and not race.enough
    ]
    due_before = 0  # who will ring again, and comes before the others
    for person in _waiting(race):
        ringing = race.count(Fate.RINGING) + _rung_for_others(race, where)
        if race.enough or ringing + due_before >= race.places:
            break
        if person.due is not None:
            due_before += 1
        elif where.of(person) is None:
            actions.append(_dial(convening, race, person, where))
    if race.enough:
        for person in race.persons:
            if person.open:
                waits = person.fate is Fate.WAITING
                reason = Reason.SKIPPED if waits else Reason.ANSWERED_ELSEWHERE
                side = HangupSide.PLATFORM
                actions += _give_up(convening, race, person, Fate.SKIPPED, reason, side)
    return actions


def _rung_for_others(race: Race, where: Whereabouts) -> int:
    """Who rings for another group or command already, wherever he stands in this one."""
    return sum(each.due is None and where.of(each) is not None for each in _waiting(race))


def _waiting(race: Race) -> Iterator[Person]:
    return (person for person in race.persons if person.fate is Fate.WAITING)


def _dial(convening: Convening, race: Race, person: Person, where: Whereabouts) -> Action:
    """The next number that can be dialled; without one he has failed."""
    obstacle: int | None = None
    while person.tries:
        attempt = person.tries.pop(0)
        person.number, person.num_type = attempt.written, attempt.num_type
        if attempt.obstacle is not None:
            obstacle = attempt.obstacle
            continue
        person.attempt += 1
        person.tried.append(attempt.number)
        person.fate, person.leg = Fate.RINGING, None
        where.note(attempt.number, person.staff_id, there=False)
        return Dial(convening, person, attempt)
    return _settle(convening, race, person, Fate.FAILED, obstacle)


def _give_up(
    convening: Convening, race: Race, person: Person, fate: Fate, reason: int, side: HangupSide
) -> Sequence[Action]:
    rings = person.fate is Fate.RINGING
    settled = _settle(convening, race, person, fate, reason)
    return [StopRinging(person, reason, side), settled] if rings else [settled]


def _settle(
    convening: Convening, race: Race, person: Person, fate: Fate, reason: int | None = None
) -> Settled:
    person.fate, person.due = fate, None
    told = None if fate is Fate.JOINED else reason or Reason.CALL_FAILED
    return Settled(convening, race, person, told)


def _report(convening: Convening) -> Iterator[Progress]:
    settled = convening.count(Fate.JOINED, Fate.FAILED, Fate.SKIPPED)
    if settled != convening.reported:
        convening.reported = settled
        yield Progress(convening)


def _rung_by(
    convenings: Iterable[Convening], leg: str
) -> Iterator[tuple[Convening, Race, Person]]:
    for convening in convenings:
        for race, person in convening.persons():
            if person.leg == leg and person.fate is Fate.RINGING:
                yield convening, race, person
