"""What is heard and written down on command: 208 recordings, 209 announcements and digits."""

from __future__ import annotations

import re
from typing import Final

from adapters.asterisk import call_recording, legs, media
from adapters.asterisk.orders import COMMAND, Order, party, refuse
from adapters.asterisk.turn import Turn
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
def do_record(turn: Turn, order: Order) -> Outcome:
    """208: start, stop, pause and resume a recording of the call's bridge."""
    message: RecordingControl = order.message
    call = turn.call
    if message.action is RecordingAction.START:
        if not call.bridged:
            raise refuse("nobody speaks yet: recording begins when two are connected")
        if call.recordings:
            raise CommandError(Result.ALREADY_EXISTS, "the call is being recorded already")
        if message.format not in {None, call_recording.FORMAT}:
            raise CommandError(Result.BAD_VALUE, f"recordings are {call_recording.FORMAT} here")
        name = call_recording.start_recording(turn, owner=COMMAND)
        return Outcome(detail=f"RecordId {name}")
    recording = (
        call.recordings.get(message.record_id)
        if message.record_id is not None
        else next(iter(call.recordings.values()), None)
    )
    if recording is None:
        raise CommandError(Result.NO_FILE, "no such recording is being made")
    recording.request_id = turn.request_id
    match message.action:
        case RecordingAction.STOP:
            call_recording.stop_recording(turn, recording, owner=COMMAND)
        case RecordingAction.PAUSE:
            if recording.paused:
                raise refuse("the recording is paused already")
            call_recording.pause(turn, recording, owner=COMMAND)
        case _:
            if not recording.paused:
                raise refuse("the recording is not paused")
            call_recording.resume(turn, recording, owner=COMMAND)
    return Outcome()


# --- 209 -----------------------------------------------------------------------------------------
def do_media(turn: Turn, order: Order) -> Outcome:
    """209: play, stop, send digits, collect digits."""
    message: MediaControl = order.message
    match message.action:
        case MediaAction.PLAY:
            return _play(turn, order)
        case MediaAction.STOP:
            if not turn.call.plays:
                raise refuse("nothing is being played")
            for play_id in turn.call.plays:
                turn.do("DELETE", "playbacks", play_id, fine=(legs.GONE,))
        case MediaAction.SEND_DTMF:
            if message.digits is None:
                raise CommandError(Result.MISSING_FIELD, "Digits must say what to send")
            leg = party(turn, order)
            turn.do("POST", "channels", leg.channel, "dtmf", owner=COMMAND, dtmf=message.digits)
        case _:
            wait_s = float(message.timeout or COLLECT_S)
            media.collect(turn, party(turn, order), message.max_digits or 1, wait_s)
            if message.file_id is not None:
                return _play(turn, order)
    return Outcome()


def _play(turn: Turn, order: Order) -> Outcome:
    """To everybody in the call, or to the party that is named."""
    where = ("bridges", turn.bridge)
    if order.leg is not None or not (turn.call.bridged or turn.call.conference):
        where = ("channels", party(turn, order).channel)
    return play_file(turn, order.message.file_id, where)


def play_file(turn: Turn, file_id: str | None, where: tuple[str, str]) -> Outcome:
    """Have a sound played to a channel or into a bridge; 109 tells of it.

    Raises:
        CommandError: that is no sound.
    """
    if file_id is None:
        raise CommandError(Result.MISSING_FIELD, "FileId must say what to play")
    if not SOUND.fullmatch(file_id):
        raise CommandError(Result.NO_FILE, f"FileId {file_id!r} cannot be a sound of Asterisk's")
    name = turn.next_name("p")
    media.add_play(turn, name)
    turn.do(
        "POST",
        *where,
        "play",
        name,
        fine=(409,),
        owner=COMMAND,
        media=turn.settings.sounds.replace("{file_id}", file_id),
    )
    return Outcome(detail=f"PlayId {name}")
