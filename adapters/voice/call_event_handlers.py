"""What happens to a call: the platform tells something, refuses something, or something is due."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from adapters.voice import dialling, diversion, leg_event_handlers, legs, refer
from adapters.voice.call_end import close_if_over, ended
from adapters.voice.call_policy import policy_of
from adapters.voice.leg_event_handlers import leg_of
from adapters.voice.media import call_recording, playback
from adapters.voice.platform_events import Event, EventKind
from adapters.voice.step import Step
from protocol.messages import HangupSide
from protocol.reasons import Reason

Handler = Callable[[Step, Event], None]


def on_event(step: Step, event: Event) -> None:
    """Let a call take notice of an event that is about it."""
    HANDLERS[event.kind](step, event)
    close_if_over(step)


def on_time(step: Step) -> None:
    """Do what is due."""
    now = step.now
    for leg in list(step.call.legs.values()):
        if leg.alive and leg.leaving is not None and leg.leaving <= now:
            ended(step, leg)
        elif leg.ringing and leg.ring_until is not None and leg.ring_until <= now:
            legs.hang_up(step, leg, Reason.NO_ANSWER, HangupSide.CALLEE)
    playback.on_time(step)
    call_recording.on_time(step)
    refer.on_time(step)
    diversion.on_time(step)
    policy_of(step.call).on_time(step)
    close_if_over(step)


def on_failed(step: Step, owner: str) -> None:
    """The platform would not dial a leg (nobody is registered there), or not record."""
    call_recording.give_up_recording(step, owner)
    if dialling.one_failed(step, owner):
        return
    leg = step.call.legs.get(owner)
    if leg is not None and leg.alive:
        leg.reason = leg.reason or Reason.UNREACHABLE
        leg.side = leg.side or HangupSide.PLATFORM
        ended(step, leg)
    close_if_over(step)


def _held(step: Step, event: Event) -> None:
    holder = leg_of(step, event)
    if holder is not None and holder.up:
        policy_of(step.call).held(step, holder)


def _retrieved(step: Step, event: Event) -> None:
    holder = leg_of(step, event)
    if holder is not None and holder.up:
        policy_of(step.call).retrieved(step, holder)


def _digit(step: Step, event: Event) -> None:
    leg = leg_of(step, event)
    if leg is not None:
        playback.digit_pressed(step, leg, event.digit)


def _taken_over(step: Step, _: Event) -> None:
    """The call to which this one handed its other party over has told so."""
    step.call.handed = step.call.handed_to = None


HANDLERS: Final[Mapping[EventKind, Handler]] = {
    EventKind.ENTERED: leg_event_handlers.entered,
    EventKind.LEFT: leg_event_handlers.left,
    EventKind.FOUND: leg_event_handlers.found,
    EventKind.EXTENSION_FOUND: refer.extension_found,
    EventKind.CONTACTS_FOUND: dialling.contacts_found,
    EventKind.RINGING: leg_event_handlers.ringing,
    EventKind.EARLY_MEDIA: leg_event_handlers.ringing,
    EventKind.DIALLING: leg_event_handlers.dialled_for,
    EventKind.ANSWERED: leg_event_handlers.picked_up,
    EventKind.FORWARDED: leg_event_handlers.forwarded,
    EventKind.HANGUP_REQUESTED: leg_event_handlers.hangup_requested,
    EventKind.ENDED: leg_event_handlers.gone,
    EventKind.JOINED: leg_event_handlers.joined,
    EventKind.PARTED: leg_event_handlers.parted,
    EventKind.HELD: _held,
    EventKind.RETRIEVED: _retrieved,
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
