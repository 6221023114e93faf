"""Who is rung for a call: one after the other or all at once, until somebody answers."""

from __future__ import annotations

from adapters.asterisk import convening
from adapters.asterisk.causes import common_reason
from adapters.asterisk.legs import dial, hang_up, retrieve, seat, stop_music, stop_tone
from adapters.asterisk.model import Leg
from adapters.asterisk.turn import Turn
from protocol.messages import CallDirection, HangupSide
from protocol.reasons import Reason


def ring_next(turn: Turn) -> None:
    """Ring who is next, or end the call when nobody is left."""
    call = turn.call
    if call.ringing():
        return
    if not call.waiting:
        give_up(turn)
        return
    dial_next(turn)


def dial_next(turn: Turn, *, request_id: str | None = None) -> list[Leg]:
    """Dial who is next of those who wait to be rung."""
    call = turn.call
    count = len(call.waiting) if call.at_once else 1
    now, call.waiting = call.waiting[:count], call.waiting[count:]
    return [dial(turn, target, request_id=request_id) for target in now]


def give_up(turn: Turn) -> None:
    """Nobody could be reached: the anchor is told so and hung up."""
    call = turn.call
    failures = [
        leg.reason
        for leg in call.legs.values()
        if leg.id != call.anchor and leg.answered is None and leg.reason is not None
    ]
    reason = common_reason(failures) if failures else Reason.UNALLOCATED
    end_call(turn, reason, HangupSide.PLATFORM)


def end_call(turn: Turn, reason: int, side: HangupSide, *, owner: str = "") -> None:
    """End everything of a call; the first reason given stays."""
    call = turn.call
    if call.reason is None:
        call.reason, call.side = reason, side
        call.request_id = turn.request_id
    call.waiting.clear()
    convening.stop_all(turn, reason, side)
    # Who spoke ends as the call does; who only rang was not called in the end.
    for leg in list(call.legs.values()):
        if leg.elsewhere and side is not HangupSide.OPERATOR:
            continue  # it speaks with somebody else now
        unanswered = leg.answered is None and leg.id not in {call.id, call.anchor}
        abandoned = unanswered and call.reason == Reason.NORMAL
        hang_up(
            turn, leg, Reason.CALLER_CANCELLED if abandoned else call.reason, side, owner=owner
        )
        owner = ""


def cancel_ringing(turn: Turn, reason: int, *, but: Leg | None = None) -> None:
    """Stop all telephones that ring, but one."""
    turn.call.waiting.clear()
    for leg in turn.call.ringing():
        if leg is not but:
            hang_up(turn, leg, reason, HangupSide.PLATFORM)


def connect(turn: Turn, leg: Leg) -> None:
    """Somebody answered: caller and officer into the bridge, the others stop ringing."""
    call = turn.call
    root = call.root
    calls_out = leg.login is None or bool(call.convenings)
    if call.direction is CallDirection.OUT and call.anchor == call.id and calls_out:
        # A call that an officer makes is there for the party he calls.
        call.anchor = leg.id
    if root.alive and root.answered is None:
        root.answered = turn.at
        turn.do("POST", "channels", root.channel, "answer", fine=(404, 409))
    stop_music(turn)
    stop_tone(turn)
    if call.anchor_leg.held:  # by the key of an officer who has left
        retrieve(turn, call.anchor_leg, by=leg.login)
    if root.alive and not root.seated:
        seat(turn, root)
    seat(turn, leg)
    if leg.login is not None and call.direction is CallDirection.IN:
        call.officer = leg.login
    cancel_ringing(turn, Reason.ANSWERED_ELSEWHERE, but=leg)
