"""A call between two: the anchor, for whom it is there, and whoever speaks with it.

The `adapters.voice.call_policy.CallPolicy` of every call that is no conference.
"""

from __future__ import annotations

from adapters.voice import legs, ringing, transfer, transfer_progress
from adapters.voice.callout import call_out, convening
from adapters.voice.media import call_recording
from adapters.voice.model import Call, Leg
from adapters.voice.step import Step
from protocol.messages import CallState, HangupSide, HoldNoticeAction


def alerting(step: Step, leg: Leg) -> None:
    """A telephone that we rang begins to ring: of use to who transfers to it."""
    if transfer.aims_at(step.call, leg):
        transfer_progress.target_rings(step)


def answered(step: Step, leg: Leg) -> None:
    """A telephone that we rang was picked up: who is to speak with whom."""
    call = step.call
    if leg.id == call.id:
        call_out.officer_ready(step)
    elif call.convenings:
        call_out.reached(step, leg)
    elif transfer.aims_at(call, leg):
        transfer_progress.target_answered(step, leg)
    else:
        ringing.connect(step, leg)


def watch_bridge(step: Step) -> None:
    """115 bridged when the anchor and an officer are together, unbridged when no longer."""
    call = step.call
    call_recording.go_on(step)
    others = [leg for leg in call.legs.values() if leg.inside and leg.id != call.anchor]
    bridged = call.anchor_leg.inside and bool(others)
    if bridged == call.bridged:
        return
    call.bridged = bridged
    step.tell_state(call.root, CallState.BRIDGED if bridged else CallState.UNBRIDGED)
    if bridged and call.record:
        call.record = False
        call_recording.start_recording(step)


def held(step: Step, holder: Leg) -> None:
    """Somebody pressed the hold key: whoever he spoke with hears music, 106.

    The platform itself plays music only where two channels are bridged directly. In a bridge that
    is recorded the one who is held would hear the holder's room, or nothing. He stays in the
    bridge: a platform that transfers by itself would not know else whom the telephone transfers
    next.
    """
    for leg in step.call.legs.values():
        if leg.inside and not leg.held and leg is not holder:
            leg.held, leg.held_by = True, holder.id
            legs.play_music_to(step, leg)
            legs.tell_hold(step, leg, HoldNoticeAction.HOLD, holder.login)


def retrieved(step: Step, holder: Leg) -> None:
    """And once more: they speak again, unless a command has brought them together meanwhile."""
    for leg in step.call.legs.values():
        if leg.held_by == holder.id and leg.up:
            legs.retrieve(step, leg, by=holder.login)


def gone(step: Step, leg: Leg) -> None:
    """A leg ended: the call ends with its anchor, and somebody else is rung for who is left."""
    call = step.call
    assert leg.reason is not None
    assert leg.side is not None
    if call.reason is not None:
        return
    if leg.id == call.anchor:
        transfer_progress.anchor_gone(step, leg.reason)
        ringing.end_call(step, leg.reason, leg.side)
    elif transfer.aims_at(call, leg):
        transfer_progress.target_gone(step, leg)
    elif call.transfer is not None and call.transfer.from_leg == leg.id:
        transfer_progress.officer_gone(step)
    elif call.officers_up() or call.transfer is not None:
        return
    elif call.anchor_leg.elsewhere:
        return  # whoever the call is there for is parked, or speaks with somebody outside
    elif call.convenings:
        call_out.not_reached(step, leg)
    elif leg.answered is None or call.ringing():
        ringing.ring_next(step)
    else:
        ringing.end_call(step, leg.reason, leg.side)


def proceed(step: Step) -> None:
    """Call who is due."""
    call_out.proceed(step)


def on_time(step: Step) -> None:
    """Somebody is tried again."""
    if convening.wake(step):
        proceed(step)


def is_over(call: Call) -> bool:
    """Everybody has left, and nobody was handed over to a call that has not told so yet."""
    return call.handed is None and not any(leg.alive for leg in call.legs.values())


def why_over(call: Call) -> tuple[int | None, HangupSide | None]:
    """Why and by whom, where nobody has said so."""
    return call.root.reason, call.root.side


def tell_end(step: Step) -> None:
    """102 for the call."""
    legs.tell_call_ended(step)
