"""What a conference is told to do: 203, 204, and 202 where it names one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from adapters.voice import dialplan, legs
from adapters.voice.addressee import TargetedCommand, no_number, refuse
from adapters.voice.callout import call_out, call_plan
from adapters.voice.conference import lifecycle
from adapters.voice.media import call_recording, media_control
from adapters.voice.model import Leg
from adapters.voice.platform_actions import COMMAND, Mute, Unmute
from adapters.voice.step import Step
from linkage.convening.people import Convening, Fate, Person, Race
from linkage.ports import CommandError, Outcome
from protocol.messages import (
    AudioDirection,
    ConferenceAction,
    ConferenceControl,
    ConferenceMemberControl,
    ConferenceNoticeAction,
    Hangup,
    HangupScope,
    HangupSide,
    Member,
    MemberAction,
    MemberNoticeAction,
)
from protocol.reasons import Reason
from protocol.results import Result

Control = Callable[[Step, ConferenceControl], None]
Switch = Callable[[Step, Leg], None]
IN: Final = AudioDirection.IN.value
OUT: Final = AudioDirection.OUT.value


def _outcome(step: Step) -> Outcome:
    return Outcome(ids={"call_id": step.call.id, "conference_id": step.conference_id})


# --- 203 -----------------------------------------------------------------------------------------
def control(step: Step, order: TargetedCommand) -> Outcome:
    """203: everything but create, which makes a call of its own."""
    message: ConferenceControl = order.message
    act = CONTROLS.get(message.action)
    if act is None:
        raise CommandError(Result.NOT_SUPPORTED, f"Action {message.action.value} is not served")
    if step.call.reason is not None and message.action is not ConferenceAction.END:
        raise refuse("the conference ends")
    act(step, message)
    return _outcome(step)


def _end(step: Step, _: ConferenceControl) -> None:
    lifecycle.end(step, Reason.CONFERENCE_ENDED, HangupSide.OPERATOR, owner=COMMAND)


def _lock(step: Step, _: ConferenceControl) -> None:
    lifecycle.conference_of(step.call).locked = True
    _tell(step, ConferenceNoticeAction.LOCKED)


def _unlock(step: Step, _: ConferenceControl) -> None:
    lifecycle.conference_of(step.call).locked = False
    _tell(step, ConferenceNoticeAction.UNLOCKED)


def _record(step: Step, _: ConferenceControl) -> None:
    """From now on, whenever somebody is in."""
    lifecycle.conference_of(step.call).record = True
    _tell(step, ConferenceNoticeAction.RECORD_ON)
    lifecycle.watch_bridge(step)


def _stop_record(step: Step, _: ConferenceControl) -> None:
    lifecycle.conference_of(step.call).record = False
    for recording in list(step.call.recordings.values()):
        recording.request_id = step.request_id
        call_recording.stop_recording(step, recording, owner=COMMAND)
    _tell(step, ConferenceNoticeAction.RECORD_OFF)


def _mute_all(step: Step, message: ConferenceControl) -> None:
    """Everybody but who asks for it, so that he can go on speaking."""
    for leg in lifecycle.members(step.call):
        if leg.muted is None and (message.login_id is None or leg.login != message.login_id):
            SWITCHES[MemberAction.MUTE](step, leg)
    _tell(step, ConferenceNoticeAction.MODE)


def _unmute_all(step: Step, _: ConferenceControl) -> None:
    for leg in lifecycle.members(step.call):
        if leg.muted is not None:
            SWITCHES[MemberAction.UNMUTE](step, leg)
    _tell(step, ConferenceNoticeAction.MODE)


def _play(step: Step, message: ConferenceControl) -> None:
    if not lifecycle.members(step.call):
        raise refuse("nobody is in the conference to hear it")
    media_control.play_file(step, message.file_id, bridge=step.bridge)


def _tell(step: Step, action: ConferenceNoticeAction) -> None:
    lifecycle.tell(step, action, request_id=step.request_id)


CONTROLS: Final[Mapping[ConferenceAction, Control]] = {
    ConferenceAction.END: _end,
    ConferenceAction.LOCK: _lock,
    ConferenceAction.UNLOCK: _unlock,
    ConferenceAction.RECORD_ON: _record,
    ConferenceAction.RECORD_OFF: _stop_record,
    ConferenceAction.MUTE_ALL: _mute_all,
    ConferenceAction.UNMUTE_ALL: _unmute_all,
    ConferenceAction.PLAY: _play,
}


# --- 204 -----------------------------------------------------------------------------------------
def member_control(step: Step, order: TargetedCommand) -> Outcome:
    """204: all members that are named, or none of them."""
    message: ConferenceMemberControl = order.message
    if step.call.reason is not None:
        raise refuse("the conference ends")
    call_in = CALLS_IN.get(message.action)
    if call_in is not None:
        call_out.check_open(step)
        _call_in(step, [call_in(step, each) for each in message.members])
        return _outcome(step)
    switch = SWITCHES.get(message.action)
    if switch is None:
        raise CommandError(Result.NOT_SUPPORTED, f"Action {message.action.value} is not served")
    for leg in [_find(step, each) for each in message.members]:
        if not leg.up and message.action is not MemberAction.KICK:
            raise refuse(f"{leg.number} has not answered yet")
        switch(step, leg)
    return _outcome(step)


def _find(step: Step, named: Member) -> Leg:
    for leg in step.call.legs.values():
        if leg.alive and leg.leaving is None and _is(step, leg, named):
            return leg
    raise CommandError(Result.NOT_A_MEMBER, f"{_who(named)} is not in the conference")


def _is(step: Step, leg: Leg, named: Member) -> bool:
    """Whether a member is the one who is named, by all that is said of him."""
    return (
        named.member_id in {None, leg.id}
        and named.staff_id in {None, leg.staff_id}
        and (named.phone_num is None or dialplan.same(step.settings, leg.number, named.phone_num))
    )


def _who(named: Member) -> str:
    return named.member_id or named.phone_num or named.staff_id or ""


def _call_in(step: Step, persons: list[Person]) -> None:
    lifecycle.convene(
        step,
        Convening(
            request_id=step.request_id,
            ring_s=step.settings.ring_s,
            patience_s=step.patience_s,
            told=False,
            races=[Race(persons=persons)],
        ),
    )


def _newcomer(step: Step, named: Member) -> Person:
    number = named.phone_num
    if number is None:
        raise CommandError(Result.MISSING_FIELD, "PhoneNum must say whom to call in")
    tries = call_plan.tries_of(step.settings, number)
    if tries[0].obstacle == Reason.INVALID_FORMAT:
        raise no_number("PhoneNum", number)
    if tries[0].obstacle is not None:
        raise CommandError(Result.NO_TRUNK, f"{number} cannot be dialled: there is no trunk")
    numbers = {each.number for each in tries}
    if any(leg.up and leg.number in numbers for leg in step.call.legs.values()):
        raise CommandError(Result.ALREADY_EXISTS, f"{number} is in the conference already")
    return Person(tries=tries, number=number, staff_id=named.staff_id, fate=Fate.WAITING)


def _again(step: Step, named: Member) -> Person:
    """Somebody who was called or was in, and is not there: he left, was busy, did not answer."""
    known = [leg for leg in step.call.legs.values() if _is(step, leg, named)]
    if not known:
        raise CommandError(Result.NOT_A_MEMBER, f"{_who(named)} was never called into this")
    last = max(known, key=lambda leg: leg.started)
    number = last.number or ""
    there = [
        leg
        for leg in step.call.legs.values()
        if leg.number == number and leg.alive and leg.leaving is None
    ]
    if any(leg.up for leg in there):
        raise CommandError(Result.ALREADY_EXISTS, f"{number} is in the conference already")
    if there:
        raise refuse(f"{number} is being called already")
    target = dialplan.dialled_target(step.settings, number)
    if target is None:
        raise CommandError(Result.NO_TRUNK, f"{number} cannot be dialled: there is no trunk")
    tries = [call_plan.one_try(target, number)]
    return Person(tries=tries, number=number, staff_id=last.staff_id, fate=Fate.WAITING)


CALLS_IN: Final[Mapping[MemberAction, Callable[[Step, Member], Person]]] = {
    MemberAction.ADD: _newcomer,
    MemberAction.REDIAL: _again,
}


def _kick(step: Step, leg: Leg) -> None:
    legs.hang_up(step, leg, Reason.KICKED, HangupSide.OPERATOR, owner=COMMAND)


def _suppressing(direction: str, told: MemberNoticeAction, *, off: bool) -> Switch:
    """Switches the sound from a member off or on (`in`, as the platform sees it), or to them."""
    act = Mute if off else Unmute

    def switch(step: Step, leg: Leg) -> None:
        if direction == IN:
            leg.muted = IN if off else None
        else:
            leg.deaf = off
        step.do(act(channel=leg.channel, direction=direction, owner=COMMAND))
        lifecycle.tell_member(step, leg, told, request_id=step.request_id)

    return switch


def _hold(step: Step, leg: Leg) -> None:
    if leg.held:
        raise refuse(f"{leg.number} is on hold already")
    leg.held = True
    legs.unseat(step, leg)
    lifecycle.tell_member(step, leg, MemberNoticeAction.HOLD, request_id=step.request_id)


def _retrieve(step: Step, leg: Leg) -> None:
    if not leg.held:
        raise refuse(f"{leg.number} is not on hold")
    leg.held = False
    legs.reseat(step, leg)
    lifecycle.tell_member(step, leg, MemberNoticeAction.RETRIEVE, request_id=step.request_id)


SWITCHES: Final[Mapping[MemberAction, Switch]] = {
    MemberAction.KICK: _kick,
    MemberAction.MUTE: _suppressing(IN, MemberNoticeAction.MUTED, off=True),
    MemberAction.UNMUTE: _suppressing(IN, MemberNoticeAction.UNMUTED, off=False),
    MemberAction.DEAF: _suppressing(OUT, MemberNoticeAction.DEAF, off=True),
    MemberAction.UNDEAF: _suppressing(OUT, MemberNoticeAction.UNDEAF, off=False),
    MemberAction.HOLD: _hold,
    MemberAction.RETRIEVE: _retrieve,
}


# --- 202 -----------------------------------------------------------------------------------------
def hang_up(step: Step, order: TargetedCommand) -> Outcome:
    """202: a member, where one is named or Scope says so; otherwise the conference."""
    message: Hangup = order.message
    if message.scope is HangupScope.LEG or (message.scope is None and _means_member(step, order)):
        leg = order.leg or _by_number(step, message.phone_num)
        if leg is None or not leg.alive:
            raise CommandError(Result.NO_CALL, "which member? name CallId, LoginId or PhoneNum")
        reason = message.reason or Reason.NORMAL
        legs.hang_up(step, leg, reason, HangupSide.OPERATOR, owner=COMMAND)
        return Outcome(ids={"call_id": leg.id, "conference_id": step.conference_id})
    reason = message.reason or Reason.CONFERENCE_ENDED
    lifecycle.end(step, reason, HangupSide.OPERATOR, owner=COMMAND)
    return _outcome(step)


def _means_member(step: Step, order: TargetedCommand) -> bool:
    """Whether one member is named; who only looks for somebody must not end it for all."""
    message: Hangup = order.message
    if message.phone_num is not None:
        return True
    if message.call_id is not None:
        return message.call_id != step.call.id
    return message.conference_id is None


def _by_number(step: Step, number: str | None) -> Leg | None:
    return next(
        (
            leg
            for leg in step.call.legs.values()
            if leg.alive and dialplan.same(step.settings, leg.number, number)
        ),
        None,
    )
