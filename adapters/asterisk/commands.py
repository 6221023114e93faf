"""The 2xx of the protocol, done to a call.

A command is judged against the call's state first, and refused by `CommandError` before anything
is done. What it does at Asterisk must succeed (`owner="command"`), or it is taken back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from adapters.asterisk import legs, media, ringing, transfer
from adapters.asterisk.legs import MISSING
from adapters.asterisk.model import Leg, Target, Transfer
from adapters.asterisk.settings import NUMBER
from adapters.asterisk.turn import Turn
from linkage.ports import Capability, CommandError, Outcome
from protocol.message import Message
from protocol.messages import (
    AnswerAction,
    AnswerCall,
    AudioDirection,
    CallDataMode,
    CallDataNotice,
    CreateEvent,
    Hangup,
    HangupScope,
    HangupSide,
    Hold,
    HoldAction,
    KeyValue,
    MediaAction,
    MediaControl,
    MuteAction,
    MuteCall,
    MuteNotice,
    RecordingAction,
    RecordingControl,
    RecordingNoticeAction,
    SetCallData,
    TransferMode,
)
from protocol.messages import Transfer as TransferCommand
from protocol.reasons import Reason
from protocol.results import Result

COMMAND: Final = "command"
SOUND: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
KEY: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,60}")
"""Name of a datum: it becomes part of a channel variable, where brackets would call a function."""
RESERVED: Final = frozenset({"CALLID", "ROOTID", "EVENTID"})
DATA_MAX: Final = 64 * 1024
COLLECT_S: Final = 10.0
OK: Final = Outcome(result=Result.OK)


@dataclass(frozen=True, slots=True)
class Order:
    """A command on its way into a call: `leg` is the party that it names, by CallId or LoginId."""

    message: Any
    leg: Leg | None


Handler = Callable[[Turn, Order], Outcome]


def execute(turn: Turn, message: Message) -> Outcome:
    """Do a command to a call, as effects of the turn.

    Raises:
        CommandError: it cannot be done, and nothing was done.
    """
    if turn.call.ended is not None:
        raise CommandError(Result.NO_CALL, f"call {turn.call.id} has ended")
    return HANDLERS[message.number](turn, Order(message, _named_leg(turn, message)))


def _named_leg(turn: Turn, message: Message) -> Leg | None:
    call = turn.call
    if message.call_id in call.legs and message.call_id != call.id:
        return call.legs[message.call_id]
    if message.login_id is None:
        return None
    return next(
        (leg for leg in call.legs.values() if leg.alive and leg.login == message.login_id), None
    )


def _refuse(detail: str) -> CommandError:
    return CommandError(Result.WRONG_STATE, detail)


def _speaking_officer(turn: Turn, leg: Leg | None) -> Leg:
    """The officer who does something: the one named, or the only one there is."""
    if leg is not None and leg.up and leg.id != turn.call.anchor:
        return leg
    officers = turn.call.officers_up()
    if leg is None and len(officers) == 1:
        return officers[0]
    if not officers:
        raise _refuse("nobody speaks with the caller yet")
    raise CommandError(Result.NO_LOGIN, "name the officer by LoginId: several are in the call")


def _target(turn: Turn, login: str | None, number: str | None) -> Target:
    settings = turn.settings
    if login is not None:
        officer = settings.officer_of(login)
        if officer is None:
            raise CommandError(Result.NO_LOGIN, f"no telephone is known for LoginId {login}")
        return ringing.officer_target(settings, officer, settings.ring_s)
    if number is None:
        raise CommandError(Result.MISSING_FIELD, "ToLoginId or ToNum must say where to")
    if not re.match(NUMBER, number):
        raise CommandError(Result.BAD_VALUE, f"ToNum {number!r} cannot be dialled")
    found = ringing.number_target(settings, number)
    if found is None:
        raise CommandError(Result.NO_TRUNK, f"{number} is no officer's, and there is no trunk")
    return found


# --- 200 -----------------------------------------------------------------------------------------
def _answer(turn: Turn, order: Order) -> Outcome:
    message: AnswerCall = order.message
    call = turn.call
    if call.reason is not None or call.officers_up():
        raise _refuse("the call does not ring any more")
    match message.action:
        case AnswerAction.REJECT:
            _reject(turn, order)
        case AnswerAction.DEFLECT:
            target = _target(turn, None, message.to_num)
            ringing.cancel_ringing(turn, Reason.OPERATOR_CANCELLED)
            call.waiting = []
            legs.dial(turn, target)
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
    target = _target(turn, login, None)
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
                if each.alive and each.number == message.phone_num
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


# --- 205 -----------------------------------------------------------------------------------------
def _transfer(turn: Turn, order: Order) -> Outcome:
    message: TransferCommand = order.message
    under_way = turn.call.transfer
    if message.mode in {TransferMode.BLIND, TransferMode.CONSULT}:
        return _start_transfer(turn, order)
    if under_way is None or under_way.released:
        raise _refuse("there is no consultation in this call")
    target = turn.call.legs[under_way.to_leg]
    _TRANSFER_STEPS[message.mode](turn, under_way, target)
    return Outcome(call_id=target.id)


def _start_transfer(turn: Turn, order: Order) -> Outcome:
    message: TransferCommand = order.message
    call = turn.call
    if call.transfer is not None:
        raise _refuse("a transfer of this call is under way already")
    leg = order.leg
    if message.from_login_id is not None:
        leg = next(
            (
                each
                for each in call.legs.values()
                if each.alive and each.login == message.from_login_id
            ),
            None,
        )
        if leg is None:
            raise CommandError(
                Result.NO_LOGIN, f"LoginId {message.from_login_id} is not in this call"
            )
    officer = _speaking_officer(turn, leg)
    if not call.anchor_leg.up:
        raise _refuse("there is nobody to transfer")
    target = _target(turn, message.to_login_id, message.to_num)
    if target.login is not None and target.login == officer.login:
        raise CommandError(Result.BAD_VALUE, "a call cannot be transferred to where it is")
    if call.anchor_leg.held:
        legs.retrieve(turn, call.anchor_leg, by=officer.login)
    to_leg = transfer.start(turn, officer, target, attended=message.mode is TransferMode.CONSULT)
    return Outcome(call_id=to_leg)


def _complete(turn: Turn, _: Transfer, __: Leg) -> None:
    transfer.complete(turn)


def _cancel(turn: Turn, _: Transfer, __: Leg) -> None:
    transfer.cancel(turn)


def _swap(turn: Turn, _: Transfer, target: Leg) -> None:
    if not target.up:
        raise _refuse("the other officer has not answered yet")
    transfer.swap(turn)


_TRANSFER_STEPS: Final[Mapping[TransferMode, Callable[[Turn, Transfer, Leg], None]]] = {
    TransferMode.COMPLETE: _complete,
    TransferMode.CANCEL: _cancel,
    TransferMode.SWAP: _swap,
}


# --- 206, 214 ------------------------------------------------------------------------------------
def _hold(turn: Turn, order: Order) -> Outcome:
    message: Hold = order.message
    call = turn.call
    consulting = call.transfer is not None and not call.transfer.released
    if message.action in {HoldAction.ALTERNATE, HoldAction.RECONNECT}:
        if not consulting:
            raise _refuse("there is no consultation in this call")
        assert call.transfer is not None
        step = _swap if message.action is HoldAction.ALTERNATE else _cancel
        step(turn, call.transfer, call.legs[call.transfer.to_leg])
        return Outcome()
    if call.transfer is not None:
        raise _refuse("a transfer of this call is under way")
    officer = _speaking_officer(turn, order.leg)
    anchor = call.anchor_leg
    if message.action is HoldAction.HOLD:
        if anchor.held or not anchor.seated:
            raise _refuse("the caller is on hold already, or not connected")
        legs.hold(turn, anchor, by=officer.login)
        if message.moh is not None:
            legs.play_music_to(turn, anchor, message.moh)
    elif not anchor.held:
        raise _refuse("the caller is not on hold")
    else:
        legs.retrieve(turn, anchor, by=officer.login)
    return Outcome()


def _mute(turn: Turn, order: Order) -> Outcome:
    message: MuteCall = order.message
    leg = order.leg or turn.call.root
    if not leg.up:
        raise _refuse("the party has not answered yet")
    direction = message.direction or AudioDirection.IN
    verb = "POST" if message.action is MuteAction.MUTE else "DELETE"
    leg.muted = direction.value if message.action is MuteAction.MUTE else None
    turn.do(verb, "channels", leg.channel, "mute", owner=COMMAND, direction=direction.value)
    turn.tell(
        MuteNotice(
            call_id=leg.id,
            parent_call_id=None if leg.id == turn.call.id else turn.call.id,
            login_id=leg.login,
            action=message.action,
            direction=direction,
            request_id=turn.request_id,
        )
    )
    return Outcome()


# --- 208 -----------------------------------------------------------------------------------------
def _record(turn: Turn, order: Order) -> Outcome:
    message: RecordingControl = order.message
    call = turn.call
    if message.action is RecordingAction.START:
        if not call.bridged:
            raise _refuse("nobody speaks yet: recording begins when two are connected")
        if call.recordings:
            raise CommandError(Result.ALREADY_EXISTS, "the call is being recorded already")
        if message.format not in {None, media.FORMAT}:
            raise CommandError(Result.BAD_VALUE, f"recordings are {media.FORMAT} here")
        name = media.start_recording(turn, owner=COMMAND)
        return Outcome(detail=f"RecordId {name}")
    recording = (
        call.recordings.get(message.record_id)
        if message.record_id is not None
        else next(iter(call.recordings.values()), None)
    )
    if recording is None:
        raise CommandError(Result.NO_FILE, "no such recording is being made")
    recording.request_id = turn.request_id
    live = ("recordings", "live", recording.name)
    match message.action:
        case RecordingAction.STOP:
            media.stop_recording(turn, recording, owner=COMMAND)
        case RecordingAction.PAUSE:
            if recording.paused:
                raise _refuse("the recording is paused already")
            recording.paused = True
            turn.do("POST", *live, "pause", owner=COMMAND)
            media.tell_recording(turn, recording, RecordingNoticeAction.PAUSE)
        case _:
            if not recording.paused:
                raise _refuse("the recording is not paused")
            recording.paused = False
            turn.do("DELETE", *live, "pause", owner=COMMAND)
            media.tell_recording(turn, recording, RecordingNoticeAction.RESUME)
    return Outcome()


# --- 209 -----------------------------------------------------------------------------------------
def _media(turn: Turn, order: Order) -> Outcome:
    message: MediaControl = order.message
    match message.action:
        case MediaAction.PLAY:
            return _play(turn, order)
        case MediaAction.STOP:
            if not turn.call.plays:
                raise _refuse("nothing is being played")
            for play_id in turn.call.plays:
                turn.do("DELETE", "playbacks", play_id, fine=(legs.GONE,))
        case MediaAction.SEND_DTMF:
            if message.digits is None:
                raise CommandError(Result.MISSING_FIELD, "Digits must say what to send")
            leg = _party(turn, order)
            turn.do("POST", "channels", leg.channel, "dtmf", owner=COMMAND, dtmf=message.digits)
        case _:
            wait_s = float(message.timeout or COLLECT_S)
            media.collect(turn, _party(turn, order), message.max_digits or 1, wait_s)
            if message.file_id is not None:
                return _play(turn, order)
    return Outcome()


def _party(turn: Turn, order: Order) -> Leg:
    leg = order.leg or turn.call.anchor_leg
    if not leg.alive or leg.leaving is not None:
        raise _refuse("the party has gone")
    return leg


def _play(turn: Turn, order: Order) -> Outcome:
    """To everybody in the call, or to the party that is named."""
    call, file_id = turn.call, order.message.file_id
    if file_id is None:
        raise CommandError(Result.MISSING_FIELD, "FileId must say what to play")
    if not SOUND.fullmatch(file_id):
        raise CommandError(Result.NO_FILE, f"FileId {file_id!r} cannot be a sound of Asterisk's")
    name = turn.next_name("p")
    media.add_play(turn, name)
    where = ("bridges", turn.bridge)
    if order.leg is not None or not call.bridged:
        where = ("channels", _party(turn, order).channel)
    turn.do(
        "POST",
        *where,
        "play",
        name,
        fine=(409,),
        owner=COMMAND,
        media=turn.settings.sounds.replace("{file_id}", file_id),
    )
    return Outcome(detail=f"PlayId {name}")


HANDLERS: Final[Mapping[int, Handler]] = {
    200: _answer,
    201: _create_event,
    202: _hang_up,
    205: _transfer,
    206: _hold,
    208: _record,
    209: _media,
    213: _set_data,
    214: _mute,
}

CAPABILITIES: Final[Capability] = {
    200: frozenset(AnswerAction),
    201: frozenset(),
    202: frozenset(),
    205: frozenset({TransferMode.BLIND, TransferMode.CONSULT, *_TRANSFER_STEPS}),
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
    213: frozenset(),
    214: frozenset(),
}
