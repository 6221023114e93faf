"""Transfers that a telephone makes by itself (REFER), blind and with a consultation.

Asterisk from 20.13, 21.8 and 22.3 leaves them to us (`PJSIP_TRANSFER_HANDLING()=ari-only`): it
tells `ChannelTransfer` and does nothing. Older ones transfer by themselves and put halves of Local
channels in the places of the telephones; those we take away again. Either way the transfer becomes
one of ours, is told and fails as any other.

A consultation by telephone is a call of its own, so two calls are concerned (decision 0029):

```
 first call                                   the consultation
 (A) caller ⇄ officer                         (B) officer ⇄ colleague
   awaits the colleague     ◀─ both are told: ChannelTransfer ─▶  hands the colleague over
   colleague takes the      ◀─ HandedOver ─    (and does not end before that is told)
   officer's place, 105 done
   released                 ─ TakenOver ─▶     102
```
"""

from __future__ import annotations

import dataclasses
import re
from datetime import datetime
from typing import Final

from adapters.voice import dialplan, diversion, legs, ringing, transfer, transfer_progress
from adapters.voice.model import Call, Leg, LegState, Transfer
from adapters.voice.platform_actions import (
    EnterDialplan,
    FindExtension,
    HangUp,
    MarkTransferred,
    ReportTransfer,
    TransferProgress,
)
from adapters.voice.platform_events import Channel, Event, EventKind
from adapters.voice.settings import NUMBER
from adapters.voice.step import Step
from protocol.messages import CallPhase, HangupSide, TransferNoticeMode
from protocol.reasons import Reason

HANDED_OVER_WITHIN_S: Final = 5.0
"""How long the other call may take to hand somebody over; both are in this process."""
CONTEXT: Final = r"[A-Za-z0-9_.-]{1,80}"
"""Name of a context of the dialplan, as far as it can stand in a function's argument."""


# --- as the platform tells it --------------------------------------------------------------------
def transferring(step: Step, event: Event) -> None:
    """A telephone pressed its transfer key, and the platform leaves it to us."""
    assert event.channel is not None
    source = step.call.leg_of_channel(event.channel.id)
    if source is None:
        if event.call is not None:
            _hand_over(step, event, event.call)
    elif not _may_transfer(step.call, source):
        _report(step, source, TransferProgress.DECLINED)
    elif event.attended and event.call is not None:
        _await(step, source, event.number)
    else:
        # A consultation that was over before its BYE was due leaves the number to be rung again.
        _blind(step, source, event.number or "", event.channel)


def replaced(step: Step, event: Event) -> None:
    """Another channel took the place of one of ours.

    Half of a pair of channels does so where the platform transfers by itself (`paired_channels`),
    and a telephone that came by INVITE with Replaces.
    """
    assert event.channel is not None
    assert event.replaces is not None
    call, channel = step.call, event.channel
    leg = call.leg_of_channel(event.replaces)
    if channel.pair and not channel.stand_in:
        step.do(HangUp(channel=channel.id))
        if leg is not None and _may_transfer(call, leg):
            leg.inside = leg.seated = False
            _blind(step, leg, event.dialled, channel)
    elif leg is not None and leg.alive:
        step.do(HangUp(channel=event.replaces))
        call.move(leg, channel.id)


def _may_transfer(call: Call, source: Leg) -> bool:
    """Whether who wants to transfer speaks with somebody; a member leaves his conference alone."""
    free = call.conference is None and call.transfer is None and call.reason is None
    return free and source.up and _other_party(call, source) is not None


def _other_party(call: Call, leg: Leg) -> Leg | None:
    """Who is, or would be, at the other end for somebody of a call."""
    if leg.id != call.anchor and call.anchor_leg.alive:
        return call.anchor_leg
    others = [each for each in call.legs.values() if each.alive and each.leaving is None]
    others = [each for each in others if each is not leg]
    return max(others, key=lambda each: (each.up, each.state), default=None)


def _report(step: Step, source: Leg, progress: TransferProgress) -> None:
    """Tell the telephone what became of its transfer."""
    step.do(ReportTransfer(channel=source.channel, progress=progress))


# --- blind ---------------------------------------------------------------------------------------
def _blind(step: Step, source: Leg, number: str, channel: Channel) -> None:
    """Ring the number for whoever speaks with the one who transfers.

    What is no officer's may be the dialplan's: a parking lot, a conference room. Who is no officer
    reaches officers only: nobody outside makes calls by our trunk.
    """
    call, inside = step.call, dialplan.inside_target(step.settings, number)
    begun = _begin(step, source, number)
    if inside is None and (source.login is None or begun.to_number is None):
        _failed(step, source, Reason.UNALLOCATED)
        return
    _stand_in(call, source)
    context = channel.context
    if inside is not None or not re.fullmatch(CONTEXT, context):
        _ring(step, source, number)
        return
    begun.until, begun.context = step.later(HANDED_OVER_WITHIN_S), context
    party = call.anchor_leg.channel
    step.do(MarkTransferred(channel=party, by=channel.name))
    step.do(FindExtension(channel=party, context=context, number=number))


def _ring(step: Step, source: Leg, number: str) -> None:
    target = dialplan.number_target(step.settings, number, but=source.number)
    if target is None:
        _failed(step, source, Reason.UNALLOCATED)
        return
    _report(step, source, TransferProgress.DONE)
    transfer.start(step, source, target, attended=False)


def extension_found(step: Step, event: Event) -> None:
    """The dialplan has the number: whoever is transferred goes on there. Otherwise we ring it."""
    awaited = _awaited(step.call)
    if awaited is None or awaited.context is None or awaited.to_number != event.number:
        return
    source, party = step.call.legs[awaited.from_leg], step.call.anchor_leg
    if not event.exists or not party.alive:
        awaited.until = None
        _ring(step, source, awaited.to_number or "")
        return
    number = awaited.to_number or ""
    step.do(EnterDialplan(channel=party.channel, context=awaited.context, number=number))
    diversion.left(step, party)
    _report(step, source, TransferProgress.DONE)
    legs.hang_up(step, source, Reason.TRANSFERRED, HangupSide.OPERATOR)


def went_on(step: Step) -> None:
    """Whoever was transferred is in the dialplan: 105 done."""
    awaited = _awaited(step.call)
    if awaited is not None and awaited.context is not None:
        transfer.tell(step, CallPhase.DONE)
        step.call.transfer = None


def bounced(step: Step, leg: Leg, event: Event) -> bool:
    """Whether the dialplan gave who was transferred back to us: the number is one of ours."""
    awaited = _awaited(step.call)
    if awaited is None or awaited.context is None or awaited.to_number != event.dialled:
        return False
    leg.look_at, leg.looking, leg.away = None, False, False
    awaited.until = None
    legs.seat(step, leg)
    _ring(step, step.call.legs[awaited.from_leg], event.dialled)
    return True


def _awaited(call: Call) -> Transfer | None:
    return call.transfer if call.transfer is not None and call.transfer.until is not None else None


def _stand_in(call: Call, source: Leg) -> None:
    """Where the anchor transfers, the call is there for the one who stays."""
    if source.id == call.anchor:
        other = _other_party(call, source)
        assert other is not None
        call.anchor, call.hotline = other.id, None


def _begin(step: Step, source: Leg, number: str | None = None) -> Transfer:
    begun = Transfer(
        from_leg=source.id,
        to_leg="",
        released=True,
        from_login=source.login,
        from_number=source.number,
        to_number=number if re.fullmatch(NUMBER, number or "") else None,
    )
    step.call.transfer = begun
    return begun


def _failed(step: Step, source: Leg, reason: int) -> None:
    """It leads nowhere: 105 failed; the officer is rung again, for his telephone may be gone."""
    call = step.call
    failed = call.transfer
    assert failed is not None
    transfer.tell(step, CallPhase.FAILED, reason)
    call.transfer = None
    if source.alive:
        _report(step, source, TransferProgress.UNAVAILABLE)
        if source.login is None:
            return  # whoever is outside keeps the call: we cannot ring there again
        legs.hang_up(step, source, Reason.TRANSFERRED, HangupSide.CALLEE)
    transfer_progress.ring_back(step, failed)


# --- with consultation: the first call -----------------------------------------------------------
def _await(step: Step, source: Leg, number: str | None) -> None:
    """The other call hands its other party over; till then nobody ends this one by leaving it."""
    awaited = _begin(step, source, number)
    awaited.attended, awaited.mode = True, TransferNoticeMode.ATTENDED
    awaited.until = step.later(HANDED_OVER_WITHIN_S)
    _stand_in(step.call, source)


def handed_over(step: Step, event: Event) -> None:
    """Somebody from the consultation takes the place of the one who transfers, or nobody can."""
    awaited = step.call.transfer
    waits = awaited is not None and awaited.until is not None and step.call.reason is None
    if event.leg is None:
        if waits:
            _given_up(step)
    elif event.leg.id not in step.call.legs:
        step.call.legs[event.leg.id] = event.leg
        if waits:
            _take_in(step, event.leg, event.call)
        else:
            legs.hang_up(step, event.leg, Reason.CALL_FAILED, HangupSide.PLATFORM)
    if event.call is not None:
        step.release(event.call)


def _take_in(step: Step, leg: Leg, consultation: str | None) -> None:
    call = step.call
    taken = call.transfer
    assert taken is not None
    source = call.legs[taken.from_leg]
    taken.until, taken.to_leg, taken.consultation = None, leg.id, consultation
    taken.to_login, taken.to_number = leg.login, leg.number
    _report(step, source, TransferProgress.DONE)
    legs.hang_up(step, source, Reason.TRANSFERRED, HangupSide.OPERATOR)
    if call.anchor_leg.held:
        legs.retrieve(step, call.anchor_leg, by=source.login)
    if leg.up:
        transfer_progress.target_answered(step, leg)
        return
    transfer.tell(step, CallPhase.START)
    if leg.state is not LegState.DIALLING:
        transfer_progress.target_rings(step)
    legs.start_music(step)


def on_time(step: Step) -> None:
    """Nobody was handed over: the consultation was over before. Its number is rung again."""
    awaited = step.call.transfer
    if awaited is not None and awaited.until is not None and awaited.until <= step.now:
        _given_up(step)


def _given_up(step: Step) -> None:
    call, awaited = step.call, step.call.transfer
    assert awaited is not None
    source, number = call.legs[awaited.from_leg], awaited.to_number
    target = None
    if number is not None:
        target = dialplan.number_target(step.settings, number, but=source.number)
    if target is None or (source.login is None and dialplan.is_outside(target)):
        _failed(step, source, Reason.CALL_FAILED)
    else:
        _report(step, source, TransferProgress.DONE)
        transfer.start(step, source, target, attended=False)


# --- with consultation: the other call -----------------------------------------------------------
def _hand_over(step: Step, event: Event, first: str) -> None:
    """The other party of a consultation goes over to the first call; the rest of it ends."""
    call = step.call
    mine = call.leg_of_channel(event.other or "")
    leg = None if mine is None or call.conference is not None else _other_party(call, mine)
    if leg is None or call.reason is not None:
        step.pass_on(first, dataclasses.replace(event, kind=EventKind.HANDED_OVER, call=None))
        return
    call.handed, call.handed_to = _take_out(step, leg), first
    ringing.end_call(step, Reason.TRANSFERRED, HangupSide.OPERATOR)
    step.pass_on(first, given_event(call, event.at))


def given_event(call: Call, at: datetime | None = None) -> Event:
    """What the call is told that takes whom this one has handed over."""
    assert call.handed is not None
    leg = dataclasses.replace(call.handed)  # from now on each has its own
    return Event(kind=EventKind.HANDED_OVER, at=at, call=call.id, leg=leg)


def _take_out(step: Step, leg: Leg) -> Leg:
    """A leg as another call gets it. Who began this call remains in it as one who has left."""
    call = step.call
    given = dataclasses.replace(leg, seated=False, inside=False, held_by=None, request_id=None)
    if leg.id != call.id:
        del call.legs[leg.id]
        call.anchor = call.id
        return given
    leg.channel = step.next_name("x")
    leg.state, leg.ended = LegState.ENDED, step.at
    leg.reason, leg.side = Reason.TRANSFERRED, HangupSide.OPERATOR
    return dataclasses.replace(given, id=step.new_id())
