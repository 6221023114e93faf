"""What is done to the parties of a call: 205 transfers, 206 hold, 214 mute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from adapters.asterisk import legs, targets, transfer
from adapters.asterisk.model import Leg, Target, Transfer
from adapters.asterisk.orders import COMMAND, Order, find_target, refuse, speaking_officer
from adapters.asterisk.turn import Turn
from linkage.ports import CommandError, Outcome
from protocol.messages import (
    AudioDirection,
    Hold,
    HoldAction,
    MuteAction,
    MuteCall,
    MuteNotice,
    TransferMode,
)
from protocol.messages import Transfer as TransferCommand
from protocol.results import Result


# --- 205 -----------------------------------------------------------------------------------------
def do_transfer(turn: Turn, order: Order) -> Outcome:
    """205: start, complete, cancel or swap; the outcome names the target's CallId."""
    message: TransferCommand = order.message
    under_way = turn.call.transfer
    if message.mode in STARTS:
        return _start_transfer(turn, order)
    if under_way is None or under_way.released:
        raise refuse("there is no consultation in this call")
    target = turn.call.legs[under_way.to_leg]
    TRANSFER_STEPS[message.mode](turn, under_way, target)
    return Outcome(call_id=target.id)


def _start_transfer(turn: Turn, order: Order) -> Outcome:
    message: TransferCommand = order.message
    call = turn.call
    if call.transfer is not None:
        raise refuse("a transfer of this call is under way already")
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
    officer = speaking_officer(turn, leg)
    if not call.anchor_leg.up:
        raise refuse("there is nobody to transfer")
    target = _target(turn, message, officer)
    if all(each.login is not None and each.login == officer.login for each in target.each):
        raise CommandError(Result.BAD_VALUE, "a call cannot be transferred to where it is")
    to_leg = transfer.start(turn, officer, target, attended=message.mode is TransferMode.CONSULT)
    return Outcome(call_id=to_leg)


def _target(turn: Turn, message: TransferCommand, officer: Leg) -> Target:
    """Whom the transfer is to; a queue is a hotline."""
    if message.mode is not TransferMode.TO_QUEUE:
        return find_target(turn, message.to_login_id, message.to_num, but=officer.number)
    queue = message.queue_id or message.to_num
    if queue is None:
        raise CommandError(Result.MISSING_FIELD, "QueueId must say to which hotline")
    if queue not in turn.settings.hotline:
        raise CommandError(Result.BAD_VALUE, f"QueueId {queue!r} is no hotline")
    return targets.hotline_target(turn.settings, queue, but=officer.number)


def _complete(turn: Turn, _: Transfer, __: Leg) -> None:
    transfer.complete(turn)


def _cancel(turn: Turn, _: Transfer, __: Leg) -> None:
    transfer.cancel(turn)


def _swap(turn: Turn, _: Transfer, target: Leg) -> None:
    if not target.up:
        raise refuse("the other officer has not answered yet")
    transfer.swap(turn)


STARTS: Final = frozenset({TransferMode.BLIND, TransferMode.CONSULT, TransferMode.TO_QUEUE})
TRANSFER_STEPS: Final[Mapping[TransferMode, Callable[[Turn, Transfer, Leg], None]]] = {
    TransferMode.COMPLETE: _complete,
    TransferMode.CANCEL: _cancel,
    TransferMode.SWAP: _swap,
}


# --- 206, 214 ------------------------------------------------------------------------------------
def do_hold(turn: Turn, order: Order) -> Outcome:
    """206: the anchor on hold and back; or, in a consultation, the other one."""
    message: Hold = order.message
    call = turn.call
    consulting = call.transfer is not None and not call.transfer.released
    if message.action in {HoldAction.ALTERNATE, HoldAction.RECONNECT}:
        if not consulting:
            raise refuse("there is no consultation in this call")
        assert call.transfer is not None
        step = _swap if message.action is HoldAction.ALTERNATE else _cancel
        step(turn, call.transfer, call.legs[call.transfer.to_leg])
        return Outcome()
    if call.transfer is not None:
        raise refuse("a transfer of this call is under way")
    officer = speaking_officer(turn, order.leg)
    anchor = call.anchor_leg
    if message.action is HoldAction.HOLD:
        if anchor.held or not anchor.seated:
            raise refuse("the caller is on hold already, or not connected")
        legs.hold(turn, anchor, by=officer.login)
        if message.moh is not None:
            legs.play_music_to(turn, anchor, message.moh)
    elif not anchor.held:
        raise refuse("the caller is not on hold")
    else:
        legs.retrieve(turn, anchor, by=officer.login)
    return Outcome()


def do_mute(turn: Turn, order: Order) -> Outcome:
    """214: one party."""
    message: MuteCall = order.message
    leg = order.leg or turn.call.legs.get(turn.call.id)
    if leg is None:
        raise CommandError(Result.NOT_A_MEMBER, "which member? name his CallId or LoginId")
    if not leg.up:
        raise refuse("the party has not answered yet")
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
