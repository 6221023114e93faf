"""The 2xx of the protocol, done to a call.

A command is judged against the call's state first, and refused by `CommandError` before anything
is done. What it does at Asterisk must succeed (`owner="command"`), or it is taken back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from adapters.asterisk import callouts, handling, legs, meetings, ringing, sound, targets
from adapters.asterisk.legs import MISSING
from adapters.asterisk.model import Leg
from adapters.asterisk.orders import COMMAND, Order, find_target, named_leg, refuse
from adapters.asterisk.turn import Turn
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

Handler = Callable[[Turn, Order], Outcome]


def execute(turn: Turn, message: Message) -> Outcome:
    """Do a command to a call, as effects of the turn.

    Raises:
        CommandError: it cannot be done, and nothing was done.
    """
    call = turn.call
    if call.ended is not None:
        raise CommandError(Result.NO_CALL, f"call {call.id} has ended")
    if not call.begun:
        assert isinstance(message, CallOut | ConferenceControl)
        return callouts.begin(turn, message)
    handlers = HANDLERS if call.conference is None else IN_CONFERENCE
    handler = handlers.get(message.number)
    if handler is None:
        if call.conference is None:
            raise CommandError(Result.NO_CONFERENCE, f"call {call.id} is no conference")
        raise refuse(f"{message.number} is for calls between two, and this is a conference")
    return handler(turn, Order(message, named_leg(turn, message)))


# --- 200 -----------------------------------------------------------------------------------------
def _answer(turn: Turn, order: Order) -> Outcome:
    message: AnswerCall = order.message
    call = turn.call
    if call.reason is not None or call.officers_up() or call.convenings:
        raise refuse("the call does not ring any more")
    match message.action:
        case AnswerAction.REJECT:
            _reject(turn, order)
        case AnswerAction.DEFLECT:
            target = find_target(turn, None, message.to_num)
            ringing.cancel_ringing(turn, Reason.OPERATOR_CANCELLED)
            call.waiting, call.at_once = list(target.each), target.at_once
            ringing.ring_next(turn)
        case _:
            _claim(turn, order)
    return Outcome()


def _reject(turn: Turn, order: Order) -> None:
    """One officer does not want it: the next is rung. Without a LoginId nobody wants it."""
    reason = order.message.reason or Reason.REJECTED
    if order.message.login_id is None:
        ringing.end_call(turn, reason, HangupSide.OPERATOR, owner=COMMAND)
        return
    if order.leg is None or not order.leg.ringing:
        raise CommandError(
            Result.NO_LOGIN,
            f"no telephone of LoginId {order.message.login_id} rings here",
        )
    legs.hang_up(turn, order.leg, reason, HangupSide.CALLEE, owner=COMMAND)


def _claim(turn: Turn, order: Order) -> None:
    """An officer takes the call at his screen: only his telephone rings, and may answer itself."""
    login = order.message.login_id
    if login is None:
        raise CommandError(Result.MISSING_FIELD, "LoginId must say who answers")
    target = find_target(turn, login, None)
    ringing.cancel_ringing(turn, Reason.ANSWERED_ELSEWHERE)
    legs.dial(turn, target, auto_answer=True)


# --- 201, 213 ------------------------------------------------------------------------------------
def _create_event(turn: Turn, order: Order) -> Outcome:
    message: CreateEvent = order.message
    turn.call.event_id = message.event_id
    _set_variable(turn, "LINKAGE_EVENTID", message.event_id)
    return OK


def _set_variable(turn: Turn, name: str, value: str) -> None:
    for leg in turn.call.legs.values():
        if leg.alive:
            turn.do(
                "POST",
                "channels",
                leg.channel,
                "variable",
                fine=MISSING,
                variable=name,
                value=value,
            )


def _set_data(turn: Turn, order: Order) -> Outcome:
    message: SetCallData = order.message
    call = turn.call
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
            _set_variable(turn, f"LINKAGE_{key}", after.get(key, ""))
    turn.tell(
        CallDataNotice(
            call_id=call.id,
            data=tuple(KeyValue(key=key, value=value or None) for key, value in after.items()),
            version=call.data_version,
            by_login_id=message.login_id,
            request_id=turn.request_id,
        )
    )
    return OK


# --- 202 -----------------------------------------------------------------------------------------
def _hang_up(turn: Turn, order: Order) -> Outcome:
    message: Hangup = order.message
    leg = order.leg
    if leg is None and message.phone_num is not None and message.scope is HangupScope.LEG:
        leg = next(
            (
                each
                for each in turn.call.legs.values()
                if each.alive and targets.same(turn.settings, each.number, message.phone_num)
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
        legs.hang_up(turn, leg, reason, HangupSide.OPERATOR, owner=COMMAND)
        return Outcome(call_id=leg.id)
    reason = message.reason or _normal(turn.call.root)
    ringing.end_call(turn, reason, HangupSide.OPERATOR, owner=COMMAND)
    return Outcome()


def _normal(leg: Leg) -> Reason:
    return Reason.OPERATOR_CANCELLED if leg.answered is None else Reason.NORMAL


HANDLERS: Final[Mapping[int, Handler]] = {
    200: _answer,
    201: _create_event,
    202: _hang_up,
    205: handling.do_transfer,
    206: handling.do_hold,
    208: sound.do_record,
    209: sound.do_media,
    213: _set_data,
    214: handling.do_mute,
    216: callouts.cancel,
}

IN_CONFERENCE: Final[Mapping[int, Handler]] = {
    201: _create_event,
    202: meetings.hang_up,
    203: meetings.control,
    204: meetings.member_control,
    208: sound.do_record,
    209: sound.do_media,
    210: callouts.call_in,
    213: _set_data,
    214: handling.do_mute,
    216: callouts.cancel,
}
"""What a conference does of them."""

CAPABILITIES: Final[Capability] = {
    200: frozenset(AnswerAction),
    201: frozenset(),
    202: frozenset(),
    203: frozenset({ConferenceAction.CREATE, *meetings.CONTROLS}),
    204: frozenset({*meetings.CALLS_IN, *meetings.SWITCHES}),
    205: frozenset({*handling.STARTS, *handling.TRANSFER_STEPS}),
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
    210: callouts.TYPES,
    213: frozenset(),
    214: frozenset(),
    216: frozenset(),
}
