"""What becomes of a call when Asterisk tells something: event by event.

Every handler takes a `Turn` and an `Event` and tolerates what comes twice, late or out of order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from adapters.asterisk import (
    call_recording,
    callouts,
    conferences,
    convening,
    elsewhere,
    legs,
    media,
    refer,
    ringing,
    targets,
    transfer,
    twins,
)
from adapters.asterisk.causes import reason_of
from adapters.asterisk.events import CONTACTS, FOUND, HANDED_OVER, IN_DIALPLAN, TAKEN_OVER, Event
from adapters.asterisk.legs import GONE, MISSING
from adapters.asterisk.model import Call, Leg, LegState
from adapters.asterisk.numbers import is_withheld
from adapters.asterisk.turn import Turn
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
"""First argument of `Stasis(…)` in the dialplan: who is it that dials."""
PHONE_MAX: Final = 25
NAME_MAX: Final = 200

Handler = Callable[[Turn, Event], None]


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
    """The call that a StasisStart of a channel we do not know begins."""
    channel = event.channel
    assert channel is not None
    role, dialled, number = (*event.args, "", "", "")[:3]
    number = number or channel.number or ""
    root = Leg(
        id=call_id,
        channel=channel.id,
        number=phone(number),
        state=LegState.ALERTING,
        started=started,
    )
    if channel.state == "Up":
        root.state, root.answered = LegState.ANSWERED, started
    return Call(
        id=call_id,
        anchor=call_id,
        direction=CallDirection.OUT if role == OFFICER else CallDirection.IN,
        number=root.number,
        name=caller_name(channel.caller_name, number),
        dialled=phone(dialled or channel.exten),
        started=started,
        legs={call_id: root},
    )


def begin(turn: Turn) -> None:
    """A call came in: 100, ringing tone for the caller, and whoever is to be rung."""
    call, settings, root = turn.call, turn.settings, turn.call.root
    dialled = call.dialled or ""
    target = targets.inside_target(settings, dialled)
    if call.direction is CallDirection.OUT:
        if (officer := settings.officer.get(root.number or "")) is not None:
            root.login = call.officer = officer.login
        target = target or targets.number_target(settings, dialled)
    if target is not None:
        call.waiting, call.at_once = list(target.each), target.at_once
    if target is not None and target.officers:
        call.hotline, call.record = target.number, settings.hotline[target.number].record
    one = call.waiting[0].login if call.waiting and not call.at_once else None
    turn.tell(
        IncomingCallNotice(
            call_id=call.id,
            login_id=root.login if call.direction is CallDirection.OUT else one,
            direction=call.direction,
            phone_num=call.number,
            to_num=call.dialled,
            caller_name=call.name,
        )
    )
    legs.set_variable(turn, root, "LINKAGE_CALLID", call.id)
    if call.waiting and root.answered is None:
        turn.do("POST", "channels", root.channel, "ring", fine=MISSING)
    ringing.ring_next(turn)
    # After the first telephone is rung: nobody waits for these.
    legs.take_transfers(turn, root)
    elsewhere.watch(turn, root)


def on_event(turn: Turn, event: Event) -> None:
    """Let a call take notice of an event that is about it."""
    HANDLERS[event.kind](turn, event)


def on_time(turn: Turn) -> None:
    """Do what is due."""
    now = turn.now
    for leg in list(turn.call.legs.values()):
        if leg.alive and leg.leaving is not None and leg.leaving <= now:
            _ended(turn, leg)
        elif leg.ringing and leg.ring_until is not None and leg.ring_until <= now:
            legs.hang_up(turn, leg, Reason.NO_ANSWER, HangupSide.CALLEE)
    media.on_time(turn)
    call_recording.on_time(turn)
    refer.on_time(turn)
    elsewhere.on_time(turn)
    if turn.call.conference is not None:
        conferences.on_time(turn)
    elif convening.wake(turn):
        callouts.step(turn)
    close_if_over(turn)


def on_failed(turn: Turn, owner: str) -> None:
    """Asterisk would not dial a leg (no such endpoint, nobody registered there), or not record."""
    call_recording.give_up_recording(turn, owner)
    if twins.failed(turn, owner):
        return
    leg = turn.call.legs.get(owner)
    if leg is not None and leg.alive:
        leg.reason = leg.reason or Reason.UNREACHABLE
        leg.side = leg.side or HangupSide.PLATFORM
        _ended(turn, leg)
        close_if_over(turn)


# --- a leg comes up ------------------------------------------------------------------------------
def _entered_app(turn: Turn, event: Event) -> None:
    if event.replaces is not None:
        refer.replaced(turn, event)
        return
    leg = _leg(turn, event)
    if leg is not None and leg.elsewhere:
        if not refer.bounced(turn, leg, event):
            elsewhere.came_back(turn, leg, event)
    elif leg is not None and event.channel is not None and turn.dialled(leg):
        twins.answered(turn, leg, event.channel.id)
        answered(turn, leg)
    elif leg is None and event.channel is not None:
        # A colleague took it off the telephone that rings: his channel has that one's arguments.
        leg = turn.call.legs.get(event.args[-1] if event.args else "")
        if leg is not None and elsewhere.picked_up(turn, leg, event.channel):
            legs.drop_twins(turn, leg)
            answered(turn, leg)


def answered(turn: Turn, leg: Leg) -> None:
    """A telephone that we rang was picked up."""
    call = turn.call
    if not leg.ringing:
        if leg.leaving is not None and leg.answered is None:
            # Picked up while we gave up on it: the DELETE has gone already, or goes once more.
            turn.do("DELETE", "channels", leg.channel, fine=(GONE,))
        return
    leg.state, leg.answered, leg.ring_until = LegState.ANSWERED, turn.at, None
    turn.tell_state(leg, CallState.ANSWERED)
    if call.conference is not None:
        conferences.answered(turn, leg)
    leg.request_id = None  # what comes of it later is no outcome of the command any more
    if call.conference is not None:
        return
    if leg.id == call.id:
        callouts.officer_ready(turn)
    elif call.convenings:
        callouts.reached(turn, leg)
    elif transfer.aims_at(call, leg):
        transfer.target_answered(turn, leg)
    else:
        ringing.connect(turn, leg)


def _state_changed(turn: Turn, event: Event) -> None:
    leg = _leg(turn, event)
    if leg is None or event.channel is None:
        return
    if event.channel.state == "Ringing":
        _rings(turn, leg, CallState.ALERTING)
    elif event.channel.state == "Up" and not turn.dialled(leg) and leg.alive:
        leg.state = LegState.ANSWERED
        leg.answered = leg.answered or turn.at


def _dial(turn: Turn, event: Event) -> None:
    leg = _leg(turn, event)
    if leg is None:
        parked = turn.call.leg_of_channel(event.caller or "")
        if parked is not None:
            elsewhere.timed_out(turn, parked)
        return
    if event.forwarded is not None:
        elsewhere.forwarded(turn, leg, event)
    elif event.dial_status == "RINGING":
        _rings(turn, leg, CallState.ALERTING)
    elif event.dial_status == "PROGRESS":
        _rings(turn, leg, CallState.EARLY_MEDIA)


def _rings(turn: Turn, leg: Leg, state: CallState) -> None:
    """The other side is being called: 180, or a carrier's own ringing tone (183) without any.

    Each is told once by 115, in whatever order and however often they come; that somebody rings
    is told by the first of them (104, 105).
    """
    if not leg.ringing or (leg.id == turn.call.id and not turn.dialled(leg)):
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
    turn.tell_state(leg, state)
    if first and turn.call.conference is not None:
        conferences.alerting(turn, leg)
    if first and transfer.aims_at(turn.call, leg):
        transfer.target_rings(turn)


# --- the bridge ----------------------------------------------------------------------------------
def _entered_bridge(turn: Turn, event: Event) -> None:
    leg = _leg(turn, event)
    if leg is not None and leg.alive and event.bridge == turn.bridge:
        leg.inside = True
        watch_bridge(turn)
    elif leg is not None and leg.away:
        elsewhere.moved(turn, leg, event)
    elif leg is None and event.channel is not None:
        elsewhere.fetched(turn, event.channel, event)


def _left_bridge(turn: Turn, event: Event) -> None:
    leg = _leg(turn, event)
    if leg is not None and event.bridge == turn.bridge:
        leg.inside = False
        watch_bridge(turn)


def watch_bridge(turn: Turn) -> None:
    """115 bridged when the anchor and an officer are together, unbridged when no longer."""
    call = turn.call
    if call.conference is not None:
        conferences.watch_bridge(turn)
        return
    call_recording.go_on(turn)
    others = [leg for leg in call.legs.values() if leg.inside and leg.id != call.anchor]
    bridged = call.anchor_leg.inside and bool(others)
    if bridged == call.bridged:
        return
    call.bridged = bridged
    turn.tell_state(call.root, CallState.BRIDGED if bridged else CallState.UNBRIDGED)
    if bridged and call.record:
        call.record = False
        call_recording.start_recording(turn)


# --- a leg goes ----------------------------------------------------------------------------------
def _hangup_requested(turn: Turn, event: Event) -> None:
    leg = _leg(turn, event)
    # Soft ones are ours, or the dialplan's after us.
    if leg is not None and not event.soft and event.cause is not None:
        leg.cause, leg.tech_cause = event.cause, event.tech_cause


def _left_app(turn: Turn, event: Event) -> None:
    leg = _leg(turn, event)
    if leg is not None and leg.alive and not leg.away:
        elsewhere.left(turn, leg)


def _found(turn: Turn, event: Event) -> None:
    leg = _leg(turn, event)
    if leg is None or not leg.alive:
        return
    if event.state:
        elsewhere.found(turn, leg, event)
        refer.went_on(turn)
    else:
        _ended(turn, leg)
        close_if_over(turn)


def _gone(turn: Turn, event: Event) -> None:
    leg = _leg(turn, event)
    if leg is None or not leg.alive or event.channel is None:
        return
    if twins.one_less(turn, leg, event.channel.id):
        return
    if event.cause is not None and leg.cause is None:
        leg.cause, leg.tech_cause = event.cause, event.tech_cause
    if turn.dialled(leg) and elsewhere.goes_on(leg, event.cause):
        elsewhere.left(turn, leg)
        return
    _ended(turn, leg)
    close_if_over(turn)


def lost(turn: Turn, leg: Leg, reason: int) -> None:
    """A leg died while nobody looked (resync)."""
    if leg.alive:
        leg.lost = True
        leg.reason = leg.reason or reason
        leg.side = leg.side or HangupSide.PLATFORM
        _ended(turn, leg)


def _ended(turn: Turn, leg: Leg) -> None:
    """A leg is no more: say so, and see what that means for the call."""
    call = turn.call
    if leg.reason is None:
        gave_up = not turn.dialled(leg) and leg.answered is None
        leg.reason = (
            Reason.CALLER_CANCELLED
            if gave_up
            else reason_of(
                leg.cause,
                answered=leg.answered is not None,
                status=leg.tech_cause,
                rang=leg.state is not LegState.DIALLING,
            )
        )
    if leg.side is None:
        leg.side = HangupSide.CALLER if leg.id == call.id else HangupSide.CALLEE
    leg.state, leg.ended, leg.ring_until = LegState.ENDED, turn.at, None
    leg.leaving, leg.look_at, leg.seated, leg.held = None, None, False, False
    leg.away = leg.parked = leg.looking = False
    if leg.inside:
        leg.inside = False
        watch_bridge(turn)
    if leg.id != call.id:
        legs.tell_leg_ended(turn, leg)
    _follow_up(turn, leg)


def _follow_up(turn: Turn, leg: Leg) -> None:
    call = turn.call
    assert leg.reason is not None
    assert leg.side is not None
    if call.conference is not None:
        conferences.gone(turn, leg)
        return
    if call.reason is not None:
        return
    if leg.id == call.anchor:
        transfer.anchor_gone(turn, leg.reason)
        ringing.end_call(turn, leg.reason, leg.side)
    elif transfer.aims_at(call, leg):
        transfer.target_gone(turn, leg)
    elif call.transfer is not None and call.transfer.from_leg == leg.id:
        transfer.officer_gone(turn)
    elif call.officers_up() or call.transfer is not None:
        return
    elif call.anchor_leg.elsewhere:
        return  # whoever the call is there for is parked, or speaks with somebody outside
    elif call.convenings:
        callouts.not_reached(turn, leg)
    elif leg.answered is None or call.ringing():
        ringing.ring_next(turn)
    else:
        ringing.end_call(turn, leg.reason, leg.side)


def close_if_over(turn: Turn) -> None:
    """When the last leg is gone: 102 for the call, its bridge away; then wait for recordings."""
    call = turn.call
    if call.conference is not None:
        conferences.close_if_over(turn)
        return
    if call.handing_over:
        return
    if call.ended is None and not any(leg.alive for leg in call.legs.values()):
        call.ended = turn.at
        if call.reason is None:
            call.reason, call.side = call.root.reason, call.root.side
        media.forget(turn)
        call_recording.stop_all(turn)
        legs.tell_call_ended(turn)
        if call.bridge_made:
            turn.do("DELETE", "bridges", turn.bridge, fine=(GONE,))
    if call.ended is not None and not call.recordings:
        call.closed = True


# --- what a telephone does by itself -------------------------------------------------------------
def _held_by_phone(turn: Turn, event: Event) -> None:
    """Somebody pressed the hold key: whoever he spoke with hears music, 106.

    Asterisk itself plays music only where two channels are bridged directly. In a bridge that is
    recorded the one who is held would hear the holder's room, or nothing. He stays in the bridge:
    an Asterisk that transfers by itself would not know else whom the telephone transfers next.
    """
    holder = _leg(turn, event)
    if holder is None or not holder.up:
        return
    if turn.call.conference is not None:
        conferences.tell_member(turn, holder, MemberNoticeAction.HOLD)
        return
    for leg in turn.call.legs.values():
        if leg.inside and not leg.held and leg is not holder:
            leg.held, leg.held_by = True, holder.id
            legs.play_music_to(turn, leg)
            legs.tell_hold(turn, leg, HoldNoticeAction.HOLD, holder.login)


def _retrieved_by_phone(turn: Turn, event: Event) -> None:
    """And once more: they speak again, unless a command has brought them together meanwhile."""
    holder = _leg(turn, event)
    if holder is None or not holder.up:
        return
    if turn.call.conference is not None:
        conferences.tell_member(turn, holder, MemberNoticeAction.RETRIEVE)
        return
    for leg in turn.call.legs.values():
        if leg.held_by == holder.id and leg.up:
            legs.retrieve(turn, leg, by=holder.login)


def _leg(turn: Turn, event: Event) -> Leg | None:
    return None if event.channel is None else turn.call.leg_of_channel(event.channel.id)


def _digit(turn: Turn, event: Event) -> None:
    leg = _leg(turn, event)
    if leg is not None:
        media.digit_pressed(turn, leg, event.digit)


def _taken_over(turn: Turn, _: Event) -> None:
    """The call to which this one handed its other party over has told so."""
    turn.call.handing_over = False
    close_if_over(turn)


HANDLERS: Final[Mapping[str, Handler]] = {
    "StasisStart": _entered_app,
    "StasisEnd": _left_app,
    FOUND: _found,
    IN_DIALPLAN: refer.in_dialplan,
    CONTACTS: twins.contacts,
    "ChannelStateChange": _state_changed,
    "Dial": _dial,
    "ChannelHangupRequest": _hangup_requested,
    "ChannelDestroyed": _gone,
    "ChannelEnteredBridge": _entered_bridge,
    "ChannelLeftBridge": _left_bridge,
    "ChannelHold": _held_by_phone,
    "ChannelUnhold": _retrieved_by_phone,
    "ChannelDtmfReceived": _digit,
    "ChannelTransfer": refer.transferring,
    HANDED_OVER: refer.handed_over,
    TAKEN_OVER: _taken_over,
    "PlaybackStarted": media.playback_started,
    "PlaybackFinished": media.playback_finished,
    "RecordingStarted": call_recording.recording_started,
    "RecordingFinished": call_recording.recording_finished,
    "RecordingFailed": call_recording.recording_failed,
}
