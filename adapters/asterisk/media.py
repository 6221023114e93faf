"""What is played to a call and pressed in it: announcements and digits (109)."""

from __future__ import annotations

from typing import Final

from adapters.asterisk.events import Event
from adapters.asterisk.model import Collect, Leg, Play
from adapters.asterisk.turn import Turn
from protocol.messages import CallDirection, MediaNotice, MediaNoticeAction
from protocol.reasons import Reason

DIGITS_MAX: Final = 64
END_KEY: Final = "#"
KEYS: Final = frozenset("0123456789ABCDabcd*#")
UNASKED_S: Final = 2.0
"""Keys that follow each other within this are told together."""


# --- announcements -------------------------------------------------------------------------------
def add_play(turn: Turn, play_id: str) -> None:
    """An announcement is asked for; its notices carry the command's RequestId."""
    turn.call.plays[play_id] = Play(request_id=turn.request_id)


def playback_started(turn: Turn, event: Event) -> None:
    """An announcement of a 209 is heard."""
    play_id = event.thing or ""
    play = turn.call.plays.get(play_id)
    if play is not None and not play.heard:
        play.heard = True
        _tell_media(turn, MediaNoticeAction.START, play_id, request_id=play.request_id)


def playback_finished(turn: Turn, event: Event) -> None:
    """It ended by itself, was stopped, or could not be played."""
    play_id = event.thing or ""
    play = turn.call.plays.pop(play_id, None)
    if play is None:
        return
    failed = event.state == "failed"
    _tell_media(
        turn,
        MediaNoticeAction.FAILED if failed else MediaNoticeAction.DONE,
        play_id,
        reason=Reason.MEDIA_FAILURE if failed else None,
        request_id=play.request_id,
    )


def _tell_media(
    turn: Turn,
    action: MediaNoticeAction,
    play_id: str | None,
    *,
    digits: str | None = None,
    reason: int | None = None,
    request_id: str | None = None,
) -> None:
    turn.tell(
        MediaNotice(
            call_id=turn.call.id,
            conference_id=turn.conference_id,
            action=action,
            play_id=play_id,
            digits=digits,
            reason=reason,
            request_id=request_id,
        )
    )


# --- digits --------------------------------------------------------------------------------------
def collect(turn: Turn, leg: Leg, most: int, wait_s: float) -> Collect:
    """Wait for digits of a party: `most` of them, `#`, or `wait_s` without one."""
    if turn.call.collect is not None and turn.call.collect.unasked:
        _collected(turn)  # what was pressed before is no answer to what is asked now
    turn.call.collect = waiting = Collect(
        leg=leg.id,
        most=min(max(most, 1), DIGITS_MAX),
        wait_s=wait_s,
        until=turn.later(wait_s),
        request_id=turn.request_id,
    )
    return waiting


def digit_pressed(turn: Turn, leg: Leg, digit: str) -> None:
    """A key was pressed: what somebody waits for, or what a caller has to say by keys.

    A caller who cannot speak presses keys, whoever asks for them or not. What others press is
    meant for whom they speak with, and may be secret.
    """
    call = turn.call
    if digit not in KEYS:
        return
    waiting = call.collect
    if waiting is None and _is_caller(turn, leg):
        waiting = collect(turn, leg, DIGITS_MAX, UNASKED_S)
        waiting.unasked = True
    if waiting is None or waiting.leg != leg.id:
        return
    ends = digit == END_KEY and not waiting.unasked
    if not ends:
        waiting.digits += digit
        waiting.until = turn.later(waiting.wait_s)
    if ends or len(waiting.digits) >= waiting.most:
        _collected(turn)


def _is_caller(turn: Turn, leg: Leg) -> bool:
    call = turn.call
    comes_in = call.conference is None and call.direction is CallDirection.IN
    return comes_in and leg.id == call.id and leg.up


def _collected(turn: Turn) -> None:
    done = turn.call.collect
    assert done is not None
    turn.call.collect = None
    reason = None if done.digits else Reason.NO_ANSWER
    action = MediaNoticeAction.DIGITS if done.digits else MediaNoticeAction.FAILED
    _tell_media(
        turn, action, None, digits=done.digits or None, reason=reason, request_id=done.request_id
    )


def forget(turn: Turn) -> None:
    """The call is over: nobody presses anything any more."""
    turn.call.collect = None


def on_time(turn: Turn) -> None:
    """Digits that did not come."""
    waiting = turn.call.collect
    if waiting is not None and waiting.until <= turn.now:
        _collected(turn)
