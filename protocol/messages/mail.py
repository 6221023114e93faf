"""E-mail: x40–x49 (protocol.md#catalogue)."""

from __future__ import annotations

from protocol.fields import Choice, Count, FreeText, Ident, Line, MailAddress, ReasonCode
from protocol.message import Message, command, notice
from protocol.messages.parts import FileRef
from protocol.plans import field


class MailStatus(Choice):
    """Element `Status` of 141."""

    ACCEPTED = 1
    FAILED = 2
    UNKNOWN = 3


class MailReportStatus(Choice):
    """Element `Status` of 142."""

    DELIVERED = 1
    DELAYED = 2
    BOUNCED = 3
    READ = 4


# --- notices ---
@notice(140, zh="邮件接收通知")
class MailReceivedNotice(Message):
    """A mail came in.

    `mail_id` is ours; `message_id` and `in_reply_to` are the mail's own headers.
    """

    mail_id: Ident | None = None
    message_id: Line | None = None
    in_reply_to: Line | None = None
    sender: MailAddress | None = field(element="From", default=None)
    to: tuple[MailAddress, ...] = ()
    cc: tuple[MailAddress, ...] = ()
    subject: Line | None = None
    text: FreeText | None = None
    files: tuple[FileRef, ...] = ()


@notice(141, zh="邮件发送结果通知")
class MailResultNotice(Message):
    """The mail server took a mail for one recipient, or refused it.

    Or nobody knows, since its answer was lost. `message_id` is the header of the mail as it was
    sent, which answers to it name.
    """

    mail_id: Ident | None = None
    message_id: Line | None = None
    recipient: MailAddress | None = None
    status: MailStatus | None = None
    smtp_code: Count | None = None
    reason: ReasonCode | None = None


@notice(142, zh="邮件回执/退信通知")
class MailReportNotice(Message):
    """What is heard of a mail later; `enhanced_code` as of RFC 3463 (`5.1.1`)."""

    mail_id: Ident | None = None
    recipient: MailAddress | None = None
    status: MailReportStatus | None = None
    enhanced_code: Ident | None = None


# --- commands ---
@command(240, zh="发送邮件")
class SendMail(Message):
    """Send a mail. Its Message-ID carries the EventId, by which an answer finds back."""

    mail_id: Ident | None = None
    to: tuple[MailAddress, ...]
    cc: tuple[MailAddress, ...] = ()
    subject: Line | None = None
    text: FreeText | None = None
    html: FreeText | None = None
    file_ids: tuple[Ident, ...] = field(element="FileId", default=())
    in_reply_to: Line | None = None


@command(241, zh="撤销邮件")
class CancelMail(Message):
    """Stop a mail that has not been handed over yet."""

    needs_one_of = (("mail_id", "request_id"),)

    mail_id: Ident | None = None


@command(242, zh="查询邮件")
class QueryMail(Message):
    """Ask what became of a mail; answered by 142."""

    needs_one_of = (("mail_id", "request_id", "event_id"),)

    mail_id: Ident | None = None


__all__ = [
    "CancelMail",
    "MailReceivedNotice",
    "MailReportNotice",
    "MailReportStatus",
    "MailResultNotice",
    "MailStatus",
    "QueryMail",
    "SendMail",
]
