"""205: transfers, blind and with consultation (complete, cancel, swap).

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
What the target and the others do meanwhile is `adapters.voice.transfer_progress`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from adapters.voice import dialling, dialplan, legs
from adapters.voice.addressee import TargetedCommand, find_target, refuse, speaking_officer
from adapters.voice.model import Call, Leg, Target, Transfer
from adapters.voice.step import Step
from linkage.ports import CommandError, Outcome
from protocol.messages import (
    CallPhase,
    HangupSide,
    HoldNoticeAction,
    TransferMode,
    TransferNotice,
    TransferNoticeMode,
)
from protocol.messages import Transfer as TransferCommand
from protocol.reasons import Reason
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
    STEPS[message.mode](step)
    return Outcome(ids={"call_id": under_way.to_leg})


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
    to_leg = start(step, officer, target, attended=message.mode is TransferMode.CONSULT)
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


# --- what is done --------------------------------------------------------------------------------
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
    ring(step, transfer)
    dialled = step.effects[before:]
    del step.effects[before:]
    tell(step, CallPhase.START)
    step.effects += dialled


def ring(step: Step, transfer: Transfer) -> None:
    """Ring the target, or who is next of a hotline's officers."""
    dialled = dialling.dial_next(step, request_id=transfer.request_id)
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
        done(step, target)
    else:
        legs.start_music(step)


def done(step: Step, target: Leg) -> None:
    """The anchor has the target."""
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
    drop_target(step, Reason.OPERATOR_CANCELLED)
    tell(step, CallPhase.CANCELLED)
    step.call.transfer = None


def swap(step: Step) -> None:
    """The officer speaks with the other one of the two; who waits hears music.

    Raises:
        CommandError: there is nobody yet to speak with.
    """
    call, transfer = step.call, step.call.transfer
    assert transfer is not None
    target, anchor = call.legs[transfer.to_leg], call.anchor_leg
    if not target.up:
        raise refuse("the other officer has not answered yet")
    if transfer.swapped:
        legs.hold(step, anchor, by=transfer.from_login, told=False)
        legs.reseat(step, target)
    else:
        legs.unseat(step, target)
        legs.retrieve(step, anchor, by=transfer.from_login, told=False)
    transfer.swapped = not transfer.swapped
    waits = anchor if not transfer.swapped else target
    legs.tell_hold(step, waits, HoldNoticeAction.ALTERNATE, transfer.from_login)


def drop_target(step: Step, reason: int) -> None:
    """The target leaves, and whoever else rings; the officer has the anchor again."""
    call, transfer = step.call, step.call.transfer
    assert transfer is not None
    legs.stop_tone(step)
    call.waiting.clear()
    for leg in (call.legs[transfer.to_leg], *call.ringing()):
        legs.hang_up(step, leg, reason, HangupSide.OPERATOR)
    if call.anchor_leg.held:
        legs.retrieve(step, call.anchor_leg, by=transfer.from_login)


STARTS: Final = frozenset({TransferMode.BLIND, TransferMode.CONSULT, TransferMode.TO_QUEUE})
STEPS: Final[Mapping[TransferMode, Callable[[Step], None]]] = {
    TransferMode.COMPLETE: complete,
    TransferMode.CANCEL: cancel,
    TransferMode.SWAP: swap,
}
