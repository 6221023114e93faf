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

from adapters.asterisk import legs, ringing, targets
from adapters.asterisk.model import Call, Leg, Target, Transfer
from adapters.asterisk.turn import Turn
from protocol.messages import (
    CallPhase,
    HangupSide,
    HoldNoticeAction,
    TransferNotice,
    TransferNoticeMode,
)
from protocol.reasons import Reason


def start(turn: Turn, officer: Leg, target: Target, *, attended: bool) -> str:
    """Begin a transfer by an officer who speaks with the anchor; returns the target's CallId."""
    call = turn.call
    if call.anchor_leg.held:
        legs.retrieve(turn, call.anchor_leg, by=officer.login)
    if attended:
        mode = TransferNoticeMode.ATTENDED
    else:
        inside = TransferNoticeMode.QUEUE if target.officers else TransferNoticeMode.BLIND
        mode = TransferNoticeMode.EXTERNAL if targets.is_outside(target) else inside
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
        request_id=turn.request_id,
    )
    call.transfer = transfer
    _dial(turn, transfer, target)
    if attended:
        legs.hold(turn, call.anchor_leg, by=officer.login)
        legs.start_tone(turn)
    else:
        legs.hang_up(turn, officer, Reason.TRANSFERRED, HangupSide.OPERATOR)
        legs.start_music(turn)
    return transfer.to_leg


def _dial(turn: Turn, transfer: Transfer, target: Target) -> None:
    """Ring the target; 105 start goes before its 115, with the CallId that both have."""
    before = len(turn.effects)
    turn.call.waiting, turn.call.at_once = list(target.each), target.at_once
    _ring(turn, transfer)
    dialled = turn.effects[before:]
    del turn.effects[before:]
    tell(turn, CallPhase.START)
    turn.effects += dialled


def _ring(turn: Turn, transfer: Transfer) -> None:
    """Ring the target, or who is next of a hotline's officers."""
    dialled = ringing.dial_next(turn, request_id=transfer.request_id)
    transfer.to_leg = dialled[0].id
    transfer.rung += [leg.id for leg in dialled]


def aims_at(call: Call, leg: Leg) -> bool:
    """Whether a leg is one to which the call is being transferred: of a hotline all that ring."""
    transfer = call.transfer
    return transfer is not None and leg.id in {transfer.to_leg, *transfer.rung}


def tell(turn: Turn, phase: CallPhase, reason: int | None = None) -> None:
    """105: `phone_num` is the anchor's number, `new_call_id` the target's leg or its call."""
    call, transfer = turn.call, turn.call.transfer
    assert transfer is not None
    anchor = call.anchor_leg
    turn.tell(
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


def target_rings(turn: Turn) -> None:
    """The target's telephone rings."""
    transfer = turn.call.transfer
    if transfer is not None and not transfer.ringing:
        transfer.ringing = True
        tell(turn, CallPhase.RINGING)


def target_answered(turn: Turn, target: Leg) -> None:
    """The target answered: it gets the anchor, or the officer who consults it."""
    transfer = turn.call.transfer
    assert transfer is not None
    transfer.to_leg = target.id
    ringing.cancel_ringing(turn, Reason.ANSWERED_ELSEWHERE, but=target)
    legs.stop_tone(turn)
    if target.held:  # by the key of the one who transfers, in the consultation
        legs.reseat(turn, target)
    else:
        legs.seat(turn, target)
    if transfer.released:
        _done(turn, target)
    else:
        tell(turn, CallPhase.CONSULTING)


def complete(turn: Turn) -> None:
    """The officer who transfers leaves; anchor and target are together as soon as both are up."""
    call, transfer = turn.call, turn.call.transfer
    assert transfer is not None
    officer, target = call.legs[transfer.from_leg], call.legs[transfer.to_leg]
    transfer.released = True
    transfer.request_id = turn.request_id or transfer.request_id
    if call.anchor_leg.held:
        legs.retrieve(turn, call.anchor_leg, by=transfer.from_login)
    legs.stop_tone(turn)
    if target.up and (target.held or not target.seated):
        legs.reseat(turn, target)
    legs.hang_up(turn, officer, Reason.TRANSFERRED, HangupSide.OPERATOR)
    if target.up:
        _done(turn, target)
    else:
        legs.start_music(turn)


def _done(turn: Turn, target: Leg) -> None:
    legs.stop_music(turn)
    turn.call.officer = target.login or turn.call.officer
    transfer = turn.call.transfer
    if transfer is not None and transfer.to_number in turn.settings.hotline:
        turn.call.hotline = transfer.to_number
    tell(turn, CallPhase.DONE)
    turn.call.transfer = None


def cancel(turn: Turn) -> None:
    """The target leaves, the officer has the anchor again."""
    assert turn.call.transfer is not None
    turn.call.transfer.request_id = turn.request_id
    _drop_target(turn, Reason.OPERATOR_CANCELLED)
    tell(turn, CallPhase.CANCELLED)
    turn.call.transfer = None


def swap(turn: Turn) -> None:
    """The officer speaks with the other one of the two; who waits hears music."""
    call, transfer = turn.call, turn.call.transfer
    assert transfer is not None
    target, anchor = call.legs[transfer.to_leg], call.anchor_leg
    if transfer.swapped:
        legs.hold(turn, anchor, by=transfer.from_login, told=False)
        legs.reseat(turn, target)
    else:
        legs.unseat(turn, target)
        legs.retrieve(turn, anchor, by=transfer.from_login, told=False)
    transfer.swapped = not transfer.swapped
    waits = anchor if not transfer.swapped else target
    legs.tell_hold(turn, waits, HoldNoticeAction.ALTERNATE, transfer.from_login)


def target_gone(turn: Turn, target: Leg) -> None:
    """The target did not answer, or left before it had the anchor."""
    call, transfer = turn.call, turn.call.transfer
    assert transfer is not None
    if target.id != transfer.to_leg and call.legs[transfer.to_leg].up:
        return  # another of the hotline's officers has answered
    if any(leg.id in transfer.rung for leg in call.ringing()):
        return
    if call.waiting:
        _ring(turn, transfer)
        return
    if not transfer.released:
        _drop_target(turn, target.reason or Reason.CALL_FAILED)
        tell(turn, CallPhase.FAILED, target.reason)
        call.transfer = None
        return
    tell(turn, CallPhase.FAILED, target.reason)
    call.transfer = None
    ring_back(turn, transfer)


def ring_back(turn: Turn, transfer: Transfer) -> None:
    """Nobody has the anchor now: ring the officer who had it, then the others of the hotline."""
    call, settings = turn.call, turn.settings
    ring_s = settings.ring_s
    numbers = [transfer.from_number or ""]
    if call.hotline is not None and call.hotline in settings.hotline:
        hotline = settings.hotline[call.hotline]
        ring_s = hotline.ring_s
        numbers += hotline.officers
    call.waiting = [
        targets.officer_target(settings, number, ring_s)
        for number in dict.fromkeys(numbers)
        if number in settings.officer and number != transfer.to_number
    ]
    call.at_once = False
    ringing.ring_next(turn)


def _drop_target(turn: Turn, reason: int) -> None:
    call, transfer = turn.call, turn.call.transfer
    assert transfer is not None
    legs.stop_tone(turn)
    call.waiting.clear()
    for leg in (call.legs[transfer.to_leg], *call.ringing()):
        legs.hang_up(turn, leg, reason, HangupSide.OPERATOR)
    if call.anchor_leg.held:
        legs.retrieve(turn, call.anchor_leg, by=transfer.from_login)


def officer_gone(turn: Turn) -> None:
    """The officer who transfers has hung up: as telephones do it, that completes the transfer."""
    transfer = turn.call.transfer
    if transfer is not None and not transfer.released:
        complete(turn)


def anchor_gone(turn: Turn, reason: int | None) -> None:
    """Nobody is left to be transferred."""
    if turn.call.transfer is not None:
        legs.stop_tone(turn)
        tell(turn, CallPhase.FAILED, reason)
        turn.call.transfer = None
