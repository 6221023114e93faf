"""SMS, MMS and instant messages: x20–x29 (protocol.md#catalogue)."""

from __future__ import annotations

from datetime import datetime

from protocol.fields import (
    Choice,
    Count,
    FreeText,
    Ident,
    Line,
    PhoneNum,
    ReasonCode,
    Seconds,
)
from protocol.message import Message, command, notice
from protocol.messages.parts import FileRef, KeyValue, Receiver
from protocol.plans import field


class SmsSendStatus(Choice):
    """Element `Status` of 121."""

    ACCEPTED = 1
    FAILED = 2


class SmsReportStatus(Choice):
    """Element `Status` of 122."""

    DELIVERED = 1
    EXPIRED = 2
    UNDELIVERABLE = 3
    REJECTED = 4
    UNKNOWN = 5


# --- notices ---
@notice(120, zh="短信接收通知")
class SmsReceivedNotice(Message):
    """A text message came in; `in_reply_to` is the SmsId of ours that it answers."""

    sms_id: Ident | None = None
    phone_num: PhoneNum | None = None
    to_num: PhoneNum | None = None
    content: FreeText | None = None
    recv_time: datetime | None = None
    parts: Count | None = None
    in_reply_to: Ident | None = None


@notice(121, zh="短信发送结果通知")
class SmsSendResultNotice(Message):
    """The SMS centre took a message of a 220 for one receiver, or refused it."""

    sms_id: Ident | None = None
    phone_num: PhoneNum | None = None
    staff_id: Ident | None = None
    status: SmsSendStatus | None = None
    parts: Count | None = None
    reason: ReasonCode | None = None


@notice(122, zh="短信回执通知")
class SmsReportNotice(Message):
    """What the network says became of a message: `parts_ok` of `parts` arrived."""

    sms_id: Ident | None = None
    phone_num: PhoneNum | None = None
    status: SmsReportStatus | None = None
    parts_ok: Count | None = None
    parts: Count | None = None
    done_time: datetime | None = None
    reason: ReasonCode | None = None


@notice(123, zh="彩信/即时消息接收通知")
class ImMmsReceivedNotice(Message):
    """A multimedia or instant message came in."""

    msg_id: Ident | None = None
    sender: Line | None = field(element="From", default=None)
    to: Line | None = None
    text: FreeText | None = None
    files: tuple[FileRef, ...] = ()


@notice(124, zh="群发进度通知")
class SmsBatchNotice(Message):
    """How far a 224 has come, in receivers."""

    batch_id: Ident | None = None
    total: Count | None = None
    sent: Count | None = None
    delivered: Count | None = None
    failed: Count | None = None
    finished: bool | None = None


# --- commands ---
@command(220, zh="发送短信")
class SendSms(Message):
    """Send a text, or a template with parameters, to some people.

    `ext_num` is appended to the sender's number so that an answer finds back, `report` asks for
    122, `valid_seconds` is how long the centre keeps trying.
    """

    needs_one_of = (("content", "template_id"),)

    sms_id: Ident | None = None
    receivers: tuple[Receiver, ...] = field(element="Receiver")
    content: FreeText | None = None
    ext_num: PhoneNum | None = None
    report: bool | None = None
    send_time: datetime | None = None
    valid_seconds: Seconds | None = None
    priority: Count | None = None
    template_id: Ident | None = None
    params: tuple[KeyValue, ...] = ()


@command(221, zh="撤销短信")
class CancelSms(Message):
    """Stop a message that has not been sent yet."""

    needs_one_of = (("sms_id", "request_id"),)

    sms_id: Ident | None = None


@command(222, zh="查询短信")
class QuerySms(Message):
    """Ask what became of a message; answered by 122."""

    needs_one_of = (("sms_id", "request_id", "event_id"),)

    sms_id: Ident | None = None


@command(223, zh="发送彩信或即时消息")
class SendImMms(Message):
    """Send text and files to some people."""

    needs_one_of = (("text", "file_ids"),)

    msg_id: Ident | None = None
    receivers: tuple[Receiver, ...] = field(element="Receiver")
    text: FreeText | None = None
    file_ids: tuple[Ident, ...] = field(element="FileId", default=())


@command(224, zh="短信群发")
class SendSmsBatch(Message):
    """Send one text, or a template, to whole groups; told by 124."""

    needs_one_of = (("group_ids", "receivers"), ("content", "template_id"))

    batch_id: Ident | None = None
    group_ids: tuple[Ident, ...] = field(element="GroupId", default=())
    receivers: tuple[Receiver, ...] = field(element="Receiver", default=())
    content: FreeText | None = None
    template_id: Ident | None = None
    params: tuple[KeyValue, ...] = ()


__all__ = [
    "CancelSms",
    "ImMmsReceivedNotice",
    "QuerySms",
    "SendImMms",
    "SendSms",
    "SendSmsBatch",
    "SmsBatchNotice",
    "SmsReceivedNotice",
    "SmsReportNotice",
    "SmsReportStatus",
    "SmsSendResultNotice",
    "SmsSendStatus",
]
