"""What lives now: 193 and the question for it, 293 (protocol.md#resuming, #catalogue)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from protocol.fields import (
    CallId,
    ConferenceId,
    Count,
    EventId,
    Ident,
    Line,
    LoginId,
    Name,
    OpId,
    PhoneNum,
)
from protocol.message import Message, Part, command, notice, part
from protocol.messages.call import CallState
from protocol.messages.directory import AgentState
from protocol.plans import field


class SnapshotKind(StrEnum):
    """Element `Kind` of 293."""

    CALL = "Call"
    CONFERENCE = "Conf"
    AGENT = "Agent"
    QUEUE = "Queue"
    VIDEO = "Video"
    ALL = "All"


@part
class CallSnapshot(Part):
    """A call, or a leg of one."""

    call_id: CallId
    event_id: EventId | None = None
    op_id: OpId | None = None
    phone_num: PhoneNum | None = None
    to_num: PhoneNum | None = None
    login_id: LoginId | None = None
    state: CallState | None = None
    start_time: datetime | None = None
    answer_time: datetime | None = None
    parent_call_id: CallId | None = None
    conference_id: ConferenceId | None = None


@part
class MemberSnapshot(Part):
    """A member of a conference."""

    member_id: Ident
    call_id: CallId | None = None
    staff_id: Ident | None = None
    phone_num: PhoneNum | None = None
    role: Name | None = None
    muted: bool | None = None


@part
class ConferenceSnapshot(Part):
    """A conference and who is in it."""

    conference_id: ConferenceId = field(element="ConferenceID")
    event_id: EventId | None = None
    op_id: OpId | None = None
    subject: Line | None = None
    start_time: datetime | None = None
    locked: bool | None = None
    members: tuple[MemberSnapshot, ...] = field(element="Member", default=())


@part
class AgentSnapshot(Part):
    """A dispatcher and what they are doing."""

    login_id: LoginId
    ext: PhoneNum | None = None
    state: AgentState | None = None
    call_id: CallId | None = None


@part
class QueueSnapshot(Part):
    """A queue; `wait_seconds` is how long its first call has waited."""

    queue_id: Ident
    name: Name | None = None
    waiting: Count | None = None
    wait_seconds: Count | None = None


@part
class VideoSnapshot(Part):
    """An open video session."""

    video_id: Ident
    camera_id: Ident | None = None
    event_id: EventId | None = None
    login_id: LoginId | None = None
    start_time: datetime | None = None


@notice(193, zh="快照数据")
class SnapshotNotice(Message):
    """A page of what lives at position `as_of_seq` of the receiver's queue. Pages count from 1."""

    page: Count | None = None
    pages: Count | None = None
    as_of_seq: Count | None = None
    calls: tuple[CallSnapshot, ...] = field(element="Call", default=())
    conferences: tuple[ConferenceSnapshot, ...] = field(element="Conference", default=())
    agents: tuple[AgentSnapshot, ...] = field(element="Agent", default=())
    queues: tuple[QueueSnapshot, ...] = field(element="Queue", default=())
    videos: tuple[VideoSnapshot, ...] = field(element="Video", default=())


@command(293, zh="快照请求")
class SnapshotRequest(Message):
    """Ask for what lives now, of one kind or event or of everything; answered by 193."""

    kind: SnapshotKind | None = None


__all__ = [
    "AgentSnapshot",
    "CallSnapshot",
    "ConferenceSnapshot",
    "MemberSnapshot",
    "QueueSnapshot",
    "SnapshotKind",
    "SnapshotNotice",
    "SnapshotRequest",
    "VideoSnapshot",
]
