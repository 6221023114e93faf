"""The 2xx of the protocol, done to a call.

A command is judged against the call's state first, and refused by `CommandError` before anything
is done. What it does at the platform must succeed (`owner="command"`), or it is taken back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from adapters.voice import dialling, dialplan, legs, party_commands, ringing, transfer
from adapters.voice.addressee import TargetedCommand, find_target, named_leg, refuse
from adapters.voice.call_end import close_if_over
from adapters.voice.callout import call_out
from adapters.voice.conference import conference_control
from adapters.voice.media import media_control
from adapters.voice.model import Leg
from adapters.voice.platform_actions import COMMAND, SetVariable
from adapters.voice.step import Step
from linkage.ports import Capability, CommandError, Outcome
from protocol.message import Message
from protocol.messages import (
    AnswerAction,
    AnswerCall,
    CallDataMode,
    CallDataNotice,
    CallOut,
    ConferenceAction,
    ConferenceControl,
    CreateEvent,
    Hangup,
    HangupScope,
    HangupSide,
    HoldAction,
    KeyValue,
    MediaAction,
    RecordingAction,
    SetCallData,
)
from protocol.reasons import Reason
from protocol.results import Result

KEY: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,60}")
"""Name of a datum: it becomes part of a channel variable, where brackets would call a function."""
RESERVED: Final = frozenset({"CALLID", "ROOTID", "EVENTID"})
DATA_MAX: Final = 64 * 1024
OK: Final = Outcome(result=Result.OK)

Handler = Callable[[Step, TargetedCommand], Outcome]


def execute(step: Step, message: Message) -> Outcome:
    """Do a command to a call, as effects of the step.

    Raises:
        CommandError: it cannot be done, and nothing was done.
    """
    call = step.call
    if call.ended is not None:
        raise CommandError(Result.NO_CALL, f"call {call.id} has ended")
    outcome = _execute(step, message)
    close_if_over(step)
    return outcome


def _execute(step: Step, message: Message) -> Outcome:
    call = step.call
    if not call.begun:
        assert isinstance(message, CallOut | ConferenceControl)
        return call_out.begin(step, message)
    handlers = HANDLERS if call.conference is None else IN_CONFERENCE
    handler = handlers.get(message.number)
    if handler is None:
        if call.conference is None:
            raise CommandError(Result.NO_CONFERENCE, f"call {call.id} is no conference")
        raise refuse(f"{message.number} is for calls between two, and this is a conference")
    return handler(step, TargetedCommand(message, named_leg(step, message)))


# --- 200 -----------------------------------------------------------------------------------------
def _answer(step: Step, order: TargetedCommand) -> Outcome:
    message: AnswerCall = order.message
    call = step.call
    if call.reason is not None or call.officers_up() or call.convenings:
        raise refuse("the call does not ring any more")
    match message.action:
        case AnswerAction.REJECT:
            _reject(step, order)
        case AnswerAction.DEFLECT:
            target = find_target(step, None, message.to_num)
            ringing.cancel_ringing(step, Reason.OPERATOR_CANCELLED)
            call.waiting, call.at_once = list(target.each), target.at_once
            ringing.ring_next(step)
        case _:
            _claim(step, order)
    return Outcome()


def _reject(step: Step, order: TargetedCommand) -> None:
    """One officer does not want it: the next is rung. Without a LoginId nobody wants it."""
    reason = order.message.reason or Reason.REJECTED
    if order.message.login_id is None:
        ringing.end_call(step, reason, HangupSide.OPERATOR, owner=COMMAND)
        return
    if order.leg is None or not order.leg.ringing:
        raise CommandError(
            Result.NO_LOGIN,
            f"no telephone of LoginId {order.message.login_id} rings here",
        )
    legs.hang_up(step, order.leg, reason, HangupSide.CALLEE, owner=COMMAND)


def _claim(step: Step, order: TargetedCommand) -> None:
    """An officer takes the call at his screen: only his telephone rings, and may answer itself."""
    login = order.message.login_id
    if login is None:
        raise CommandError(Result.MISSING_FIELD, "LoginId must say who answers")
    target = find_target(step, login, None)
    ringing.cancel_ringing(step, Reason.ANSWERED_ELSEWHERE)
    dialling.dial(step, target, auto_answer=True)


# --- 201, 213 ------------------------------------------------------------------------------------
def _create_event(step: Step, order: TargetedCommand) -> Outcome:
    message: CreateEvent = order.message
    step.call.event_id = message.event_id
    _set_variable(step, "LINKAGE_EVENTID", message.event_id)
    return OK


def _set_variable(step: Step, name: str, value: str) -> None:
    for leg in step.call.legs.values():
        if leg.alive:
            step.do(SetVariable(channel=leg.channel, name=name, value=value))


def _set_data(step: Step, order: TargetedCommand) -> Outcome:
    message: SetCallData = order.message
    call = step.call
    given = {item.key: item.value or "" for item in message.data}
    for key in given:
        if not KEY.fullmatch(key) or key.upper() in RESERVED:
            raise CommandError(Result.BAD_VALUE, f"Key {key!r} cannot be a channel variable")
    before = dict(call.data)
    match message.mode:
        case CallDataMode.DELETE:
            after = {key: value for key, value in before.items() if key not in given}
        case CallDataMode.REPLACE:
            after = given
        case _:
            after = before | given
    if sum(len(key) + len(value.encode()) for key, value in after.items()) > DATA_MAX:
        raise CommandError(Result.TOO_LONG, "more than 64 KB of data for one call")
    call.data = after
    call.data_version += 1
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) != after.get(key):
            _set_variable(step, f"LINKAGE_{key}", after.get(key, ""))
    step.tell(
        CallDataNotice(
            call_id=call.id,
            data=tuple(KeyValue(key=key, value=value or None) for key, value in after.items()),
            version=call.data_version,
            by_login_id=message.login_id,
            request_id=step.request_id,
        )
    )
    return OK


# --- 202 -----------------------------------------------------------------------------------------
def _hang_up(step: Step, order: TargetedCommand) -> Outcome:
    message: Hangup = order.message
    leg = order.leg
    if leg is None and message.phone_num is not None and message.scope is HangupScope.LEG:
        leg = next(
            (
                each
                for each in step.call.legs.values()
                if each.alive and dialplan.same(step.settings, each.number, message.phone_num)
            ),
            None,
        )
    names_leg = leg is not None and message.call_id == leg.id
    if message.scope is HangupScope.LEG or (message.scope is None and names_leg):
        if leg is None:
            raise CommandError(Result.NO_CALL, "which leg? name its CallId, LoginId or PhoneNum")
        if not leg.alive:
            raise CommandError(Result.NO_CALL, f"leg {leg.id} has ended")
        reason = message.reason or _normal(leg)
        legs.hang_up(step, leg, reason, HangupSide.OPERATOR, owner=COMMAND)
        return Outcome(ids={"call_id": leg.id})
    reason = message.reason or _normal(step.call.root)
    ringing.end_call(step, reason, HangupSide.OPERATOR, owner=COMMAND)
    return Outcome()


def _normal(leg: Leg) -> Reason:
    return Reason.OPERATOR_CANCELLED if leg.answered is None else Reason.NORMAL


HANDLERS: Final[Mapping[int, Handler]] = {
    200: _answer,
    201: _create_event,
    202: _hang_up,
    205: transfer.do_transfer,
    206: party_commands.do_hold,
    208: media_control.do_record,
    209: media_control.do_media,
    213: _set_data,
    214: party_commands.do_mute,
    216: call_out.cancel,
}

IN_CONFERENCE: Final[Mapping[int, Handler]] = {
    201: _create_event,
    202: conference_control.hang_up,
    203: conference_control.control,
    204: conference_control.member_control,
    208: media_control.do_record,
    209: media_control.do_media,
    210: call_out.call_in,
    213: _set_data,
    214: party_commands.do_mute,
    216: call_out.cancel,
}
"""What a conference does of them."""

CAPABILITIES: Final[Capability] = {
    200: frozenset(AnswerAction),
    201: frozenset(),
    202: frozenset(),
    203: frozenset({ConferenceAction.CREATE, *conference_control.CONTROLS}),
    204: frozenset({*conference_control.CALLS_IN, *conference_control.SWITCHES}),
    205: frozenset({*transfer.STARTS, *transfer.STEPS}),
    206: frozenset(HoldAction),
    208: frozenset(
        {
            RecordingAction.START,
            RecordingAction.STOP,
            RecordingAction.PAUSE,
            RecordingAction.RESUME,
        }
    ),
    209: frozenset(
        {
            MediaAction.PLAY,
            MediaAction.STOP,
            MediaAction.SEND_DTMF,
            MediaAction.COLLECT,
        }
    ),
    210: call_out.TYPES,
    213: frozenset(),
    214: frozenset(),
    216: frozenset(),
}
