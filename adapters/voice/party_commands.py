"""What is done to the parties of a call: 205 transfers, 206 hold, 214 mute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from adapters.voice import dialplan, legs, transfer
from adapters.voice.command_target import (
    TargetedCommand,
    find_target,
    refuse,
    speaking_officer,
)
from adapters.voice.model import Leg, Target, Transfer
from adapters.voice.platform_actions import COMMAND, Mute, Unmute
from adapters.voice.step import Step
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
def do_transfer(step: Step, order: TargetedCommand) -> Outcome:
    """205: start, complete, cancel or swap; the outcome names the target's CallId."""
    message: TransferCommand = order.message
    under_way = step.call.transfer
    if message.mode in STARTS:
        return _start_transfer(step, order)
    if under_way is None or under_way.released:
        raise refuse("there is no consultation in this call")
    target = step.call.legs[under_way.to_leg]
    TRANSFER_STEPS[message.mode](step, under_way, target)
    return Outcome(ids={"call_id": target.id})


def _start_transfer(step: Step, order: TargetedCommand) -> Outcome:
    message: TransferCommand = order.message
    call = step.call
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
    officer = speaking_officer(step, leg)
    if not call.anchor_leg.up:
        raise refuse("there is nobody to transfer")
    target = _target(step, message, officer)
    if all(each.login is not None and each.login == officer.login for each in target.each):
        raise CommandError(Result.BAD_VALUE, "a call cannot be transferred to where it is")
    to_leg = transfer.start(step, officer, target, attended=message.mode is TransferMode.CONSULT)
    return Outcome(ids={"call_id": to_leg})


def _target(step: Step, message: TransferCommand, officer: Leg) -> Target:
    """Whom the transfer is to; a queue is a hotline."""
    if message.mode is not TransferMode.TO_QUEUE:
        return find_target(step, message.to_login_id, message.to_num, but=officer.number)
    queue = message.queue_id or message.to_num
    if queue is None:
        raise CommandError(Result.MISSING_FIELD, "QueueId must say to which hotline")
    if queue not in step.settings.hotline:
        raise CommandError(Result.BAD_VALUE, f"QueueId {queue!r} is no hotline")
    return dialplan.hotline_target(step.settings, queue, but=officer.number)


def _complete(step: Step, _: Transfer, __: Leg) -> None:
    transfer.complete(step)


def _cancel(step: Step, _: Transfer, __: Leg) -> None:
    transfer.cancel(step)


def _swap(step: Step, _: Transfer, target: Leg) -> None:
    if not target.up:
        raise refuse("the other officer has not answered yet")
    transfer.swap(step)


STARTS: Final = frozenset({TransferMode.BLIND, TransferMode.CONSULT, TransferMode.TO_QUEUE})
TRANSFER_STEPS: Final[Mapping[TransferMode, Callable[[Step, Transfer, Leg], None]]] = {
    TransferMode.COMPLETE: _complete,
    TransferMode.CANCEL: _cancel,
    TransferMode.SWAP: _swap,
}


# --- 206, 214 ------------------------------------------------------------------------------------
def do_hold(step: Step, order: TargetedCommand) -> Outcome:
    """206: the anchor on hold and back; or, in a consultation, the other one."""
    message: Hold = order.message
    call = step.call
    consulting = call.transfer is not None and not call.transfer.released
    if message.action in {HoldAction.ALTERNATE, HoldAction.RECONNECT}:
        if not consulting:
            raise refuse("there is no consultation in this call")
        assert call.transfer is not None
        act = _swap if message.action is HoldAction.ALTERNATE else _cancel
        act(step, call.transfer, call.legs[call.transfer.to_leg])
        return Outcome()
    if call.transfer is not None:
        raise refuse("a transfer of this call is under way")
    officer = speaking_officer(step, order.leg)
    anchor = call.anchor_leg
    if message.action is HoldAction.HOLD:
        if anchor.held or not anchor.seated:
            raise refuse("the caller is on hold already, or not connected")
        legs.hold(step, anchor, by=officer.login)
        if message.moh is not None:
            legs.play_music_to(step, anchor, message.moh)
    elif not anchor.held:
        raise refuse("the caller is not on hold")
    else:
        legs.retrieve(step, anchor, by=officer.login)
    return Outcome()


def do_mute(step: Step, order: TargetedCommand) -> Outcome:
    """214: one party."""
    message: MuteCall = order.message
    leg = order.leg or step.call.legs.get(step.call.id)
    if leg is None:
        raise CommandError(Result.NOT_A_MEMBER, "which member? name his CallId or LoginId")
    if not leg.up:
        raise refuse("the party has not answered yet")
    direction = message.direction or AudioDirection.IN
    act = Mute if message.action is MuteAction.MUTE else Unmute
    leg.muted = direction.value if message.action is MuteAction.MUTE else None
    step.do(act(channel=leg.channel, direction=direction.value, owner=COMMAND))
    step.tell(
        MuteNotice(
            call_id=leg.id,
            parent_call_id=None if leg.id == step.call.id else step.call.id,
            login_id=leg.login,
            action=message.action,
            direction=direction,
            request_id=step.request_id,
        )
    )
    return Outcome()
