"""Calls and conferences: x00–x19 (PROTOCOL.md sections 6.1 and 6.2)."""

from __future__ import annotations

from protocol.fields import (
    CallId,
    Choice,
    ConferenceId,
    EventId,
    Lat,
    Line,
    LoginId,
    Lon,
    Name,
    PhoneNum,
)
from protocol.message import Message, command, field, notice


class CallDirection(Choice):
    """Element `Type` of 100."""

    IN = 1
    OUT = 2


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


@command(201, zh="创建事件")
class CreateEvent(Message):
    """The business platform has opened an event and names the call it began with (patent step 306)."""

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
