"""Conferences, broadcasts and push-to-talk.

103, 104, 118, 119 and their commands (protocol.md#catalogue).
"""

from __future__ import annotations

from protocol.fields import (
    CallId,
    Choice,
    ConferenceId,
    Count,
    Digits,
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
from protocol.message import Message, Part, command, notice, part
from protocol.messages.parts import Phone
from protocol.plans import field


class ConferenceNoticeAction(Choice):
    """Element `Action` of 103."""

    CREATED = 1
    CONNECTED = 2
    ENDED = 3
    LOCKED = 4
    UNLOCKED = 5
    RECORD_ON = 6
    RECORD_OFF = 7
    MODE = 8


class ConferenceAction(Choice):
    """Element `Action` of 203."""

    CREATE = 1
    END = 2
    LOCK = 3
    UNLOCK = 4
    RECORD_ON = 5
    RECORD_OFF = 6
    MUTE_ALL = 7
    UNMUTE_ALL = 8
    PLAY = 9
    MODE = 10
    EXTEND = 11
    RENAME = 12
    MERGE = 13
    SPLIT = 14


class ConferenceMode(Choice):
    """Who may speak (element `Mode` of 203)."""

    FREE = 1
    LECTURE = 2
    HOST = 3


class MemberNoticeAction(Choice):
    """Element `Action` of 104."""

    RINGING = 1
    JOINED = 2
    LEFT = 3
    KICKED = 4
    MUTED = 5
    UNMUTED = 6
    DEAF = 7
    UNDEAF = 8
    HOLD = 9
    RETRIEVE = 10
    HAND_UP = 11
    FLOOR = 12
    TALK_START = 13
    TALK_STOP = 14
    ROLE = 15


class MemberAction(Choice):
    """Element `Action` of 204."""

    ADD = 1
    KICK = 2
    MUTE = 3
    UNMUTE = 4
    DEAF = 5
    UNDEAF = 6
    HOLD = 7
    RETRIEVE = 8
    GIVE_FLOOR = 9
    ROLE = 10
    SIDE_TALK = 11
    VOLUME = 12
    REDIAL = 13
    MOVE = 14


class BroadcastAction(Choice):
    """Element `Action` of 118."""

    START = 1
    END = 2
    FAILED = 3


class PttNoticeAction(Choice):
    """Element `Action` of 119."""

    REQUEST = 1
    GRANTED = 2
    RELEASED = 3
    DENIED = 4


class PttAction(Choice):
    """Element `Action` of 219."""

    REQUEST = 1
    RELEASE = 2
    PREEMPT = 3
    ADD = 4
    REMOVE = 5


# --- notices -------------------------------------------------------------------------------------
@notice(103, zh="会议通知")
class ConferenceNotice(Message):
    """A conference was created, connected, ended or changed (patent step 403).

    Without `conference_id` it tells of a conference command that came to nothing.
    """

    needs_one_of = (("conference_id", "request_id", "result"),)

    call_id: CallId | None = field(patent=True, default=None)
    conference_id: ConferenceId | None = field(patent=True, default=None)
    login_id: LoginId | None = field(patent=True, default=None)
    event_id: EventId | None = field(patent=True, default=None)
    action: ConferenceNoticeAction | None = None
    subject: Line | None = None
    member_count: Count | None = None
    reason: ReasonCode | None = None


@notice(104, zh="会议成员通知")
class ConferenceMemberNotice(Message):
    """Something happened to one member of a conference."""

    member_id: Ident | None = None
    staff_id: Ident | None = None
    phone_num: PhoneNum | None = None
    action: MemberNoticeAction | None = None
    role: Name | None = None
    reason: ReasonCode | None = None


@notice(118, zh="广播/组呼通知")
class BroadcastNotice(Message):
    """A broadcast began, ended or failed; `reached` of `total` receivers."""

    broadcast_id: Ident | None = None
    action: BroadcastAction | None = None
    group_id: Ident | None = None
    reached: Count | None = None
    total: Count | None = None


@notice(119, zh="集群对讲通知")
class PttNotice(Message):
    """Who has the floor of a talk group."""

    talk_group_id: Ident | None = None
    terminal_id: Ident | None = None
    action: PttNoticeAction | None = None


# --- commands ------------------------------------------------------------------------------------
@command(203, zh="会议控制")
class ConferenceControl(Message):
    """Create, end or change a conference. `duration` in seconds; `file_id` is what `play` plays.

    `to_conference_id` is the conference that `merge` merges into.
    """

    action: ConferenceAction
    subject: Line | None = None
    password: Digits | None = None
    max_members: Count | None = None
    mode: ConferenceMode | None = None
    duration: Seconds | None = None
    file_id: Ident | None = None
    to_conference_id: ConferenceId | None = field(element="ToConferenceID", default=None)


@part
class Member(Part):
    """Who is meant: a member there is, or a number or person to add."""

    needs_one_of = (("member_id", "phone_num", "staff_id"),)

    member_id: Ident | None = None
    phone_num: PhoneNum | None = None
    staff_id: Ident | None = None


@command(204, zh="会议成员控制")
class ConferenceMemberControl(Message):
    """Do something to members of a conference; `to_conference_id` is where `move` moves them."""

    action: MemberAction
    members: tuple[Member, ...] = field(element="Member")
    role: Name | None = None
    volume: Count | None = None
    to_conference_id: ConferenceId | None = field(element="ToConferenceID", default=None)


@command(218, zh="广播/组呼")
class Broadcast(Message):
    """Speak to many at once: a text, a file, or live.

    `loop`: how often; `live`: the operator speaks.
    """

    needs_one_of = (("group_id", "phone_nums"), ("text", "file_id", "live"))

    group_id: Ident | None = None
    phone_nums: tuple[Phone, ...] = field(element="PhoneNum", default=())
    text: FreeText | None = None
    file_id: Ident | None = None
    live: bool | None = None
    loop: Count | None = None
    priority: Count | None = None


@command(219, zh="集群对讲控制")
class PttControl(Message):
    """Ask for the floor of a talk group, give it back, or change who belongs to it."""

    talk_group_id: Ident
    action: PttAction
    terminal_id: Ident | None = None


__all__ = [
    "Broadcast",
    "BroadcastAction",
    "BroadcastNotice",
    "ConferenceAction",
    "ConferenceControl",
    "ConferenceMemberControl",
    "ConferenceMemberNotice",
    "ConferenceMode",
    "ConferenceNotice",
    "ConferenceNoticeAction",
    "Member",
    "MemberAction",
    "MemberNoticeAction",
    "PttAction",
    "PttControl",
    "PttNotice",
    "PttNoticeAction",
]
