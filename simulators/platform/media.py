"""Recordings and announcements: 108 and 109; 208 and 209.

The engine keeps the times; the sound itself is made by the shell, which is asked for it by
`SaveRecording` and reports the file to `recording_saved`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

from protocol.messages import (
    MediaAction,
    MediaControl,
    MediaNotice,
    MediaNoticeAction,
    RecordingAction,
    RecordingControl,
    RecordingNotice,
    RecordingNoticeAction,
)
from protocol.reasons import Reason
from protocol.results import Result
from simulators.platform.exchange import (
    Answer,
    Call,
    Exchange,
    Recording,
    RefusedError,
    SaveRecording,
)

PLAY_S: Final = 3.0
"""How long an announcement takes, whatever its text."""
PRESS_AFTER_S: Final = 2.0
"""How long a party thinks before it presses the keys of its script."""
SAVED_MAX: Final = 1000
"""Saved recordings that the platform remembers; the oldest are forgotten first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedFile:
    """Where a recording lies: `sha256` in lower-case hex, the duration of the sound in seconds."""

    file_id: str
    url: str
    size_bytes: int
    sha256: str
    duration_s: int
    format: str = "wav"


class Media:
    """What is heard and what is kept of it."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._unsaved: dict[str, Recording] = {}
        self._saved: dict[str, tuple[Recording, SavedFile]] = {}
        exchange.before_end.append(self._call_ends)

    # --- 208 ------------------------------------------------------------------------------------
    def control_recording(self, command: RecordingControl, request_id: str) -> Answer:
        """208: start, stop, pause, resume, fetch, delete; 501 for tags."""
        action = command.action
        if action is RecordingAction.TAG:
            raise RefusedError(Result.NOT_SUPPORTED, "recordings have no tags here")
        if action in {RecordingAction.FETCH, RecordingAction.DELETE}:
            return self._fetch_or_delete(command, request_id)
        call = self._exchange.named_call(command)
        if action is RecordingAction.START:
            if call.answered is None or call.recording is not None:
                raise RefusedError(Result.WRONG_STATE, "not answered yet, or recorded already")
            self.start_recording(call, request_id)
            return Answer(result=Result.ACCEPTED, call_id=call.id)
        recording = call.recording
        if recording is None:
            raise RefusedError(Result.WRONG_STATE, "the call is not being recorded")
        if action is RecordingAction.STOP:
            self._stop(recording, request_id)
        else:
            self._pause(recording, pause=action is RecordingAction.PAUSE, request_id=request_id)
        return Answer(call_id=call.id)

    def start_recording(self, call: Call, request_id: str | None) -> None:
        """Begin to record a call."""
        recording = Recording(
            id=self._exchange.new_id("r"),
            call=call,
            since=self._exchange.now,
            started=self._exchange.now,
            request_id=request_id,
        )
        call.recording = recording
        call.last_record_id = recording.id
        self._notice(recording, RecordingNoticeAction.START, request_id)

    def _pause(self, recording: Recording, *, pause: bool, request_id: str) -> None:
        if pause is (recording.since is None):
            raise RefusedError(Result.WRONG_STATE, "the recording is so already")
        if pause:
            self._count(recording)
        else:
            recording.since = self._exchange.now
        action = RecordingNoticeAction.PAUSE if pause else RecordingNoticeAction.RESUME
        self._notice(recording, action, request_id)

    def _stop(self, recording: Recording, request_id: str | None) -> None:
        self._count(recording)
        recording.call.recording = None
        self._notice(recording, RecordingNoticeAction.STOP, request_id)
        self._unsaved[recording.id] = recording
        self._exchange.outbox.append(SaveRecording(recording.id, recording.recorded_s))

    def _count(self, recording: Recording) -> None:
        if recording.since is not None:
            recording.recorded_s += self._exchange.now - recording.since
            recording.since = None

    def _call_ends(self, call: Call, _reason: Reason) -> None:
        if call.recording is not None:
            self._stop(call.recording, None)

    def saved(self, record_id: str, file: SavedFile | None) -> None:
        """The shell has written the file, or could not (None)."""
        recording = self._unsaved.pop(record_id)
        if file is None:
            self._notice(
                recording,
                RecordingNoticeAction.FAILED,
                recording.request_id,
                reason=Reason.RECORDING_DISK,
            )
            return
        self._saved[record_id] = (recording, file)
        while len(self._saved) > SAVED_MAX:
            del self._saved[next(iter(self._saved))]
        self._notice(recording, RecordingNoticeAction.SAVED, recording.request_id, file)

    def _fetch_or_delete(self, command: RecordingControl, request_id: str) -> Answer:
        found = self._saved.get(command.record_id or "")
        if found is None:
            raise RefusedError(Result.NO_FILE, f"RecordId {command.record_id} is not kept here")
        recording, file = found
        if command.action is RecordingAction.FETCH:
            self._notice(recording, RecordingNoticeAction.SAVED, request_id, file)
        else:
            del self._saved[recording.id]
            self._notice(recording, RecordingNoticeAction.DELETED, request_id)
        return Answer(call_id=recording.call.id)

    def _notice(
        self,
        recording: Recording,
        action: RecordingNoticeAction,
        request_id: str | None,
        file: SavedFile | None = None,
        reason: Reason | None = None,
    ) -> None:
        call = recording.call
        self._exchange.emit(
            RecordingNotice(
                call_id=call.id,
                conference_id=call.conference_id,
                event_id=call.event_id,
                login_id=call.login_id,
                record_id=recording.id,
                action=action,
                request_id=request_id,
                start_time=self._exchange.time(recording.started),
                reason=reason,
                file_id=None if file is None else file.file_id,
                url=None if file is None else file.url,
                format=None if file is None else file.format,
                size=None if file is None else file.size_bytes,
                sha256=None if file is None else file.sha256,
                duration=None if file is None else file.duration_s,
            )
        )

    # --- 209 ------------------------------------------------------------------------------------
    def control_media(self, command: MediaControl, request_id: str) -> Answer:
        """209: play, stop, speak, send and collect digits."""
        call = self._exchange.named_call(command)
        if call.answered is None:
            raise RefusedError(Result.WRONG_STATE, "nobody has answered yet")
        if command.action is MediaAction.STOP:
            if call.play_id is None:
                raise RefusedError(Result.WRONG_STATE, "nothing is being played")
            self._done(call, call.play_id, request_id)
            return Answer(call_id=call.id)
        if command.action is MediaAction.SEND_DTMF:
            if command.digits is None:
                raise RefusedError(Result.MISSING_FIELD, "Digits: what to send")
            self._media_notice(call, None, MediaNoticeAction.DONE, request_id)
            return Answer(call_id=call.id)
        play_id = self._exchange.new_id("p")
        call.play_id = play_id
        self._media_notice(call, play_id, MediaNoticeAction.START, request_id)
        if command.action is MediaAction.COLLECT:
            self._collect(call, play_id, command, request_id)
        else:
            self._exchange.switch.after(PLAY_S, partial(self._done, call, play_id, request_id))
        return Answer(result=Result.ACCEPTED, call_id=call.id)

    def _collect(self, call: Call, play_id: str, command: MediaControl, request_id: str) -> None:
        pressed = self._exchange.site.party(call.phone_num or "").digits
        wanted = pressed[: command.max_digits or len(pressed)]
        timeout_s = float(command.timeout or 10)
        delay_s = min(PRESS_AFTER_S, timeout_s) if wanted else timeout_s

        def over() -> None:
            if call.ended is not None or call.play_id != play_id:
                return
            call.play_id = None
            if wanted:
                action, reason = MediaNoticeAction.DIGITS, None
            else:
                action, reason = MediaNoticeAction.FAILED, Reason.NO_ANSWER
            self._media_notice(call, play_id, action, request_id, wanted or None, reason)

        self._exchange.switch.after(delay_s, over)

    def _done(self, call: Call, play_id: str, request_id: str) -> None:
        if call.ended is None and call.play_id == play_id:
            call.play_id = None
            self._media_notice(call, play_id, MediaNoticeAction.DONE, request_id)

    def _media_notice(
        self,
        call: Call,
        play_id: str | None,
        action: MediaNoticeAction,
        request_id: str,
        digits: str | None = None,
        reason: Reason | None = None,
    ) -> None:
        self._exchange.emit(
            MediaNotice(
                call_id=call.id,
                conference_id=call.conference_id,
                event_id=call.event_id,
                play_id=play_id,
                action=action,
                digits=digits,
                reason=reason,
                request_id=request_id,
            )
        )
