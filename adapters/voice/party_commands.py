"""What is done to one party of a call: 206 hold, 214 mute."""

from __future__ import annotations

from adapters.voice import legs, transfer
from adapters.voice.addressee import TargetedCommand, refuse, speaking_officer
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
)
from protocol.results import Result


def do_hold(step: Step, order: TargetedCommand) -> Outcome:
    """206: the anchor on hold and back; or, in a consultation, the other one."""
    message: Hold = order.message
    call = step.call
    consulting = call.transfer is not None and not call.transfer.released
    if message.action in {HoldAction.ALTERNATE, HoldAction.RECONNECT}:
        if not consulting:
            raise refuse("there is no consultation in this call")
        act = transfer.swap if message.action is HoldAction.ALTERNATE else transfer.cancel
        act(step)
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
