"""What is heard and written down in a call: recordings (108), announcements and digits (109)."""

from __future__ import annotations

from typing import Final

from adapters.asterisk.events import Event
from adapters.asterisk.legs import GONE
from adapters.asterisk.model import Collect, Leg, Play, Recording
from adapters.asterisk.turn import Turn
from protocol.messages import (
    MediaNotice,
    MediaNoticeAction,
    RecordingNotice,
    RecordingNoticeAction,
)
from protocol.reasons import Reason

FORMAT: Final = "wav"
FINISHED_WITHIN_S: Final = 5.0
"""How long Asterisk may take to say that a recording is complete; then we look for it."""
DIGITS_MAX: Final = 64
END_KEY: Final = "#"


# --- recordings ----------------------------------------------------------------------------------
def start_recording(turn: Turn, *, owner: str = "") -> str:
    """Record what is said in the call's bridge: everybody in it, consultations too."""
    name = turn.next_name("r")
    recording = Recording(name=name, started=turn.at, request_id=turn.request_id)
    turn.call.recordings[name] = recording
    turn.do(
        "POST",
        "bridges",
        turn.bridge,
        "record",
        fine=(409,),
        owner=owner or name,
        name=name,
        format=FORMAT,
        ifExists="fail",
    )
    return name


def tell_recording(
    turn: Turn,
    recording: Recording,
    action: RecordingNoticeAction,
    *,
    duration_s: int | None = None,
    reason: int | None = None,
) -> None:
    """108 for a recording that is (or was) being made."""
    turn.tell(
        RecordingNotice(
            call_id=turn.call.id,
            conference_id=turn.conference_id,
            login_id=turn.call.officer,
            record_id=recording.name,
            action=action,
            format=FORMAT,
            start_time=recording.started,
            duration=duration_s,
            reason=reason,
            request_id=turn.request_id or recording.request_id,
        )
    )


def recording_started(turn: Turn, event: Event) -> None:
    """Asterisk records; it says so twice."""
    recording = turn.call.recordings.get(event.thing or "")
    if recording is not None and not recording.running:
        recording.running, recording.started = True, turn.at
        turn.call.last_record = recording.name
        tell_recording(turn, recording, RecordingNoticeAction.START)


def recording_finished(turn: Turn, event: Event) -> None:
    """The file is complete at Asterisk: have it fetched."""
    finish_recording(turn, event.thing or "", event.duration_s)


def finish_recording(turn: Turn, name: str, duration_s: int | None) -> None:
    """A recording has ended: 108 stop, and have it fetched."""
    recording = turn.call.recordings.pop(name, None)
    if recording is None:
        return
    if not recording.running:  # its start was missed
        turn.call.last_record = recording.name
        tell_recording(turn, recording, RecordingNoticeAction.START)
    tell_recording(turn, recording, RecordingNoticeAction.STOP, duration_s=duration_s)
    turn.fetch(name, recording.started, duration_s)
    _close(turn)


def recording_failed(turn: Turn, event: Event) -> None:
    """Asterisk cannot record: no disk, or nothing to record."""
    give_up_recording(turn, event.thing or "")


def give_up_recording(turn: Turn, name: str) -> None:
    """There is no recording: 108 failed."""
    recording = turn.call.recordings.pop(name, None)
    if recording is not None:
        reason = Reason.RECORDING_DISK if recording.running else Reason.RECORDING_NO_MEDIA
        tell_recording(turn, recording, RecordingNoticeAction.FAILED, reason=reason)
        _close(turn)


def stop_recording(turn: Turn, recording: Recording, *, owner: str = "") -> None:
    """Ask Asterisk to complete a recording; `recording_finished` follows."""
    if recording.stopping is None:
        recording.stopping = turn.later(FINISHED_WITHIN_S)
        turn.do("POST", "recordings", "live", recording.name, "stop", fine=(GONE,), owner=owner)


def stop_all(turn: Turn) -> None:
    """The call is over: complete what is being recorded, forget what is being played."""
    for recording in turn.call.recordings.values():
        stop_recording(turn, recording)
    turn.call.collect = None


def _close(turn: Turn) -> None:
    if turn.call.ended is not None and not turn.call.recordings:
        turn.call.closed = True


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
def collect(turn: Turn, leg: Leg, most: int, wait_s: float) -> None:
    """Wait for digits of a party: `most` of them, `#`, or `wait_s` without one."""
    turn.call.collect = Collect(
        leg=leg.id,
        most=min(max(most, 1), DIGITS_MAX),
        wait_s=wait_s,
        until=turn.later(wait_s),
        request_id=turn.request_id,
    )


def digit_pressed(turn: Turn, leg: Leg, digit: str) -> None:
    """A key was pressed; only those that somebody waits for are told."""
    waiting = turn.call.collect
    if waiting is None or waiting.leg != leg.id or digit not in "0123456789ABCDabcd*#":
        return
    if digit != END_KEY:
        waiting.digits += digit
        waiting.until = turn.later(waiting.wait_s)
    if digit == END_KEY or len(waiting.digits) >= waiting.most:
        _collected(turn)


def _collected(turn: Turn) -> None:
    done = turn.call.collect
    assert done is not None
    turn.call.collect = None
    reason = None if done.digits else Reason.NO_ANSWER
    action = MediaNoticeAction.DIGITS if done.digits else MediaNoticeAction.FAILED
    _tell_media(
        turn, action, None, digits=done.digits or None, reason=reason, request_id=done.request_id
    )


def on_time(turn: Turn) -> None:
    """Digits that did not come, recordings whose end Asterisk did not tell."""
    waiting = turn.call.collect
    if waiting is not None and waiting.until <= turn.now:
        _collected(turn)
    for recording in list(turn.call.recordings.values()):
        if recording.stopping is not None and recording.stopping <= turn.now:
            finish_recording(turn, recording.name, None)
