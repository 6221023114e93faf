"""Who is rung for a call: one after the other or all at once, until somebody answers."""

from __future__ import annotations

from adapters.voice.callout import convening
from adapters.voice.dialling import dial_next
from adapters.voice.legs import hang_up, retrieve, seat, stop_music, stop_tone
from adapters.voice.model import Leg
from adapters.voice.platform_actions import Answer
from adapters.voice.step import Step
from linkage.convening.race import common_reason
from protocol.messages import CallDirection, HangupSide
from protocol.reasons import Reason


def ring_next(step: Step) -> None:
    """Ring who is next, or end the call when nobody is left."""
    call = step.call
    if call.ringing():
        return
    if not call.waiting:
        give_up(step)
        return
    dial_next(step)


def give_up(step: Step) -> None:
    """Nobody could be reached: the anchor is told so and hung up."""
    call = step.call
    failures = [
        leg.reason
        for leg in call.legs.values()
        if leg.id != call.anchor and leg.answered is None and leg.reason is not None
    ]
    reason = common_reason(failures) if failures else Reason.UNALLOCATED
    end_call(step, reason, HangupSide.PLATFORM)


def end_call(step: Step, reason: int, side: HangupSide, *, owner: str = "") -> None:
    """End everything of a call; the first reason given stays."""
    call = step.call
    if call.reason is None:
        call.reason, call.side = reason, side
        call.request_id = step.request_id
    call.waiting.clear()
    convening.stop_all(step, reason, side)
    # Who spoke ends as the call does; who only rang was not called in the end.
    for leg in list(call.legs.values()):
        if leg.elsewhere and side is not HangupSide.OPERATOR:
            continue  # it speaks with somebody else now
        unanswered = leg.answered is None and leg.id not in {call.id, call.anchor}
        abandoned = unanswered and call.reason == Reason.NORMAL
        hang_up(
            step, leg, Reason.CALLER_CANCELLED if abandoned else call.reason, side, owner=owner
        )
        owner = ""


def cancel_ringing(step: Step, reason: int, *, but: Leg | None = None) -> None:
    """Stop all telephones that ring, but one."""
    step.call.waiting.clear()
    for leg in step.call.ringing():
        if leg is not but:
            hang_up(step, leg, reason, HangupSide.PLATFORM)


def connect(step: Step, leg: Leg) -> None:
    """Somebody answered: caller and officer into the bridge, the others stop ringing."""
    call = step.call
    root = call.root
    calls_out = leg.login is None or bool(call.convenings)
    if call.direction is CallDirection.OUT and call.anchor == call.id and calls_out:
        # A call that an officer makes is there for the party he calls.
        call.anchor = leg.id
    if root.alive and root.answered is None:
        root.answered = step.at
        step.do(Answer(channel=root.channel))
    stop_music(step)
    stop_tone(step)
    if call.anchor_leg.held:  # by the key of an officer who has left
        retrieve(step, call.anchor_leg, by=leg.login)
    if root.alive and not root.seated:
        seat(step, root)
    seat(step, leg)
    if leg.login is not None and call.direction is CallDirection.IN:
        call.officer = leg.login
    cancel_ringing(step, Reason.ANSWERED_ELSEWHERE, but=leg)
