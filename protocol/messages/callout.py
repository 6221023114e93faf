"""Calling people out, one or many: 110, 116, 117 and their commands (protocol.md#catalogue)."""

from __future__ import annotations

from datetime import datetime

from protocol.fields import (
    CallId,
    Choice,
    ConferenceId,
    Count,
    Digits,
    EventId,
    FreeText,
    Ident,
    LoginId,
    Name,
    PhoneNum,
    ReasonCode,
    Seconds,
)
from protocol.message import Message, Part, command, notice, part
from protocol.messages.parts import Phone
from protocol.plans import field


class CallOutType(Choice):
    """Element `Type` of 210: 点呼, 组呼, 会议, 通知."""

    SINGLE = 1
    GROUP = 2
    CONFERENCE = 3
    NOTIFY = 4


class CallMode(Choice):
    """How the staff of a group are called (element `CallMode` of 210)."""

    ALL = 1
    SEQUENTIAL = 2
    FIRST_WINS = 3
    N_OF_GROUP = 4


@notice(110, zh="呼出结果通知")
class CallOutResultNotice(Message):
    """One person called out has joined (`reason` is None) or has not (steps 406, 414)."""

    event_id: EventId | None = field(patent=True, default=None)
    call_id: CallId | None = field(patent=True, default=None)
    login_id: LoginId | None = field(patent=True, default=None)
    conference_id: ConferenceId | None = field(patent=True, default=None)
    phone_num: PhoneNum | None = field(patent=True, default=None)
    reason: ReasonCode | None = field(patent=True, default=None)
    group_id: Ident | None = None
    staff_id: Ident | None = None
    staff_name: Name | None = None
    num_type: Ident | None = None
    attempt: Count | None = None
    answer_time: datetime | None = None


@notice(116, zh="呼出进度通知")
class CallOutProgressNotice(Message):
    """How far a 210 has come, in persons; `finished` once nothing is pending."""

    total: Count | None = None
    answered: Count | None = None
    failed: Count | None = None
    skipped: Count | None = None
    pending: Count | None = None
    finished: bool | None = None


@notice(117, zh="语音菜单/回执通知")
class IvrResultNotice(Message):
    """What somebody called by 217 pressed or said (`text`: speech recognition)."""

    staff_id: Ident | None = None
    phone_num: PhoneNum | None = None
    digits: Digits | None = None
    confirmed: bool | None = None
    text: FreeText | None = None


@part
class Staff(Part):
    """A person to call, with numbers in the order in which to try them."""

    staff_id: Ident | None = field(
        attribute=True, patent=True, aliases=("Id", "Value"), default=None
    )
    staff_name: Name | None = field(attribute=True, patent=True, default=None)
    phone_nums: tuple[Phone, ...] = field(element="PhoneNum", patent=True)


@part
class Group(Part):
    """People to call together, and how.

    `wanted`, this project's: how many are enough where `call_mode` is N-of-group.
    """

    group_id: Ident | None = field(
        attribute=True, patent=True, aliases=("Id", "Value"), default=None
    )
    group_name: Name | None = field(attribute=True, patent=True, default=None)
    call_mode: CallMode | None = field(patent=True, default=None)
    staff: tuple[Staff, ...] = field(element="Staff", patent=True, aliases=("StaffId",))
    wanted: Count | None = None


@command(210, zh="呼出/召集通知")
class CallOut(Message):
    """Call one person, groups, or everybody into a conference (patent step 402).

    `timeout` is how long one number rings, in seconds; `retry` how often it is tried again;
    `confirm_key` the key by which a person confirms a notification. Whether the patent's table has
    `Group` or `GroupId` is unknown: the reader takes both.
    """

    event_id: EventId | None = field(patent=True, default=None)
    login_id: LoginId | None = field(patent=True, default=None)
    call_id: CallId | None = field(patent=True, default=None)
    conference_id: ConferenceId | None = field(patent=True, default=None)
    call_type: CallOutType | None = field(element="Type", patent=True, default=None)
    groups: tuple[Group, ...] = field(element="Group", patent=True, aliases=("GroupId",))
    show_num: PhoneNum | None = None
    timeout: Seconds | None = None
    retry: Count | None = None
    record: bool | None = None
    file_id: Ident | None = None
    text: FreeText | None = None
    confirm_key: Digits | None = None
    priority: Count | None = None
    password: Digits | None = None


@command(216, zh="取消呼出")
class CancelCallOut(Message):
    """Stop a 210, named by its request's Id (`request_id`), wholly or for a group or person."""

    needs_one_of = (("request_id", "event_id", "call_id", "conference_id"),)

    group_id: Ident | None = None
    staff_id: Ident | None = None


@command(217, zh="语音通知/菜单")
class VoiceNotify(Message):
    """Call numbers, speak a text or play a file, and collect a key; answered by 117."""

    needs_one_of = (("text", "file_id"),)

    phone_nums: tuple[Phone, ...] = field(element="PhoneNum")
    text: FreeText | None = None
    file_id: Ident | None = None
    confirm_key: Digits | None = None
    repeat: Count | None = None


__all__ = [
    "CallMode",
    "CallOut",
    "CallOutProgressNotice",
    "CallOutResultNotice",
    "CallOutType",
    "CancelCallOut",
    "Group",
    "IvrResultNotice",
    "Staff",
    "VoiceNotify",
]
