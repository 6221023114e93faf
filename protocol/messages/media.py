"""What is done with a call's sound.

107–109 supervision, recording, announcements, and their commands (protocol.md#catalogue).
"""

from __future__ import annotations

from datetime import datetime

from protocol.fields import (
    CallId,
    Choice,
    Count,
    Digits,
    FreeText,
    Ident,
    Line,
    LoginId,
    Name,
    ReasonCode,
    Seconds,
    Sha256,
    Url,
)
from protocol.message import Message, command, notice
from protocol.messages.parts import CallPhase, SupervisionAction


class RecordingNoticeAction(Choice):
    """Element `Action` of 108."""

    START = 1
    PAUSE = 2
    RESUME = 3
    STOP = 4
    SAVED = 5
    FAILED = 6
    DELETED = 7


class RecordingAction(Choice):
    """Element `Action` of 208."""

    START = 1
    STOP = 2
    PAUSE = 3
    RESUME = 4
    FETCH = 5
    DELETE = 6
    TAG = 7


class MediaNoticeAction(Choice):
    """Element `Action` of 109."""

    START = 1
    DONE = 2
    FAILED = 3
    DIGITS = 4


class MediaAction(Choice):
    """Element `Action` of 209."""

    PLAY = 1
    STOP = 2
    TTS = 3
    SEND_DTMF = 4
    COLLECT = 5


# --- notices -------------------------------------------------------------------------------------
@notice(107, zh="监听强插强拆拦截通知")
class SupervisionNotice(Message):
    """A supervisor listens to, breaks into or ends somebody's call."""

    supervisor_login_id: LoginId | None = None
    target_login_id: LoginId | None = None
    action: SupervisionAction | None = None
    phase: CallPhase | None = None
    reason: ReasonCode | None = None


@notice(108, zh="录音通知")
class RecordingNotice(Message):
    """A recording's life; `saved` says where it is. `size` in bytes, `duration` in seconds."""

    record_id: Ident | None = None
    action: RecordingNoticeAction | None = None
    file_id: Ident | None = None
    url: Url | None = None
    format: Ident | None = None
    size: Count | None = None
    sha256: Sha256 | None = None
    start_time: datetime | None = None
    duration: Seconds | None = None
    reason: ReasonCode | None = None


@notice(109, zh="放音/TTS/收号通知")
class MediaNotice(Message):
    """An announcement began or ended, or digits were pressed."""

    play_id: Ident | None = None
    action: MediaNoticeAction | None = None
    digits: Digits | None = None
    reason: ReasonCode | None = None


# --- commands ------------------------------------------------------------------------------------
@command(207, zh="监听/强插/强拆/拦截")
class Supervise(Message):
    """Listen to, whisper into, break into, take or end somebody's call.

    `reason` is a sentence for the audit, and is owed.
    """

    needs_one_of = (("target_login_id", "target_call_id", "call_id"),)

    target_login_id: LoginId | None = None
    target_call_id: CallId | None = None
    action: SupervisionAction
    mode: SupervisionAction | None = None
    priority: Count | None = None
    reason: Line


@command(208, zh="录音控制")
class RecordingControl(Message):
    """Start, stop, fetch or delete a recording. `tag` is what `tag` writes to it."""

    action: RecordingAction
    record_id: Ident | None = None
    format: Ident | None = None
    channels: Count | None = None
    tag: Name | None = None


@command(209, zh="放音/TTS/按键")
class MediaControl(Message):
    """Play a file, speak a text, send or collect digits.

    `timeout` in seconds of waiting for a digit.
    """

    action: MediaAction
    file_id: Ident | None = None
    text: FreeText | None = None
    digits: Digits | None = None
    max_digits: Count | None = None
    timeout: Seconds | None = None
    lang: Ident | None = None


__all__ = [
    "MediaAction",
    "MediaControl",
    "MediaNotice",
    "MediaNoticeAction",
    "RecordingAction",
    "RecordingControl",
    "RecordingNotice",
    "RecordingNoticeAction",
    "Supervise",
    "SupervisionNotice",
]
