"""What becomes of a call when the platform tells something: event by event.

Every handler takes a `Step` and an `Event` and tolerates what comes twice, late or out of order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from adapters.voice import dialplan, diversion, forking, legs, refer, ringing, transfer
from adapters.voice.actions import (
    DestroyBridge,
    HangUp,
    IndicateRinging,
    SetVariable,
    TakeTransfers,
)
from adapters.voice.callout import call_out, convening
from adapters.voice.conference import lifecycle
from adapters.voice.events import Event, EventKind
from adapters.voice.media import call_recording, playback
from adapters.voice.model import Call, Leg, LegState
from adapters.voice.phone_numbers import is_withheld
from adapters.voice.step import Step
from protocol.fields import CONTROL
from protocol.messages import (
    CallDirection,
    CallState,
    HangupSide,
    HoldNoticeAction,
    IncomingCallNotice,
    MemberNoticeAction,
)
from protocol.reasons import Reason

CALLER: Final = "caller"
OFFICER: Final = "officer"
"""Who is it that dials, by the dialplan."""
PHONE_MAX: Final = 25
NAME_MAX: Final = 200

Handler = Callable[[Step, Event], None]


def phone(value: str | None) -> str | None:
    """What fits into a PhoneNum, None where a number is withheld or is no number."""
    text = CONTROL.sub("", value or "").strip()[:PHONE_MAX].strip()
    return None if text in {"", "NULL", "EMPTY"} or is_withheld(text) else text


def caller_name(value: str | None, number: str | None) -> str | None:
    """What fits into a CallerName; without one it says that the number is withheld."""
    word = number if number is not None and is_withheld(number) else ""
    text = CONTROL.sub("", value or word).strip()[:NAME_MAX].strip()
    return None if text in {"", "NULL", "EMPTY"} else text


def new_call(event: Event, call_id: str, started: datetime) -> Call:
    """The call that begins with a channel that entered and that we do not know."""
    channel = event.channel
    assert channel is not None
    number = event.number or channel.number or ""
    root = Leg(
        id=call_id,
        channel=channel.id,
        number=phone(number),
        state=LegState.ALERTING,
        started=started,
    )
    if channel.up:
        root.state, root.answered = LegState.ANSWERED, started
    return Call(
        id=call_id,
        anchor=call_id,
        direction=CallDirection.OUT if event.role == OFFICER else CallDirection.IN,
        number=root.number,
        name=caller_name(channel.caller_name, number),
        dialled=phone(event.dialled or channel.exten),
        started=started,
        legs={call_id: root},
    )


def begin(step: Step) -> None:
    """A call came in: 100, ringing tone for the caller, and whoever is to be rung."""
    call, settings, root = step.call, step.settings, step.call.root
    dialled = call.dialled or ""
    target = dialplan.inside_target(settings, dialled)
    if call.direction is CallDirection.OUT:
        if (officer := settings.officer.get(root.number or "")) is not None:
            root.login = call.officer = officer.login
        target = target or dialplan.number_target(settings, dialled)
    if target is not None:
        call.waiting, call.at_once = list(target.each), target.at_once
    if target is not None and target.officers:
        call.hotline, call.record = target.number, settings.hotline[target.number].record
    one = call.waiting[0].login if call.waiting and not call.at_once else None
    step.tell(
        IncomingCallNotice(
            call_id=call.id,
            login_id=root.login if call.direction is CallDirection.OUT else one,
            direction=call.direction,
            phone_num=call.number,
            to_num=call.dialled,
            caller_name=call.name,
        )
    )
    step.do(SetVariable(channel=root.channel, name="LINKAGE_CALLID", value=call.id))
    if call.waiting and root.answered is None:
        step.do(IndicateRinging(channel=root.channel))
    ringing.ring_next(step)
    # After the first telephone is rung: nobody waits for these.
    step.do(TakeTransfers(channel=root.channel))
    diversion.watch(step, root)


def on_event(step: Step, event: Event) -> None:
    """Let a call take notice of an event that is about it."""
    HANDLERS[event.kind](step, event)


def on_time(step: Step) -> None:
    """Do what is due."""
    now = step.now
    for leg in list(step.call.legs.values()):
        if leg.alive and leg.leaving is not None and leg.leaving <= now:
            _ended(step, leg)
        elif leg.ringing and leg.ring_until is not None and leg.ring_until <= now:
            legs.hang_up(step, leg, Reason.NO_ANSWER, HangupSide.CALLEE)
    playback.on_time(step)
    call_recording.on_time(step)
    refer.on_time(step)
    diversion.on_time(step)
    if step.call.conference is not None:
        lifecycle.on_time(step)
    elif convening.wake(step):
        call_out.proceed(step)
    close_if_over(step)


def on_failed(step: Step, owner: str) -> None:
    """The platform would not dial a leg (nobody is registered there), or not record."""
    call_recording.give_up_recording(step, owner)
    if forking.failed(step, owner):
        return
    leg = step.call.legs.get(owner)
    if leg is not None and leg.alive:
        leg.reason = leg.reason or Reason.UNREACHABLE
        leg.side = leg.side or HangupSide.PLATFORM
        _ended(step, leg)
        close_if_over(step)


# --- a leg comes up ------------------------------------------------------------------------------
def _entered(step: Step, event: Event) -> None:
    if event.replaces is not None:
        refer.replaced(step, event)
        return
    leg = _leg(step, event)
    if leg is not None and leg.elsewhere:
        if not refer.bounced(step, leg, event):
            diversion.came_back(step, leg, event)
    elif leg is not None and event.channel is not None and step.dialled(leg):
        forking.answered(step, leg, event.channel.id)
        answered(step, leg)
    elif leg is None and event.channel is not None:
        # A colleague took it off the telephone that rings: his channel has that one's arguments.
        leg = step.call.legs.get(event.leg_id or "")
        if leg is not None and diversion.picked_up(step, leg, event.channel):
            legs.drop_twins(step, leg)
            answered(step, leg)


def answered(step: Step, leg: Leg) -> None:
    """A telephone that we rang was picked up."""
    call = step.call
    if not leg.ringing:
        if leg.leaving is not None and leg.answered is None:
            # Picked up while we gave up on it: the DELETE has gone already, or goes once more.
            step.do(HangUp(channel=leg.channel))
        return
    leg.state, leg.answered, leg.ring_until = LegState.ANSWERED, step.at, None
    step.tell_state(leg, CallState.ANSWERED)
    if call.conference is not None:
        lifecycle.answered(step, leg)
    leg.request_id = None  # what comes of it later is no outcome of the command any more
    if call.conference is not None:
        return
    if leg.id == call.id:
        call_out.officer_ready(step)
    elif call.convenings:
        call_out.reached(step, leg)
    elif transfer.aims_at(call, leg):
        transfer.target_answered(step, leg)
    else:
        ringing.connect(step, leg)


def _picked_up(step: Step, event: Event) -> None:
    leg = _leg(step, event)
    if leg is not None and not step.dialled(leg) and leg.alive:
        leg.state = LegState.ANSWERED
        leg.answered = leg.answered or step.at


def _ringing(step: Step, event: Event) -> None:
    leg = _leg(step, event)
    if leg is None:
        _dialling(step, event)
    else:
        early = event.kind is EventKind.EARLY_MEDIA
        _rings(step, leg, CallState.EARLY_MEDIA if early else CallState.ALERTING)


def _forwarded(step: Step, event: Event) -> None:
    leg = _leg(step, event)
    if leg is None:
        _dialling(step, event)
    else:
        diversion.forwarded(step, leg, event)


def _dialling(step: Step, event: Event) -> None:
    """Somebody else is rung on behalf of one who was parked: nobody fetched them in time."""
    parked = step.call.leg_of_channel(event.caller or "")
    if parked is not None and _leg(step, event) is None:
        diversion.timed_out(step, parked)


def _rings(step: Step, leg: Leg, state: CallState) -> None:
    """The other side is being called: 180, or a carrier's own ringing tone (183) without any.

    Each is told once by 115, in whatever order and however often they come; that somebody rings
    is told by the first of them (104, 105).
    """
    if not leg.ringing or (leg.id == step.call.id and not step.dialled(leg)):
        return
    first = leg.state is LegState.DIALLING
    if state is CallState.EARLY_MEDIA:
        if leg.state is LegState.EARLY_MEDIA:
            return
        leg.state = LegState.EARLY_MEDIA
    else:
        if leg.rang:
            return
        leg.rang = True
        leg.state = max(leg.state, LegState.ALERTING)
    step.tell_state(leg, state)
    if first and step.call.conference is not None:
        lifecycle.alerting(step, leg)
    if first and transfer.aims_at(step.call, leg):
        transfer.target_rings(step)


# --- the bridge ----------------------------------------------------------------------------------
def _joined(step: Step, event: Event) -> None:
    leg = _leg(step, event)
    if leg is not None and leg.alive and event.bridge == step.bridge:
        leg.inside = True
        watch_bridge(step)
    elif leg is not None and leg.away:
        diversion.moved(step, leg, event)
    elif leg is None and event.channel is not None:
        diversion.fetched(step, event.channel, event)


def _parted(step: Step, event: Event) -> None:
    leg = _leg(step, event)
    if leg is not None and event.bridge == step.bridge:
        leg.inside = False
        watch_bridge(step)


def watch_bridge(step: Step) -> None:
    """115 bridged when the anchor and an officer are together, unbridged when no longer."""
    call = step.call
    if call.conference is not None:
        lifecycle.watch_bridge(step)
        return
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


# --- a leg goes ----------------------------------------------------------------------------------
def _hangup_requested(step: Step, event: Event) -> None:
    leg = _leg(step, event)
    if leg is not None:
        leg.cause, leg.tech_cause = event.cause, event.status


def _left(step: Step, event: Event) -> None:
    leg = _leg(step, event)
    if leg is not None and leg.alive and not leg.away:
        diversion.left(step, leg)


def _found(step: Step, event: Event) -> None:
    leg = _leg(step, event)
    if leg is None or not leg.alive:
        return
    if event.channel is not None and event.channel.alive:
        diversion.found(step, leg, event)
        refer.went_on(step)
    else:
        _ended(step, leg)
        close_if_over(step)


def _gone(step: Step, event: Event) -> None:
    leg = _leg(step, event)
    if leg is None or not leg.alive or event.channel is None:
        return
    if forking.one_less(step, leg, event.channel.id):
        return
    if event.cause is not None and leg.cause is None:
        leg.cause, leg.tech_cause = event.cause, event.status
    if step.dialled(leg) and diversion.goes_on(leg, event.cause):
        diversion.left(step, leg)
        return
    _ended(step, leg)
    close_if_over(step)


def lost(step: Step, leg: Leg, reason: int) -> None:
    """A leg died while nobody looked (resync)."""
    if leg.alive:
        leg.lost = True
        leg.reason = leg.reason or reason
        leg.side = leg.side or HangupSide.PLATFORM
        _ended(step, leg)


def _ended(step: Step, leg: Leg) -> None:
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
        watch_bridge(step)
    if leg.id != call.id:
        legs.tell_leg_ended(step, leg)
    _follow_up(step, leg)


def _follow_up(step: Step, leg: Leg) -> None:
    call = step.call
    assert leg.reason is not None
    assert leg.side is not None
    if call.conference is not None:
        lifecycle.gone(step, leg)
        return
    if call.reason is not None:
        return
    if leg.id == call.anchor:
        transfer.anchor_gone(step, leg.reason)
        ringing.end_call(step, leg.reason, leg.side)
    elif transfer.aims_at(call, leg):
        transfer.target_gone(step, leg)
    elif call.transfer is not None and call.transfer.from_leg == leg.id:
        transfer.officer_gone(step)
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


def close_if_over(step: Step) -> None:
    """When the last leg is gone: 102 for the call, its bridge away; then wait for recordings."""
    call = step.call
    if call.conference is not None:
        lifecycle.close_if_over(step)
        return
    if call.handing_over:
        return
    if call.ended is None and not any(leg.alive for leg in call.legs.values()):
        call.ended = step.at
        if call.reason is None:
            call.reason, call.side = call.root.reason, call.root.side
        playback.forget(step)
        call_recording.stop_all(step)
        legs.tell_call_ended(step)
        if call.bridge_made:
            step.do(DestroyBridge(bridge=step.bridge))
    if call.ended is not None and not call.recordings:
        call.closed = True


# --- what a telephone does by itself -------------------------------------------------------------
def _held_by_phone(step: Step, event: Event) -> None:
    """Somebody pressed the hold key: whoever he spoke with hears music, 106.

    the platform itself plays music only where two channels are bridged directly. In a bridge that
    is recorded the one who is held would hear the holder's room, or nothing. He stays in the
    bridge: a platform that transfers by itself would not know else whom the telephone transfers
    next.
    """
    holder = _leg(step, event)
    if holder is None or not holder.up:
        return
    if step.call.conference is not None:
        lifecycle.tell_member(step, holder, MemberNoticeAction.HOLD)
        return
    for leg in step.call.legs.values():
        if leg.inside and not leg.held and leg is not holder:
            leg.held, leg.held_by = True, holder.id
            legs.play_music_to(step, leg)
            legs.tell_hold(step, leg, HoldNoticeAction.HOLD, holder.login)


def _retrieved_by_phone(step: Step, event: Event) -> None:
    """And once more: they speak again, unless a command has brought them together meanwhile."""
    holder = _leg(step, event)
    if holder is None or not holder.up:
        return
    if step.call.conference is not None:
        lifecycle.tell_member(step, holder, MemberNoticeAction.RETRIEVE)
        return
    for leg in step.call.legs.values():
        if leg.held_by == holder.id and leg.up:
            legs.retrieve(step, leg, by=holder.login)


def _leg(step: Step, event: Event) -> Leg | None:
    return None if event.channel is None else step.call.leg_of_channel(event.channel.id)


def _digit(step: Step, event: Event) -> None:
    leg = _leg(step, event)
    if leg is not None:
        playback.digit_pressed(step, leg, event.digit)


def _taken_over(step: Step, _: Event) -> None:
    """The call to which this one handed its other party over has told so."""
    step.call.handing_over = False
    close_if_over(step)


HANDLERS: Final[Mapping[EventKind, Handler]] = {
    EventKind.ENTERED: _entered,
    EventKind.LEFT: _left,
    EventKind.FOUND: _found,
    EventKind.EXTENSION_FOUND: refer.extension_found,
    EventKind.CONTACTS_FOUND: forking.contacts,
    EventKind.RINGING: _ringing,
    EventKind.EARLY_MEDIA: _ringing,
    EventKind.DIALLING: _dialling,
    EventKind.ANSWERED: _picked_up,
    EventKind.FORWARDED: _forwarded,
    EventKind.HANGUP_REQUESTED: _hangup_requested,
    EventKind.ENDED: _gone,
    EventKind.JOINED: _joined,
    EventKind.PARTED: _parted,
    EventKind.HELD: _held_by_phone,
    EventKind.RETRIEVED: _retrieved_by_phone,
    EventKind.DIGIT: _digit,
    EventKind.TRANSFER: refer.transferring,
    EventKind.HANDED_OVER: refer.handed_over,
    EventKind.TAKEN_OVER: _taken_over,
    EventKind.PLAYBACK_STARTED: playback.playback_started,
    EventKind.PLAYBACK_FINISHED: playback.playback_finished,
    EventKind.RECORDING_STARTED: call_recording.recording_started,
    EventKind.RECORDING_FINISHED: call_recording.recording_finished,
    EventKind.RECORDING_FAILED: call_recording.recording_failed,
}
