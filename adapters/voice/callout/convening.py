"""Calls people into a call: whom next, who has come, who is not needed any more (110, 116).

```
            free place in the group            answers, is let in
 WAITING ───────────────────────▶ RINGING ───────────────────────▶ JOINED   110 without a Reason
    ▲      next number, next try     │ busy, silent, refused …
    └────────────────────────────────┼───────────── no number left ▶ FAILED   110 with the Reason
                                     └── enough have come, or all is over ▶ SKIPPED   110 138, 111
```
A person's numbers are dialled one after the other, and nobody who rings or is in the call already
is dialled a second time, whoever asks for him: he counts as come once he is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from adapters.voice import legs
from adapters.voice.callout.people import Convening, Fate, Person, Race, Try
from adapters.voice.command_target import no_number
from adapters.voice.dialplan import known, number_target
from adapters.voice.model import Leg, Target
from adapters.voice.reasons import common_reason
from adapters.voice.settings import VoiceSettings
from adapters.voice.step import Step
from linkage.ports import CommandError
from protocol.messages import (
    CallMode,
    CallOutProgressNotice,
    CallOutResultNotice,
    Group,
    HangupSide,
    Staff,
)
from protocol.reasons import Reason
from protocol.results import Result

TRIES_MAX: Final = 2000
"""Calls that one command may lead to; more is a mistake, and no longer one call's work."""
AGAIN_AFTER_S: Final = 5.0
"""Before a number is tried once more (`Retry`): who is busy now is busy in a moment, too."""
HOPELESS: Final = frozenset(
    {Reason.UNALLOCATED, Reason.INVALID_FORMAT, Reason.NUMBER_CHANGED, Reason.BARRED}
)
"""After these a number is not tried again."""


# --- what is asked for ---------------------------------------------------------------------------
def plan(settings: VoiceSettings, groups: Iterable[Group], retry: int) -> list[Race]:
    """The groups of a 210 as races; `retry` is how often all of a person's numbers are repeated.

    Raises:
        CommandError: nobody of them can be dialled at all, or there are too many.
    """
    races = [
        Race(
            group_id=group.group_id,
            mode=group.call_mode or CallMode.ALL,
            wanted=(group.wanted or 1) if group.call_mode is CallMode.N_OF_GROUP else 1,
            persons=[_person(settings, staff, retry) for staff in group.staff],
        )
        for group in groups
    ]
    tries = [each for race in races for person in race.persons for each in person.tries]
    if len(tries) > TRIES_MAX:
        raise CommandError(Result.OVERLOAD, f"this would be more than {TRIES_MAX} calls")
    if all(each.obstacle is not None for each in tries):
        no_trunk = any(each.obstacle == Reason.NO_TRUNK for each in tries)
        if not no_trunk:
            raise no_number("PhoneNum", tries[0].written)
        raise CommandError(
            Result.NO_TRUNK,
            "none of these numbers can be dialled: none is an officer's, and there is no trunk",
        )
    return races


def _person(settings: VoiceSettings, staff: Staff, retry: int) -> Person:
    # 01 before 02, as listed among equals; those without a type last.
    phones = sorted(
        staff.phone_nums, key=lambda each: (each.num_type is None, each.num_type or "")
    )
    # Checked before it is multiplied: `Retry` is a number from outside.
    rounds = 1 + min(retry, TRIES_MAX)
    tries = [each for phone in phones for each in tries_of(settings, phone.number, phone.num_type)]
    if len(tries) * rounds > TRIES_MAX:
        raise CommandError(Result.OVERLOAD, f"this would be more than {TRIES_MAX} calls")
    return Person(
        tries=[each for _ in range(rounds) for each in tries],
        number=tries[0].written,
        num_type=tries[0].num_type,
        staff_id=staff.staff_id,
        staff_name=staff.staff_name,
    )


def tries_of(settings: VoiceSettings, written: str, num_type: str | None = None) -> list[Try]:
    """How a number is dialled, or why it cannot be; a hotline's is those of its officers."""
    dialled = known(settings, written)
    target = number_target(settings, written)
    if dialled is None or target is None:
        obstacle = Reason.INVALID_FORMAT if dialled is None else Reason.NO_TRUNK
        return [Try(number=written, written=written, num_type=num_type, obstacle=obstacle)]
    return [one_try(each, written, num_type) for each in target.each]


def one_try(target: Target, written: str, num_type: str | None = None) -> Try:
    """How a telephone is dialled."""
    return Try(
        number=target.number,
        written=written,
        num_type=num_type,
        endpoint=target.endpoint,
        login=target.login,
    )


# --- the race ------------------------------------------------------------------------------------
def advance(step: Step) -> list[Convening]:
    """Dial whoever is due; returns what has come to its end by that, and forgets it."""
    call = step.call
    for convening in call.convenings:
        for race in convening.races:
            _advance(step, convening, race)
        _report(step, convening)
    finished = [each for each in call.convenings if each.finished]
    call.convenings = [each for each in call.convenings if not each.finished]
    return finished


def _advance(step: Step, convening: Convening, race: Race) -> None:
    expected = 0  # who rings already for another group or command, or will ring again
    for person in race.persons:
        if race.enough or race.count(Fate.RINGING) + expected >= race.places:
            break
        if person.fate is not Fate.WAITING:
            continue
        there = _leg_of(step, person)
        if person.due is not None:
            expected += 1
        elif there is None:
            _dial(step, convening, race, person)
        elif there.up:
            _settle(step, convening, race, person, Fate.JOINED)
        else:
            expected += 1
    if race.enough:
        for person in race.persons:
            if person.open:
                _skip(step, convening, race, person)


def _leg_of(step: Step, person: Person) -> Leg | None:
    """Where somebody rings or is in this call already, by his number or StaffId."""
    for leg in step.call.legs.values():
        same = person.staff_id is not None and leg.staff_id == person.staff_id
        if leg.alive and (same or leg.number == person.tries[0].number):
            return leg
    return None


def _dial(step: Step, convening: Convening, race: Race, person: Person) -> None:
    obstacle: int | None = None
    while person.tries:
        attempt = person.tries.pop(0)
        person.number, person.num_type = attempt.written, attempt.num_type
        if attempt.obstacle is not None:
            obstacle = attempt.obstacle
            continue
        person.attempt += 1
        person.tried.append(attempt.number)
        target = Target(
            number=attempt.number,
            endpoint=attempt.endpoint,
            login=attempt.login,
            ring_s=convening.ring_s,
        )
        leg = legs.dial(step, target, request_id=convening.request_id)
        leg.staff_id = person.staff_id
        person.fate, person.leg = Fate.RINGING, leg.id
        return
    _settle(step, convening, race, person, Fate.FAILED, obstacle)


def _skip(step: Step, convening: Convening, race: Race, person: Person) -> None:
    """Enough have come: who rings stops ringing, who waits is not called."""
    leg = _ringing_leg(step, person)
    if leg is not None:
        legs.hang_up(step, leg, Reason.ANSWERED_ELSEWHERE, HangupSide.PLATFORM)
    reason = Reason.SKIPPED if person.fate is Fate.WAITING else Reason.ANSWERED_ELSEWHERE
    _settle(step, convening, race, person, Fate.SKIPPED, reason)


def _ringing_leg(step: Step, person: Person) -> Leg | None:
    return step.call.legs.get(person.leg or "") if person.fate is Fate.RINGING else None


def joined(step: Step, leg: Leg) -> None:
    """Somebody who was called is in the call."""
    for convening, race, person in _called_by(step, leg):
        _settle(step, convening, race, person, Fate.JOINED)


def failed(step: Step, leg: Leg) -> None:
    """Somebody who was called could not be had by this number: the next is tried by `advance`."""
    for convening, race, person in _called_by(step, leg):
        if leg.reason in HOPELESS:
            person.tries = [each for each in person.tries if each.number != leg.number]
        unwanted = leg.side is HangupSide.OPERATOR or leg.reason == Reason.CONFERENCE_CLOSED
        if person.tries and not unwanted:
            person.fate = Fate.WAITING
            if person.tries[0].number in person.tried:
                person.due = step.later(AGAIN_AFTER_S)
        else:
            _settle(step, convening, race, person, Fate.FAILED, leg.reason)


def wake(step: Step) -> bool:
    """Whether somebody may be tried again by now; then `advance` does."""
    woken = False
    for convening in step.call.convenings:
        for _, person in convening.persons():
            if person.due is not None and person.due <= step.now:
                person.due, woken = None, True
    return woken


def outlast(step: Step, outage_s: float) -> bool:
    """After an outage nobody is called whom its command would not have waited for so long.

    Who rings already may still come. Returns whether somebody was given up.
    """
    given_up = False
    for convening in step.call.convenings:
        if outage_s <= convening.patience_s:
            continue
        for race, person in convening.persons():
            person.tries = []
            if person.fate is Fate.WAITING:
                given_up = True
                _settle(step, convening, race, person, Fate.FAILED, Reason.PLATFORM_FAULT)
    return given_up


def _called_by(step: Step, leg: Leg) -> Iterator[tuple[Convening, Race, Person]]:
    for convening in step.call.convenings:
        for race, person in convening.persons():
            if person.leg == leg.id and person.fate is Fate.RINGING:
                yield convening, race, person


def stop(
    step: Step,
    convening: Convening,
    reason: int,
    side: HangupSide,
    *,
    group_id: str | None = None,
    staff_id: str | None = None,
) -> int:
    """Call no more, wholly or a group or a person; returns how many persons that concerned."""
    stopped = 0
    for race, person in convening.persons():
        if group_id not in {None, race.group_id} or staff_id not in {None, person.staff_id}:
            continue
        if person.open:
            stopped += 1
            leg = _ringing_leg(step, person)
            if leg is not None:
                legs.hang_up(step, leg, reason, side)
            _settle(step, convening, race, person, Fate.FAILED, reason)
    return stopped


def stop_all(step: Step, reason: int, side: HangupSide) -> None:
    """The call is over: nobody else is called into it."""
    for convening in step.call.convenings:
        stop(step, convening, reason, side)
        _report(step, convening)
    step.call.convenings = []


# --- what is told --------------------------------------------------------------------------------
def _settle(
    step: Step,
    convening: Convening,
    race: Race,
    person: Person,
    fate: Fate,
    reason: int | None = None,
) -> None:
    person.fate, person.due = fate, None
    if not convening.told:
        return
    call = step.call
    step.tell(
        CallOutResultNotice(
            event_id=call.event_id,
            call_id=call.id,
            login_id=convening.login_id,
            conference_id=step.conference_id,
            phone_num=person.number,
            reason=None if fate is Fate.JOINED else reason or Reason.CALL_FAILED,
            group_id=race.group_id,
            staff_id=person.staff_id,
            staff_name=person.staff_name,
            num_type=person.num_type,
            attempt=person.attempt,
            answer_time=step.at if fate is Fate.JOINED else None,
            request_id=convening.request_id,
        )
    )


def _report(step: Step, convening: Convening) -> None:
    """116, when somebody was settled since the last one."""
    settled = convening.count(Fate.JOINED, Fate.FAILED, Fate.SKIPPED)
    if not convening.told or settled == convening.reported:
        return
    convening.reported = settled
    step.tell(
        CallOutProgressNotice(
            event_id=step.call.event_id,
            call_id=step.call.id,
            conference_id=step.conference_id,
            login_id=convening.login_id,
            request_id=convening.request_id,
            total=convening.count(*Fate),
            answered=convening.count(Fate.JOINED),
            failed=convening.count(Fate.FAILED),
            skipped=convening.count(Fate.SKIPPED),
            pending=convening.count(Fate.WAITING, Fate.RINGING),
            finished=convening.finished,
        )
    )


def why_nobody(step: Step) -> int:
    """Why a call out found nobody: what all telephones that rang say."""
    reasons = [
        leg.reason
        for leg in step.call.legs.values()
        if leg.answered is None and leg.reason is not None
    ]
    return common_reason(reasons) if reasons else Reason.CALL_FAILED
