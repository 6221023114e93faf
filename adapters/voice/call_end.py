"""The end of a leg, and of a call with its last one."""

from __future__ import annotations

from adapters.voice import legs
from adapters.voice.call_policy import policy_of
from adapters.voice.media import call_recording, playback
from adapters.voice.model import Leg, LegState
from adapters.voice.platform_actions import DestroyBridge
from adapters.voice.step import Step
from protocol.messages import HangupSide
from protocol.reasons import Reason


def lost(step: Step, leg: Leg, reason: int) -> None:
    """A leg died while nobody looked (resync)."""
    if leg.alive:
        leg.lost = True
        leg.reason = leg.reason or reason
        leg.side = leg.side or HangupSide.PLATFORM
        ended(step, leg)


def ended(step: Step, leg: Leg) -> None:
    """A leg is no more: say so, and see what that means for the call."""
    call = step.call
    if leg.reason is None:
        gave_up = not step.dialled(leg) and leg.answered is None
        leg.reason = (
            Reason.CALLER_CANCELLED
            if gave_up
            else step.reason_of(
                leg.cause,
                answered=leg.answered is not None,
                status=leg.tech_cause,
                rang=leg.state is not LegState.DIALLING,
            )
        )
    if leg.side is None:
        leg.side = HangupSide.CALLER if leg.id == call.id else HangupSide.CALLEE
    leg.state, leg.ended, leg.ring_until = LegState.ENDED, step.at, None
    leg.leaving, leg.look_at, leg.seated, leg.held = None, None, False, False
    leg.away = leg.parked = leg.looking = False
    if leg.inside:
        leg.inside = False
        policy_of(call).watch_bridge(step)
    if leg.id != call.id:
        legs.tell_leg_ended(step, leg)
    policy_of(call).gone(step, leg)


def close_if_over(step: Step) -> None:
    """When nobody is left: tell so, take its bridge away, then wait for recordings.

    Belongs to the end of every step.
    """
    call, policy = step.call, policy_of(step.call)
    if call.ended is None and policy.is_over(call):
        call.ended = step.at
        if call.reason is None:
            call.reason, call.side = policy.why_over(call)
        playback.forget(step)
        call_recording.stop_all(step)
        policy.tell_end(step)
        if call.bridge_made:
            step.do(DestroyBridge(bridge=step.bridge))
    if call.ended is not None and not call.recordings:
        call.closed = True
