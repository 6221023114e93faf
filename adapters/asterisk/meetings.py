"""What a conference is told to do: 203, 204, and 202 where it names one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from adapters.asterisk import (
    call_recording,
    callouts,
    conferences,
    convening,
    legs,
    sound,
    targets,
)
from adapters.asterisk.model import Leg
from adapters.asterisk.orders import COMMAND, Order, no_number, refuse
from adapters.asterisk.people import Convening, Fate, Person, Race
from adapters.asterisk.turn import Turn
from linkage.ports import CommandError, Outcome
from protocol.messages import (
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

Control = Callable[[Turn, ConferenceControl], None]
Switch = Callable[[Turn, Leg], None]


def _outcome(turn: Turn) -> Outcome:
    return Outcome(call_id=turn.call.id, conference_id=turn.conference_id)


# --- 203 -----------------------------------------------------------------------------------------
def control(turn: Turn, order: Order) -> Outcome:
    """203: everything but create, which makes a call of its own."""
    message: ConferenceControl = order.message
    act = CONTROLS.get(message.action)
    if act is None:
        raise CommandError(Result.NOT_SUPPORTED, f"Action {message.action.value} is not served")
    if turn.call.reason is not None and message.action is not ConferenceAction.END:
        raise refuse("the conference ends")
    act(turn, message)
    return _outcome(turn)


def _end(turn: Turn, _: ConferenceControl) -> None:
    conferences.end(turn, Reason.CONFERENCE_ENDED, HangupSide.OPERATOR, owner=COMMAND)


def _lock(turn: Turn, _: ConferenceControl) -> None:
    conferences.conference_of(turn.call).locked = True
    _tell(turn, ConferenceNoticeAction.LOCKED)


def _unlock(turn: Turn, _: ConferenceControl) -> None:
    conferences.conference_of(turn.call).locked = False
    _tell(turn, ConferenceNoticeAction.UNLOCKED)


def _record(turn: Turn, _: ConferenceControl) -> None:
    """From now on, whenever somebody is in."""
    conferences.conference_of(turn.call).record = True
    _tell(turn, ConferenceNoticeAction.RECORD_ON)
    conferences.watch_bridge(turn)


def _stop_record(turn: Turn, _: ConferenceControl) -> None:
    conferences.conference_of(turn.call).record = False
    for recording in list(turn.call.recordings.values()):
        recording.request_id = turn.request_id
        call_recording.stop_recording(turn, recording, owner=COMMAND)
    _tell(turn, ConferenceNoticeAction.RECORD_OFF)


def _mute_all(turn: Turn, message: ConferenceControl) -> None:
    """Everybody but who asks for it, so that he can go on speaking."""
    for leg in conferences.members(turn.call):
        if leg.muted is None and (message.login_id is None or leg.login != message.login_id):
            _mute(turn, leg)
    _tell(turn, ConferenceNoticeAction.MODE)


def _unmute_all(turn: Turn, _: ConferenceControl) -> None:
    for leg in conferences.members(turn.call):
        if leg.muted is not None:
            _unmute(turn, leg)
    _tell(turn, ConferenceNoticeAction.MODE)


def _play(turn: Turn, message: ConferenceControl) -> None:
    if not conferences.members(turn.call):
        raise refuse("nobody is in the conference to hear it")
    sound.play_file(turn, message.file_id, ("bridges", turn.bridge))


def _tell(turn: Turn, action: ConferenceNoticeAction) -> None:
    conferences.tell(turn, action, request_id=turn.request_id)


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
def member_control(turn: Turn, order: Order) -> Outcome:
    """204: all members that are named, or none of them."""
    message: ConferenceMemberControl = order.message
    if turn.call.reason is not None:
        raise refuse("the conference ends")
    call_in = CALLS_IN.get(message.action)
    if call_in is not None:
        callouts.check_open(turn)
        _call_in(turn, [call_in(turn, each) for each in message.members])
        return _outcome(turn)
    switch = SWITCHES.get(message.action)
    if switch is None:
        raise CommandError(Result.NOT_SUPPORTED, f"Action {message.action.value} is not served")
    for leg in [_find(turn, each) for each in message.members]:
        if not leg.up and message.action is not MemberAction.KICK:
            raise refuse(f"{leg.number} has not answered yet")
        switch(turn, leg)
    return _outcome(turn)


def _find(turn: Turn, named: Member) -> Leg:
    for leg in turn.call.legs.values():
        if leg.alive and leg.leaving is None and _is(turn, leg, named):
            return leg
    raise CommandError(Result.NOT_A_MEMBER, f"{_who(named)} is not in the conference")


def _is(turn: Turn, leg: Leg, named: Member) -> bool:
    """Whether a member is the one who is named, by all that is said of him."""
    return (
        named.member_id in {None, leg.id}
        and named.staff_id in {None, leg.staff_id}
        and (named.phone_num is None or targets.same(turn.settings, leg.number, named.phone_num))
    )


def _who(named: Member) -> str:
    return named.member_id or named.phone_num or named.staff_id or ""


def _call_in(turn: Turn, persons: list[Person]) -> None:
    conferences.convene(
        turn,
        Convening(
            request_id=turn.request_id,
            ring_s=turn.settings.ring_s,
            patience_s=turn.patience_s,
            told=False,
            races=[Race(persons=persons)],
        ),
    )


def _newcomer(turn: Turn, named: Member) -> Person:
    number = named.phone_num
    if number is None:
        raise CommandError(Result.MISSING_FIELD, "PhoneNum must say whom to call in")
    tries = convening.tries_of(turn.settings, number)
    if tries[0].obstacle == Reason.INVALID_FORMAT:
        raise no_number("PhoneNum", number)
    if tries[0].obstacle is not None:
        raise CommandError(Result.NO_TRUNK, f"{number} cannot be dialled: there is no trunk")
    numbers = {each.number for each in tries}
    if any(leg.up and leg.number in numbers for leg in turn.call.legs.values()):
        raise CommandError(Result.ALREADY_EXISTS, f"{number} is in the conference already")
    return Person(tries=tries, number=number, staff_id=named.staff_id, fate=Fate.WAITING)


def _again(turn: Turn, named: Member) -> Person:
    """Somebody who was called or was in, and is not there: he left, was busy, did not answer."""
    known = [leg for leg in turn.call.legs.values() if _is(turn, leg, named)]
    if not known:
        raise CommandError(Result.NOT_A_MEMBER, f"{_who(named)} was never called into this")
    last = max(known, key=lambda leg: leg.started)
    number = last.number or ""
    there = [
        leg
        for leg in turn.call.legs.values()
        if leg.number == number and leg.alive and leg.leaving is None
    ]
    if any(leg.up for leg in there):
        raise CommandError(Result.ALREADY_EXISTS, f"{number} is in the conference already")
    if there:
        raise refuse(f"{number} is being called already")
    target = targets.dialled_target(turn.settings, number)
    if target is None:
        raise CommandError(Result.NO_TRUNK, f"{number} cannot be dialled: there is no trunk")
    tries = [convening.one_try(target, number)]
    return Person(tries=tries, number=number, staff_id=last.staff_id, fate=Fate.WAITING)


CALLS_IN: Final[Mapping[MemberAction, Callable[[Turn, Member], Person]]] = {
    MemberAction.ADD: _newcomer,
    MemberAction.REDIAL: _again,
}


def _kick(turn: Turn, leg: Leg) -> None:
    legs.hang_up(turn, leg, Reason.KICKED, HangupSide.OPERATOR, owner=COMMAND)


def _mute(turn: Turn, leg: Leg) -> None:
    leg.muted = "in"
    _suppress(turn, leg, "POST", "in", MemberNoticeAction.MUTED)


def _unmute(turn: Turn, leg: Leg) -> None:
    leg.muted = None
    _suppress(turn, leg, "DELETE", "in", MemberNoticeAction.UNMUTED)


def _deafen(turn: Turn, leg: Leg) -> None:
    leg.deaf = True
    _suppress(turn, leg, "POST", "out", MemberNoticeAction.DEAF)


def _undeafen(turn: Turn, leg: Leg) -> None:
    leg.deaf = False
    _suppress(turn, leg, "DELETE", "out", MemberNoticeAction.UNDEAF)


def _suppress(turn: Turn, leg: Leg, verb: str, direction: str, action: MemberNoticeAction) -> None:
    """Sound from the member (`in`, as Asterisk sees it) or to him (`out`)."""
    turn.do(verb, "channels", leg.channel, "mute", owner=COMMAND, direction=direction)
    conferences.tell_member(turn, leg, action, request_id=turn.request_id)


def _hold(turn: Turn, leg: Leg) -> None:
    if leg.held:
        raise refuse(f"{leg.number} is on hold already")
    leg.held = True
    legs.unseat(turn, leg)
    conferences.tell_member(turn, leg, MemberNoticeAction.HOLD, request_id=turn.request_id)


def _retrieve(turn: Turn, leg: Leg) -> None:
    if not leg.held:
        raise refuse(f"{leg.number} is not on hold")
    leg.held = False
    legs.reseat(turn, leg)
    conferences.tell_member(turn, leg, MemberNoticeAction.RETRIEVE, request_id=turn.request_id)


SWITCHES: Final[Mapping[MemberAction, Switch]] = {
    MemberAction.KICK: _kick,
    MemberAction.MUTE: _mute,
    MemberAction.UNMUTE: _unmute,
    MemberAction.DEAF: _deafen,
    MemberAction.UNDEAF: _undeafen,
    MemberAction.HOLD: _hold,
    MemberAction.RETRIEVE: _retrieve,
}


# --- 202 -----------------------------------------------------------------------------------------
def hang_up(turn: Turn, order: Order) -> Outcome:
    """202: a member, where one is named or Scope says so; otherwise the conference."""
    message: Hangup = order.message
    if message.scope is HangupScope.LEG or (message.scope is None and _means_member(turn, order)):
        leg = order.leg or _by_number(turn, message.phone_num)
        if leg is None or not leg.alive:
            raise CommandError(Result.NO_CALL, "which member? name CallId, LoginId or PhoneNum")
        reason = message.reason or Reason.NORMAL
        legs.hang_up(turn, leg, reason, HangupSide.OPERATOR, owner=COMMAND)
        return Outcome(call_id=leg.id, conference_id=turn.conference_id)
    reason = message.reason or Reason.CONFERENCE_ENDED
    conferences.end(turn, reason, HangupSide.OPERATOR, owner=COMMAND)
    return _outcome(turn)


def _means_member(turn: Turn, order: Order) -> bool:
    """Whether one member is named; who only looks for somebody must not end it for all."""
    message: Hangup = order.message
    if message.phone_num is not None:
        return True
    if message.call_id is not None:
        return message.call_id != turn.call.id
    return message.conference_id is None


def _by_number(turn: Turn, number: str | None) -> Leg | None:
    return next(
        (
            leg
            for leg in turn.call.legs.values()
            if leg.alive and targets.same(turn.settings, leg.number, number)
        ),
        None,
    )
