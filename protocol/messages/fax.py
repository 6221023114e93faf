"""Fax: x30–x39 (protocol.md#catalogue)."""

from __future__ import annotations

from datetime import datetime

from protocol.fields import Choice, Count, Ident, Line, PhoneNum, ReasonCode
from protocol.message import Message, command, notice
from protocol.messages.parts import Phone
from protocol.plans import field


class FaxStatus(Choice):
    """Element `Status` of 131."""

    DONE = 1
    FAILED = 2
    PARTIAL = 3
    RETRYING = 4


# --- notices ---
@notice(130, zh="传真接收通知")
class FaxReceivedNotice(Message):
    """A fax came in; `csid` is what the sending machine calls itself."""

    fax_id: Ident | None = None
    phone_num: PhoneNum | None = None
    to_num: PhoneNum | None = None
    pages: Count | None = None
    file_id: Ident | None = None
    csid: Line | None = None
    recv_time: datetime | None = None


@notice(131, zh="传真发送结果通知")
class FaxResultNotice(Message):
    """What became of a fax to one number: `pages_sent` of `pages`."""

    fax_id: Ident | None = None
    phone_num: PhoneNum | None = None
    status: FaxStatus | None = None
    pages_sent: Count | None = None
    pages: Count | None = None
    attempt: Count | None = None
    reason: ReasonCode | None = None


@notice(132, zh="传真进度通知")
class FaxProgressNotice(Message):
    """A fax is at this page; `rate` in bits per second."""

    fax_id: Ident | None = None
    page: Count | None = None
    pages: Count | None = None
    rate: Count | None = None


# --- commands ---
@command(230, zh="发送传真")
class SendFax(Message):
    """Send a file as fax.

    `cover` is the text of a cover page, `resolution` as `standard`, `fine`.
    """

    fax_id: Ident | None = None
    phone_nums: tuple[Phone, ...] = field(element="PhoneNum")
    file_id: Ident
    cover: Line | None = None
    retry: Count | None = None
    resolution: Ident | None = None
    send_time: datetime | None = None


@command(231, zh="取消传真")
class CancelFax(Message):
    """Stop a fax, also one that is being sent."""

    needs_one_of = (("fax_id", "request_id"),)

    fax_id: Ident | None = None


@command(232, zh="查询传真")
class QueryFax(Message):
    """Ask what became of a fax; answered by 131."""

    needs_one_of = (("fax_id", "request_id", "event_id"),)

    fax_id: Ident | None = None


__all__ = [
    "CancelFax",
    "FaxProgressNotice",
    "FaxReceivedNotice",
    "FaxResultNotice",
    "FaxStatus",
    "QueryFax",
    "SendFax",
]
