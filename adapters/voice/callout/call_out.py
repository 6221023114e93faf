"""210 and 216: people are called out, into a conference or to speak with a dispatcher.

| Type | what comes of it |
|---|---|
| 1 single | the dispatcher's telephone rings, then the number's; a call like any other |
| 2 group, 3 conference | a conference into which they are called; the dispatcher only if listed |

A 210 that names a ConferenceID calls people into that one.
"""

from __future__ import annotations

from typing import Final

from adapters.phone_numbers import dialable
from adapters.voice import dialling, dialplan, legs, ringing
from adapters.voice.addressee import TargetedCommand, find_target, no_number, refuse
from adapters.voice.callout import call_plan, convening
from adapters.voice.conference import lifecycle
from adapters.voice.model import Conference, Leg
from adapters.voice.step import Step
from linkage.convening.people import Convening, Fate, Race
from linkage.ports import CommandError, Outcome
from protocol.messages import (
    CallMode,
    CallOut,
    CallOutType,
    CancelCallOut,
    ConferenceControl,
    HangupSide,
)
from protocol.reasons import Reason
from protocol.results import Result

TYPES: Final = frozenset({CallOutType.SINGLE, CallOutType.GROUP, CallOutType.CONFERENCE})
EMPTY_S: Final = 3600.0
"""How long a conference that was made empty waits for its first member."""


def begin(step: Step, message: CallOut | ConferenceControl) -> Outcome:
    """Do the command that makes a new call.

    Raises:
        CommandError: it cannot be done, and there is no call.
    """
    call = step.call
    call.begun = True
    call.event_id = message.event_id
    if isinstance(message, ConferenceControl):
        return _create(step, message)
    races = _races(step, message)
    call.show = _shown(message.show_num)
    if message.call_type is CallOutType.SINGLE:
        return _begin_single(step, message, races)
    call.officer = message.login_id
    lifecycle.begin(step, Conference(id=step.new_id(), record=bool(message.record)))
    lifecycle.convene(step, _convening(step, message, races))
    return Outcome(ids={"call_id": call.id, "conference_id": step.conference_id})


def _shown(number: str | None) -> str | None:
    """ShowNum, as the platform can take it for a caller's number."""
    if number is None:
        return None
    shown = dialable(number)
    if shown is None:
        raise no_number("ShowNum", number)
    return shown


def _create(step: Step, message: ConferenceControl) -> Outcome:
    step.call.officer = message.login_id
    until = None if message.duration is None else step.later(message.duration)
    conference = Conference(
        id=step.new_id(),
        subject=message.subject,
        max_members=message.max_members or None,
        until=until,
        empty_until=step.later(EMPTY_S),
    )
    lifecycle.begin(step, conference)
    return Outcome(ids={"call_id": step.call.id, "conference_id": conference.id})


def call_in(step: Step, order: TargetedCommand) -> Outcome:
    """210 for a conference that there is: call more people into it."""
    message: CallOut = order.message
    if message.call_type is CallOutType.SINGLE:
        raise CommandError(Result.BAD_VALUE, "Type 1 is a call of its own: name no conference")
    check_open(step)
    races = _races(step, message)
    call = step.call
    call.event_id = call.event_id or message.event_id
    lifecycle.conference_of(call).record |= bool(message.record)
    lifecycle.convene(step, _convening(step, message, races))
    return Outcome(ids={"call_id": call.id, "conference_id": step.conference_id})


def check_open(step: Step) -> None:
    """Whether anybody else may come into the conference.

    Raises:
        CommandError: it ends, is locked or full.
    """
    if step.call.reason is not None:
        raise refuse("the conference ends")
    if lifecycle.conference_of(step.call).locked:
        raise CommandError(Result.CONFERENCE_LOCKED, "the conference is locked")
    if lifecycle.is_full(step.call):
        raise CommandError(Result.CONFERENCE_FULL, "the conference is full")


def _races(step: Step, message: CallOut) -> list[Race]:
    if message.call_type is not None and message.call_type not in TYPES:
        raise CommandError(
            Result.NOT_SUPPORTED, f"Type {message.call_type.value} is not served: there is no TTS"
        )
    return call_plan.plan(step.settings, message.groups, message.retry or 0)


def _convening(step: Step, message: CallOut, races: list[Race]) -> Convening:
    return Convening(
        request_id=step.request_id,
        login_id=message.login_id,
        ring_s=float(message.timeout or step.settings.ring_s),
        patience_s=step.patience_s,
        races=races,
    )


# --- Type 1 --------------------------------------------------------------------------------------
def _begin_single(step: Step, message: CallOut, races: list[Race]) -> Outcome:
    """Ring the dispatcher's telephone; who answers it hears ringing until the number answers."""
    call = step.call
    if message.login_id is None:
        raise CommandError(Result.MISSING_FIELD, "LoginId must say whose telephone to connect")
    officer = find_target(step, message.login_id, None)
    persons = [person for race in races for person in race.persons]
    if len(persons) != 1:
        raise CommandError(
            Result.BAD_VALUE, "Type 1 calls one person; Type 2 or 3 call several together"
        )
    person = persons[0]
    if any(dialplan.same(step.settings, each.written, officer.number) for each in person.tries):
        raise CommandError(Result.BAD_VALUE, "that is the dispatcher's own number")
    person.tries = [each for each in person.tries if each.number != officer.number]
    if not person.tries:
        raise CommandError(Result.BAD_VALUE, "of that hotline there is only the dispatcher")
    races[0].mode = CallMode.ALL
    call.officer, call.number = message.login_id, officer.number
    call.dialled = dialplan.known(step.settings, person.number) or person.number
    call.record = bool(message.record)
    dialling.dial(step, officer, leg_id=call.id, caller_id=dialable(call.dialled))
    call.convenings.append(_convening(step, message, races))
    return Outcome(ids={"call_id": call.id})


def officer_ready(step: Step) -> None:
    """The dispatcher is on the telephone: ring whom he wants to speak with."""
    legs.seat(step, step.call.root)
    legs.start_tone(step)
    proceed(step)


def reached(step: Step, leg: Leg) -> None:
    """The other party answered."""
    ringing.connect(step, leg)
    convening.joined(step, leg)
    proceed(step)


def not_reached(step: Step, leg: Leg) -> None:
    """The other party could not be had by this number."""
    convening.failed(step, leg)
    proceed(step)


def proceed(step: Step) -> None:
    """Try the next number; without one the call is over."""
    for finished in convening.advance(step):
        if not finished.count(Fate.JOINED):
            ringing.end_call(step, convening.why_nobody(step), HangupSide.PLATFORM)


# --- 216 -----------------------------------------------------------------------------------------
def cancel(step: Step, order: TargetedCommand) -> Outcome:
    """216: stop ringing and dialling, wholly or for a group or person."""
    message: CancelCallOut = order.message
    stopped = 0
    for one in list(step.call.convenings):
        if message.request_id in {None, one.request_id}:
            stopped += convening.stop(
                step,
                one,
                Reason.OPERATOR_CANCELLED,
                HangupSide.OPERATOR,
                group_id=message.group_id,
                staff_id=message.staff_id,
            )
    if not stopped:
        raise refuse("nobody of these is being called any more")
    if step.call.conference is None:
        proceed(step)
    else:
        lifecycle.proceed(step)
    return Outcome(detail=f"{stopped} not called any more")
