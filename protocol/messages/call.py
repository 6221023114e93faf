"""Calls between parties: 100, 102, 105, 106, 111–115 and their commands (protocol.md#catalogue).

Calling people out is in `callout`; conferences, broadcasts and push-to-talk are in `conference`;
supervision, recording and announcements in `media`.
"""

from __future__ import annotations

from datetime import datetime

from protocol.fields import (
    CallId,
    Choice,
    ConferenceId,
    Count,
    EventId,
    FreeText,
    Ident,
    Line,
    LoginId,
    Name,
    PhoneNum,
    ReasonCode,
    Seconds,
)
from protocol.message import Message, command, notice
from protocol.messages.parts import AudioDirection, CallPhase, KeyValue, Numbers
from protocol.plans import field


class CallDirection(Choice):
    """Element `Type` of 100."""

    IN = 1
    OUT = 2


class HangupSide(Choice):
    """Who ended the call (element `Side` of 102)."""

    CALLER = 1
    CALLEE = 2
    PLATFORM = 3
    OPERATOR = 4


class HangupScope(Choice):
    """How much a hang-up ends (element `Scope` of 102, 202)."""

    LEG = 1
    CALL = 2
    EVENT = 3


class TransferNoticeMode(Choice):
    """Element `Mode` of 105."""

    BLIND = 1
    ATTENDED = 2
    QUEUE = 3
    EXTERNAL = 4


class TransferMode(Choice):
    """What a transfer command asks for (element `Mode` of 205)."""

    BLIND = 1
    CONSULT = 2
    COMPLETE = 3
    CANCEL = 4
    SWAP = 5
    TO_QUEUE = 6
    TO_IVR = 7


class HoldNoticeAction(Choice):
    """Element `Action` of 106."""

    HOLD = 1
    RETRIEVE = 2
    ALTERNATE = 3


class HoldAction(Choice):
    """Element `Action` of 206."""

    HOLD = 1
    RETRIEVE = 2
    ALTERNATE = 3
    RECONNECT = 4


class QueueNoticeAction(Choice):
    """Element `Action` of 111."""

    ENTER = 1
    POSITION = 2
    ASSIGNED = 3
    ABANDONED = 4
    OVERFLOW = 5
    TIMEOUT = 6


class QueueAction(Choice):
    """Element `Action` of 211."""

    ENQUEUE = 1
    DEQUEUE = 2
    PRIORITY = 3
    PULL = 4


class ParkNoticeAction(Choice):
    """Element `Action` of 112."""

    PARKED = 1
    RETRIEVED = 2
    TIMEOUT = 3
    PICKED_UP = 4


class ParkAction(Choice):
    """Element `Action` of 212."""

    PARK = 1
    UNPARK = 2
    DIRECTED_PICKUP = 3
    GROUP_PICKUP = 4


class CallDataMode(Choice):
    """Element `Mode` of 213."""

    MERGE = 1
    REPLACE = 2
    DELETE = 3


class MuteAction(Choice):
    """Element `Action` of 114, 214."""

    MUTE = 1
    UNMUTE = 2


class CallState(Choice):
    """Element `State` of 115, and of a call in 193."""

    DIALLING = 1
    ALERTING = 2
    EARLY_MEDIA = 3
    ANSWERED = 4
    BRIDGED = 5
    UNBRIDGED = 6
    FAILED = 7


class AnswerAction(Choice):
    """Element `Action` of 200."""

    ANSWER = 1
    REJECT = 2
    DEFLECT = 3
    CLAIM_FIRST = 4


# --- notices -------------------------------------------------------------------------------------
@notice(100, zh="呼入通知")
class IncomingCallNotice(Message):
    """A call reached, or left, a dispatcher (patent step 303)."""

    call_id: CallId = field(patent=True)
    conference_id: ConferenceId | None = field(patent=True, default=None)
    login_id: LoginId | None = field(patent=True, default=None)
    direction: CallDirection = field(element="Type", patent=True)
    phone_num: PhoneNum | None = field(patent=True, default=None)
    to_num: PhoneNum | None = field(patent=True, default=None)
    caller_name: Name | None = None
    orig_to_num: PhoneNum | None = None
    queue_id: Ident | None = None
    trunk_id: Ident | None = None
    uui: Line | None = None
    priority: Count | None = None
    allowed_actions: Numbers | None = None


@notice(102, zh="挂断通知")
class HangupNotice(Message):
    """A leg, a call or a conference ended (patent step 313).

    `duration` in seconds from answer to end.

    Without `call_id` it tells of a conference, or of a hang-up command that came to nothing.
    """

    needs_one_of = (("call_id", "conference_id", "request_id", "result"),)

    call_id: CallId | None = field(patent=True, default=None)
    conference_id: ConferenceId | None = field(patent=True, default=None)
    login_id: LoginId | None = field(patent=True, default=None)
    phone_num: PhoneNum | None = field(patent=True, default=None)
    event_id: EventId | None = field(patent=True, default=None)
    content: FreeText | None = field(patent=True, default=None)
    reason: ReasonCode | None = None
    side: HangupSide | None = None
    start_time: datetime | None = None
    answer_time: datetime | None = None
    end_time: datetime | None = None
    duration: Seconds | None = None
    record_id: Ident | None = None
    scope: HangupScope | None = None


@notice(105, zh="转接通知")
class TransferNotice(Message):
    """A call goes from one dispatcher to another (patent step 309).

    `new_call_id` is the consultation or the new leg.
    """

    needs_one_of = (("call_id", "request_id", "result"),)

    call_id: CallId | None = field(patent=True, default=None)
    conference_id: ConferenceId | None = field(patent=True, default=None)
    from_login_id: LoginId | None = field(patent=True, default=None)
    phone_num: PhoneNum | None = field(patent=True, default=None)
    to_login_id: LoginId | None = field(patent=True, default=None)
    from_ext: PhoneNum | None = field(patent=True, default=None)
    event_id: EventId | None = field(patent=True, default=None)
    mode: TransferNoticeMode | None = None
    to_num: PhoneNum | None = None
    phase: CallPhase | None = None
    new_call_id: CallId | None = None
    reason: ReasonCode | None = None


@notice(106, zh="保持/恢复通知")
class HoldNotice(Message):
    """A party was put on hold, or is back."""

    action: HoldNoticeAction | None = None
    phone_num: PhoneNum | None = None


@notice(111, zh="排队通知")
class QueueNotice(Message):
    """A call in a queue: entered, moved, was assigned, gave up. `wait_seconds` so far."""

    queue_id: Ident | None = None
    action: QueueNoticeAction | None = None
    position: Count | None = None
    waiting: Count | None = None
    wait_seconds: Seconds | None = None


@notice(112, zh="驻留/代答通知")
class ParkPickupNotice(Message):
    """A call was parked, fetched, or picked up for somebody else."""

    action: ParkNoticeAction | None = None
    slot: Ident | None = None
    by_login_id: LoginId | None = None


@notice(113, zh="随路数据变更通知")
class CallDataNotice(Message):
    """The data attached to a call changed.

    `data` is what is attached now, `version` counts the changes.
    """

    data: tuple[KeyValue, ...] = ()
    version: Count | None = None
    by_login_id: LoginId | None = None


@notice(114, zh="静音通知")
class MuteNotice(Message):
    """A party was muted or is heard again."""

    action: MuteAction | None = None
    direction: AudioDirection | None = None


@notice(115, zh="呼叫状态通知")
class CallStateNotice(Message):
    """A call or one of its legs took a step."""

    state: CallState | None = None
    phone_num: PhoneNum | None = None
    to_num: PhoneNum | None = None
    reason: ReasonCode | None = None


# --- commands ------------------------------------------------------------------------------------
@command(200, zh="应答/拒接")
class AnswerCall(Message):
    """Take, refuse or send on a ringing call.

    `claim-first` gives it to the first of several who claim it.
    """

    call_id: CallId
    action: AnswerAction
    to_num: PhoneNum | None = None
    reason: ReasonCode | None = None


@command(202, zh="挂断")
class Hangup(Message):
    """End a leg, a call or everything of an event (patent step 313, as a command)."""

    needs_one_of = (("call_id", "conference_id", "phone_num", "event_id"),)

    phone_num: PhoneNum | None = None
    scope: HangupScope | None = None
    content: FreeText | None = None
    reason: ReasonCode | None = None


@command(205, zh="转接")
class Transfer(Message):
    """Send a call on (patent step 307), at once or after a consultation."""

    from_login_id: LoginId | None = None
    to_login_id: LoginId | None = None
    to_num: PhoneNum | None = None
    queue_id: Ident | None = None
    mode: TransferMode
    from_ext: PhoneNum | None = None


@command(206, zh="保持/恢复")
class Hold(Message):
    """Hold, retrieve, alternate between two calls, or drop the consultation and reconnect.

    `moh`: the music to play.
    """

    action: HoldAction
    moh: Ident | None = None


@command(211, zh="排队控制")
class QueueControl(Message):
    """Move a call within a queue, into or out of it."""

    action: QueueAction
    queue_id: Ident | None = None
    position: Count | None = None


@command(212, zh="驻留/代答")
class ParkPickup(Message):
    """Park a call, fetch it, or take one that rings elsewhere."""

    action: ParkAction
    slot: Ident | None = None
    target_ext: PhoneNum | None = None


@command(213, zh="附加随路数据")
class SetCallData(Message):
    """Attach data to a call; of `delete` only the keys count."""

    data: tuple[KeyValue, ...]
    mode: CallDataMode | None = None


@command(214, zh="静音")
class MuteCall(Message):
    """Mute a party or let it be heard again."""

    action: MuteAction
    direction: AudioDirection | None = None


@command(215, zh="查询呼叫")
class QueryCall(Message):
    """Ask what has become of calls; answered by 193."""

    needs_one_of = (("call_id", "phone_num", "login_id", "event_id", "conference_id"),)

    phone_num: PhoneNum | None = None


__all__ = [
    "AnswerAction",
    "AnswerCall",
    "CallDataMode",
    "CallDataNotice",
    "CallDirection",
    "CallState",
    "CallStateNotice",
    "Hangup",
    "HangupNotice",
    "HangupScope",
    "HangupSide",
    "Hold",
    "HoldAction",
    "HoldNotice",
    "HoldNoticeAction",
    "IncomingCallNotice",
    "MuteAction",
    "MuteCall",
    "MuteNotice",
    "ParkAction",
    "ParkNoticeAction",
    "ParkPickup",
    "ParkPickupNotice",
    "QueryCall",
    "QueueAction",
    "QueueControl",
    "QueueNotice",
    "QueueNoticeAction",
    "SetCallData",
    "Transfer",
    "TransferMode",
    "TransferNotice",
    "TransferNoticeMode",
]
