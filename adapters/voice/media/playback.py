"""What is played to a call and pressed in it: announcements and digits (109)."""

from __future__ import annotations

from typing import Final

from adapters.voice.model import Collect, Leg, Play
from adapters.voice.platform_events import Event
from adapters.voice.step import Step
from protocol.messages import CallDirection, MediaNotice, MediaNoticeAction
from protocol.reasons import Reason

DIGITS_MAX: Final = 64
END_KEY: Final = "#"
KEYS: Final = frozenset("0123456789ABCDabcd*#")
UNASKED_S: Final = 2.0
"""Keys that follow each other within this are told together."""


# --- announcements -------------------------------------------------------------------------------
def add_play(step: Step, play_id: str) -> None:
    """An announcement is asked for; its notices carry the command's RequestId."""
    step.call.plays[play_id] = Play(request_id=step.request_id)


def playback_started(step: Step, event: Event) -> None:
    """An announcement of a 209 is heard."""
    play_id = event.thing or ""
    play = step.call.plays.get(play_id)
    if play is not None and not play.heard:
        play.heard = True
        _tell_media(step, MediaNoticeAction.START, play_id, request_id=play.request_id)


def playback_finished(step: Step, event: Event) -> None:
    """It ended by itself, was stopped, or could not be played."""
    play_id = event.thing or ""
    play = step.call.plays.pop(play_id, None)
    if play is None:
        return
    failed = event.failed
    _tell_media(
        step,
        MediaNoticeAction.FAILED if failed else MediaNoticeAction.DONE,
        play_id,
        reason=Reason.MEDIA_FAILURE if failed else None,
        request_id=play.request_id,
    )


def _tell_media(
    step: Step,
    action: MediaNoticeAction,
    play_id: str | None,
    *,
    digits: str | None = None,
    reason: int | None = None,
    request_id: str | None = None,
) -> None:
    step.tell(
        MediaNotice(
            call_id=step.call.id,
            conference_id=step.conference_id,
            action=action,
            play_id=play_id,
            digits=digits,
            reason=reason,
            request_id=request_id,
        )
    )


# --- digits --------------------------------------------------------------------------------------
def collect(step: Step, leg: Leg, most: int, wait_s: float) -> Collect:
    """Wait for digits of a party: `most` of them, `#`, or `wait_s` without one."""
    if step.call.collect is not None and step.call.collect.unasked:
        _collected(step)  # what was pressed before is no answer to what is asked now
    step.call.collect = waiting = Collect(
        leg=leg.id,
        most=min(max(most, 1), DIGITS_MAX),
        wait_s=wait_s,
        until=step.later(wait_s),
        request_id=step.request_id,
    )
    return waiting


def digit_pressed(step: Step, leg: Leg, digit: str) -> None:
    """A key was pressed: what somebody waits for, or what a caller has to say by keys.

    A caller who cannot speak presses keys, whoever asks for them or not. What others press is
    meant for whom they speak with, and may be secret.
    """
    call = step.call
    if digit not in KEYS:
        return
    waiting = call.collect
    if waiting is None and _is_caller(step, leg):
        waiting = collect(step, leg, DIGITS_MAX, UNASKED_S)
        waiting.unasked = True
    if waiting is None or waiting.leg != leg.id:
        return
    ends = digit == END_KEY and not waiting.unasked
    if not ends:
        waiting.digits += digit
        waiting.until = step.later(waiting.wait_s)
    if ends or len(waiting.digits) >= waiting.most:
        _collected(step)


def _is_caller(step: Step, leg: Leg) -> bool:
    call = step.call
    comes_in = call.conference is None and call.direction is CallDirection.IN
    return comes_in and leg.id == call.id and leg.up


def _collected(step: Step) -> None:
    done = step.call.collect
    assert done is not None
    step.call.collect = None
    reason = None if done.digits else Reason.NO_ANSWER
    action = MediaNoticeAction.DIGITS if done.digits else MediaNoticeAction.FAILED
    _tell_media(
        step, action, None, digits=done.digits or None, reason=reason, request_id=done.request_id
    )


def forget(step: Step) -> None:
    """The call is over: nobody presses anything any more."""
    step.call.collect = None


def on_time(step: Step) -> None:
    """Digits that did not come."""
    waiting = step.call.collect
    if waiting is not None and waiting.until <= step.now:
        _collected(step)
