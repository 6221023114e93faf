"""Transfers: blind, and with consultation (complete, cancel, swap).

There is one bridge per call, and who is in it speaks: for a consultation the anchor leaves it and
hears music, for the way back it takes the place of the other officer.

```
            start            target rings  target answers
 blind      officer leaves,  105 ringing   105 done
            anchor: music
 consult    anchor: music,   105 ringing   105 consulting ── complete ─▶ officer leaves, 105 done
            officer: tone                                 ├─ swap ────▶ anchor ⇄ target
                                                          └─ cancel ──▶ target leaves,
                                                                        105 cancelled
```
A caller is never lost by a transfer: when the target of a blind one does not answer, the officer
who transferred is rung again, and after him the rest of the hotline's officers.
"""

from __future__ import annotations

from adapters.voice import dialplan, legs, ringing
from adapters.voice.model import Call, Leg, Target, Transfer
from adapters.voice.step import Step
from protocol.messages import (
    CallPhase,
    HangupSide,
    HoldNoticeAction,
    TransferNotice,
    TransferNoticeMode,
)
from protocol.reasons import Reason


def start(step: Step, officer: Leg, target: Target, *, attended: bool) -> str:
    """Begin a transfer by an officer who speaks with the anchor; returns the target's CallId."""
    call = step.call
    if call.anchor_leg.held:
        legs.retrieve(step, call.anchor_leg, by=officer.login)
    if attended:
        mode = TransferNoticeMode.ATTENDED
    else:
        inside = TransferNoticeMode.QUEUE if target.officers else TransferNoticeMode.BLIND
        mode = TransferNoticeMode.EXTERNAL if dialplan.is_outside(target) else inside
    transfer = Transfer(
        from_leg=officer.id,
        to_leg="",
        attended=attended,
        released=not attended,
        mode=mode,
        from_login=officer.login,
        from_number=officer.number,
        to_login=target.login,
        to_number=target.number,
        request_id=step.request_id,
    )
    call.transfer = transfer
    _dial(step, transfer, target)
    if attended:
        legs.hold(step, call.anchor_leg, by=officer.login)
        legs.start_tone(step)
    else:
        legs.hang_up(step, officer, Reason.TRANSFERRED, HangupSide.OPERATOR)
        legs.start_music(step)
    return transfer.to_leg


def _dial(step: Step, transfer: Transfer, target: Target) -> None:
    """Ring the target; 105 start goes before its 115, with the CallId that both have."""
    before = len(step.effects)
    step.call.waiting, step.call.at_once = list(target.each), target.at_once
    _ring(step, transfer)
    dialled = step.effects[before:]
    del step.effects[before:]
    tell(step, CallPhase.START)
    step.effects += dialled


def _ring(step: Step, transfer: Transfer) -> None:
    """Ring the target, or who is next of a hotline's officers."""
    dialled = ringing.dial_next(step, request_id=transfer.request_id)
    transfer.to_leg = dialled[0].id
    transfer.rung += [leg.id for leg in dialled]


def aims_at(call: Call, leg: Leg) -> bool:
    """Whether a leg is one to which the call is being transferred: of a hotline all that ring."""
    transfer = call.transfer
    return transfer is not None and leg.id in {transfer.to_leg, *transfer.rung}


def tell(step: Step, phase: CallPhase, reason: int | None = None) -> None:
    """105: `phone_num` is the anchor's number, `new_call_id` the target's leg or its call."""
    call, transfer = step.call, step.call.transfer
    assert transfer is not None
    anchor = call.anchor_leg
    step.tell(
        TransferNotice(
            call_id=call.id,
            from_login_id=transfer.from_login,
            from_ext=transfer.from_number,
            phone_num=call.number if anchor.id == call.id else anchor.number,
            to_login_id=transfer.to_login,
            to_num=transfer.to_number,
            mode=transfer.mode,
            phase=phase,
            new_call_id=transfer.consultation or transfer.to_leg or None,
            reason=reason,
            request_id=transfer.request_id,
        )
    )


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
        _done(step, target)
    else:
        tell(step, CallPhase.CONSULTING)


def complete(step: Step) -> None:
    """The officer who transfers leaves; anchor and target are together as soon as both are up."""
    call, transfer = step.call, step.call.transfer
    assert transfer is not None
    officer, target = call.legs[transfer.from_leg], call.legs[transfer.to_leg]
    transfer.released = True
    transfer.request_id = step.request_id or transfer.request_id
    if call.anchor_leg.held:
        legs.retrieve(step, call.anchor_leg, by=transfer.from_login)
    legs.stop_tone(step)
    if target.up and (target.held or not target.seated):
        legs.reseat(step, target)
    legs.hang_up(step, officer, Reason.TRANSFERRED, HangupSide.OPERATOR)
    if target.up:
        _done(step, target)
    else:
        legs.start_music(step)


def _done(step: Step, target: Leg) -> None:
    legs.stop_music(step)
    step.call.officer = target.login or step.call.officer
    transfer = step.call.transfer
    if transfer is not None and transfer.to_number in step.settings.hotline:
        step.call.hotline = transfer.to_number
    tell(step, CallPhase.DONE)
    step.call.transfer = None


def cancel(step: Step) -> None:
    """The target leaves, the officer has the anchor again."""
    assert step.call.transfer is not None
    step.call.transfer.request_id = step.request_id
    _drop_target(step, Reason.OPERATOR_CANCELLED)
    tell(step, CallPhase.CANCELLED)
    step.call.transfer = None


def swap(step: Step) -> None:
    """The officer speaks with the other one of the two; who waits hears music."""
    call, transfer = step.call, step.call.transfer
    assert transfer is not None
    target, anchor = call.legs[transfer.to_leg], call.anchor_leg
    if transfer.swapped:
        legs.hold(step, anchor, by=transfer.from_login, told=False)
        legs.reseat(step, target)
    else:
        legs.unseat(step, target)
        legs.retrieve(step, anchor, by=transfer.from_login, told=False)
    transfer.swapped = not transfer.swapped
    waits = anchor if not transfer.swapped else target
    legs.tell_hold(step, waits, HoldNoticeAction.ALTERNATE, transfer.from_login)


def target_gone(step: Step, target: Leg) -> None:
    """The target did not answer, or left before it had the anchor."""
    call, transfer = step.call, step.call.transfer
    assert transfer is not None
    if target.id != transfer.to_leg and call.legs[transfer.to_leg].up:
        return  # another of the hotline's officers has answered
    if any(leg.id in transfer.rung for leg in call.ringing()):
        return
    if call.waiting:
        _ring(step, transfer)
        return
    if not transfer.released:
        _drop_target(step, target.reason or Reason.CALL_FAILED)
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


def _drop_target(step: Step, reason: int) -> None:
    call, transfer = step.call, step.call.transfer
    assert transfer is not None
    legs.stop_tone(step)
    call.waiting.clear()
    for leg in (call.legs[transfer.to_leg], *call.ringing()):
        legs.hang_up(step, leg, reason, HangupSide.OPERATOR)
    if call.anchor_leg.held:
        legs.retrieve(step, call.anchor_leg, by=transfer.from_login)


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
