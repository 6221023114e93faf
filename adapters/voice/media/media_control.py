"""What is heard and written down on command: 208 recordings, 209 announcements and digits."""

from __future__ import annotations

import re
from typing import Final

from adapters.voice.addressee import TargetedCommand, party, refuse
from adapters.voice.media import call_recording, playback
from adapters.voice.platform_actions import COMMAND, Play, SendDtmf, StopPlaying
from adapters.voice.step import Step
from linkage.ports import CommandError, Outcome
from protocol.messages import (
    MediaAction,
    MediaControl,
    RecordingAction,
    RecordingControl,
)
from protocol.results import Result

SOUND: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
COLLECT_S: Final = 10.0


# --- 208 -----------------------------------------------------------------------------------------
def do_record(step: Step, order: TargetedCommand) -> Outcome:
    """208: start, stop, pause and resume a recording of the call's bridge."""
    message: RecordingControl = order.message
    call = step.call
    if message.action is RecordingAction.START:
        if not call.bridged:
            raise refuse("nobody speaks yet: recording begins when two are connected")
        if call.recordings:
            raise CommandError(Result.ALREADY_EXISTS, "the call is being recorded already")
        if message.format not in {None, call_recording.FORMAT}:
            raise CommandError(Result.BAD_VALUE, f"recordings are {call_recording.FORMAT} here")
        name = call_recording.start_recording(step, owner=COMMAND)
        return Outcome(ids={"record_id": name})
    recording = (
        call.recordings.get(message.record_id)
        if message.record_id is not None
        else next(iter(call.recordings.values()), None)
    )
    if recording is None:
        raise CommandError(Result.NO_FILE, "no such recording is being made")
    recording.request_id = step.request_id
    match message.action:
        case RecordingAction.STOP:
            call_recording.stop_recording(step, recording, owner=COMMAND)
        case RecordingAction.PAUSE:
            if recording.paused:
                raise refuse("the recording is paused already")
            call_recording.pause(step, recording, owner=COMMAND)
        case _:
            if not recording.paused:
                raise refuse("the recording is not paused")
            call_recording.resume(step, recording, owner=COMMAND)
    return Outcome()


# --- 209 -----------------------------------------------------------------------------------------
def do_media(step: Step, order: TargetedCommand) -> Outcome:
    """209: play, stop, send digits, collect digits."""
    message: MediaControl = order.message
    match message.action:
        case MediaAction.PLAY:
            return _play(step, order)
        case MediaAction.STOP:
            if not step.call.plays:
                raise refuse("nothing is being played")
            for play_id in step.call.plays:
                step.do(StopPlaying(play_id=play_id))
        case MediaAction.SEND_DTMF:
            if message.digits is None:
                raise CommandError(Result.MISSING_FIELD, "Digits must say what to send")
            leg = party(step, order)
            step.do(SendDtmf(channel=leg.channel, digits=message.digits, owner=COMMAND))
        case _:
            wait_s = float(message.timeout or COLLECT_S)
            playback.collect(step, party(step, order), message.max_digits or 1, wait_s)
            if message.file_id is not None:
                return _play(step, order)
    return Outcome()


def _play(step: Step, order: TargetedCommand) -> Outcome:
    """To everybody in the call, or to the party that is named."""
    if order.leg is not None or not (step.call.bridged or step.call.conference):
        return play_file(step, order.message.file_id, channel=party(step, order).channel)
    return play_file(step, order.message.file_id, bridge=step.bridge)


def play_file(
    step: Step, file_id: str | None, *, channel: str | None = None, bridge: str | None = None
) -> Outcome:
    """Have a sound played to a channel or into a bridge; 109 tells of it.

    Raises:
        CommandError: that is no sound.
    """
    if file_id is None:
        raise CommandError(Result.MISSING_FIELD, "FileId must say what to play")
    if not SOUND.fullmatch(file_id):
        raise CommandError(
            Result.NO_FILE, f"FileId {file_id!r} cannot be a sound of the platform's"
        )
    name = step.next_name("p")
    playback.add_play(step, name)
    step.do(Play(channel=channel, bridge=bridge, play_id=name, file_id=file_id, owner=COMMAND))
    return Outcome(ids={"play_id": name})
