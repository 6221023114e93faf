"""Events and what belongs to them.

101, 180–184, 201, 280–287 (protocol.md#bindings; blocks x01 and x80–x89).
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from protocol.fields import (
    CallId,
    Choice,
    ConferenceId,
    Count,
    EventId,
    FreeText,
    Ident,
    Lat,
    Line,
    LoginId,
    Lon,
    Name,
    OpId,
    PhoneNum,
    ReasonCode,
    Sha256,
    Url,
)
from protocol.message import Message, Part, command, notice, part
from protocol.messages.parts import OperationKind
from protocol.plans import field


class BindCause(StrEnum):
    """Why an operation belongs to an event, strongest first (protocol.md#bindings)."""

    EXPLICIT = "explicit"
    CREATED = "created"
    DERIVED = "derived"
    COMMAND = "command"
    REPLY = "reply"
    MANUAL = "manual"


class BindAction(Choice):
    """Element `Action` of 281."""

    BIND = 1
    UNBIND = 2
    MOVE = 3


class LinkAction(Choice):
    """Element `Action` of 183, 283."""

    MERGE = 1
    UNMERGE = 2
    LINK_PARENT = 3
    LINK_CHILD = 4
    LINK = 5
    UNLINK = 6
    SPLIT = 7


class CloseAction(Choice):
    """Element `Action` of 284."""

    CLOSE = 1
    REOPEN = 2


class ExportFormat(StrEnum):
    """Element `Format` of 182, 286."""

    ZIP = "Zip"
    VCON = "VCon"
    PDF = "Pdf"
    CAP = "Cap"


@part
class Candidate(Part):
    """An open event that an operation might belong to."""

    event_id: EventId
    title: Line | None = None


@part
class Record(Part):
    """One communication operation of an event.

    `parent_op_id` is the one it came from (a leg's call, a file's operation).
    """

    op_id: OpId
    kind: OperationKind | None = None
    call_id: CallId | None = None
    conference_id: ConferenceId | None = None
    phone_num: PhoneNum | None = None
    to_num: PhoneNum | None = None
    login_id: LoginId | None = None
    start_time: datetime | None = None
    answer_time: datetime | None = None
    end_time: datetime | None = None
    result: Name | None = None
    reason: ReasonCode | None = None
    record_id: Ident | None = None
    file_id: Ident | None = None
    summary: FreeText | None = None
    cause: BindCause | None = None
    parent_op_id: OpId | None = None


# --- notices -------------------------------------------------------------------------------------
@notice(101, zh="通信归并通知")
class EventBoundNotice(Message):
    """To which event an operation belongs now.

    Bound to `event_id`, moved there from `old_event_id`, or, where several events fit and nothing
    is guessed, the `candidates`.
    """

    event_id: EventId | None = None
    old_event_id: EventId | None = None
    kind: OperationKind | None = None
    op_id: OpId | None = None
    cause: BindCause | None = None
    candidates: tuple[Candidate, ...] = field(element="Candidate", default=())


@notice(180, zh="事件通信记录数据")
class EventRecordNotice(Message):
    """A page of the operations of an event: the answer to 280. Pages count from 1."""

    event_id: EventId | None = None
    page: Count | None = None
    pages: Count | None = None
    records: tuple[Record, ...] = field(element="Record", default=())


@notice(181, zh="文件就绪通知")
class FileReadyNotice(Message):
    """A file can be fetched at `url` until `url_expire`. `size` in bytes."""

    file_id: Ident | None = None
    kind: Ident | None = None
    name: Line | None = None
    size: Count | None = None
    sha256: Sha256 | None = None
    url: Url | None = None
    url_expire: datetime | None = None


@notice(182, zh="事件导出完成通知")
class ExportReadyNotice(Message):
    """An event was exported into a file."""

    format: ExportFormat | None = None
    file_id: Ident | None = None


@notice(183, zh="事件合并/关联结果")
class EventLinkNotice(Message):
    """Two events were merged, linked or split; `moved` operations changed their event."""

    other_event_id: EventId | None = None
    action: LinkAction | None = None
    moved: Count | None = None


@notice(184, zh="预案执行状态通知")
class PlanStatusNotice(Message):
    """How far a plan has come."""

    plan_id: Ident | None = None
    step_id: Ident | None = None
    status: Name | None = None
    reason: ReasonCode | None = None


# --- commands ------------------------------------------------------------------------------------
@command(201, zh="创建事件")
class CreateEvent(Message):
    """The business platform has opened an event and names its first call (patent step 306).

    The patent does not say what `Type` (`kind`) means: it is kept as it came.
    """

    call_id: CallId | None = field(patent=True, default=None)
    conference_id: ConferenceId | None = field(patent=True, default=None)
    login_id: LoginId | None = field(patent=True, default=None)
    kind: Name | None = field(element="Type", patent=True, default=None)
    event_id: EventId = field(patent=True)
    event_type: Name | None = None
    title: Line | None = None
    level: Name | None = None
    address: Line | None = None
    lon: Lon | None = None
    lat: Lat | None = None
    parent_event_id: EventId | None = None
    time: datetime | None = None


@command(280, zh="按事件检索通信")
class QueryEventRecord(Message):
    """Ask for the operations of an event, narrowed by kind, time and number; answered by 180."""

    event_id: EventId
    kinds: tuple[OperationKind, ...] = field(element="Kind", default=())
    from_time: datetime | None = field(element="From", default=None)
    to_time: datetime | None = field(element="To", default=None)
    phone_num: PhoneNum | None = None
    include_linked: bool | None = None
    page: Count | None = None


@command(281, zh="通信归并/解除")
class BindEvent(Message):
    """Say by hand which event an operation belongs to."""

    needs_one_of = (
        (
            "op_id",
            "call_id",
            "conference_id",
            "sms_id",
            "fax_id",
            "mail_id",
            "video_id",
            "file_id",
        ),
    )

    event_id: EventId
    action: BindAction
    sms_id: Ident | None = None
    fax_id: Ident | None = None
    mail_id: Ident | None = None
    video_id: Ident | None = None
    file_id: Ident | None = None


@command(282, zh="更新事件")
class UpdateEvent(Message):
    """Change what is known of an event; elements that are missing stay as they are."""

    event_id: EventId
    title: Line | None = None
    level: Name | None = None
    status: Name | None = None
    event_type: Name | None = None
    address: Line | None = None
    lon: Lon | None = None
    lat: Lat | None = None


@command(283, zh="事件合并/拆分/关联")
class LinkEvent(Message):
    """Merge, link or split events.

    `op_ids` are the operations that `split` takes out of `event_id` into the other.
    """

    event_id: EventId
    other_event_id: EventId
    action: LinkAction
    op_id: None = None
    op_ids: tuple[OpId, ...] = field(element="OpId", default=())


@command(284, zh="结束/重开事件")
class CloseEvent(Message):
    """Close an event, on request hanging up everything of it, or open it again."""

    event_id: EventId
    action: CloseAction
    summary: FreeText | None = None
    hangup_all: bool | None = None


@command(285, zh="取文件")
class GetFile(Message):
    """Ask for a file; `purpose` is kept for the audit. Answered by 181."""

    file_id: Ident
    purpose: Line | None = None


@command(286, zh="导出事件")
class ExportEvent(Message):
    """Ask for an event, or a part of its time, as one file; answered by 182."""

    event_id: EventId
    format: ExportFormat | None = None
    from_time: datetime | None = field(element="From", default=None)
    to_time: datetime | None = field(element="To", default=None)


@command(287, zh="执行预案")
class RunPlan(Message):
    """Start a prepared plan for an event; told by 184."""

    plan_id: Ident
    event_id: EventId


__all__ = [
    "BindAction",
    "BindCause",
    "BindEvent",
    "Candidate",
    "CloseAction",
    "CloseEvent",
    "CreateEvent",
    "EventBoundNotice",
    "EventLinkNotice",
    "EventRecordNotice",
    "ExportEvent",
    "ExportFormat",
    "ExportReadyNotice",
    "FileReadyNotice",
    "GetFile",
    "LinkAction",
    "LinkEvent",
    "PlanStatusNotice",
    "QueryEventRecord",
    "Record",
    "RunPlan",
    "UpdateEvent",
]
