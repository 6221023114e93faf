"""What becomes of a transfer: its target rings, answers or does not; one of the parties leaves.

A caller is never lost by a transfer: when the target of a blind one does not answer, the officer
who transferred is rung again, and after him the rest of the hotline's officers.
"""

from __future__ import annotations

from adapters.voice import dialplan, legs, ringing
from adapters.voice.model import Leg, Transfer
from adapters.voice.step import Step
from adapters.voice.transfer import complete, done, drop_target, ring, tell
from protocol.messages import CallPhase
from protocol.reasons import Reason


def target_rings(step: Step) -> None:
    """The target's telephone rings."""
    transfer = step.call.transfer
    if transfer is not None and not transfer.ringing:
        transfer.ringing = True
        tell(step, CallPhase.RINGING)


def target_answered(step: Step, target: Leg) -> None:
    """The target answered: it gets the anchor, or the officer who consults it."""
    transfer = step.call.transfer
    assert transfer is not None
    transfer.to_leg = target.id
    ringing.cancel_ringing(step, Reason.ANSWERED_ELSEWHERE, but=target)
    legs.stop_tone(step)
    if target.held:  # by the key of the one who transfers, in the consultation
        legs.reseat(step, target)
    else:
        legs.seat(step, target)
    if transfer.released:
        done(step, target)
    else:
        tell(step, CallPhase.CONSULTING)


def target_gone(step: Step, target: Leg) -> None:
    """The target did not answer, or left before it had the anchor."""
    call, transfer = step.call, step.call.transfer
    assert transfer is not None
    if target.id != transfer.to_leg and call.legs[transfer.to_leg].up:
        return  # another of the hotline's officers has answered
    if any(leg.id in transfer.rung for leg in call.ringing()):
        return
    if call.waiting:
        ring(step, transfer)
        return
    if not transfer.released:
        drop_target(step, target.reason or Reason.CALL_FAILED)
        tell(step, CallPhase.FAILED, target.reason)
        call.transfer = None
        return
    tell(step, CallPhase.FAILED, target.reason)
    call.transfer = None
    ring_back(step, transfer)


def ring_back(step: Step, transfer: Transfer) -> None:
    """Nobody has the anchor now: ring the officer who had it, then the others of the hotline."""
    call, settings = step.call, step.settings
    ring_s = settings.ring_s
    numbers = [transfer.from_number or ""]
    if call.hotline is not None and call.hotline in settings.hotline:
        hotline = settings.hotline[call.hotline]
        ring_s = hotline.ring_s
        numbers += hotline.officers
    call.waiting = [
        dialplan.officer_target(settings, number, ring_s)
        for number in dict.fromkeys(numbers)
        if number in settings.officer and number != transfer.to_number
    ]
    call.at_once = False
    ringing.ring_next(step)


def officer_gone(step: Step) -> None:
    """The officer who transfers has hung up: as telephones do it, that completes the transfer."""
    transfer = step.call.transfer
    if transfer is not None and not transfer.released:
        complete(step)


def anchor_gone(step: Step, reason: int | None) -> None:
    """Nobody is left to be transferred."""
    if step.call.transfer is not None:
        legs.stop_tone(step)
        tell(step, CallPhase.FAILED, reason)
        step.call.transfer = None
