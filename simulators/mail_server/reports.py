"""Mails that the server and the recipients write: reports (RFC 3464, 8098) and answers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from itertools import count
from typing import Final

_numbers: Final = count(1)
_FOLDED: Final = re.compile(rb"\r?\n[ \t]+")


@dataclass
class Taken:
    """A mail that the server has taken, for its recipients."""

    sender: str
    recipients: list[str] = field(default_factory=list)
    octets: bytes = b""
    envelope_id: str = ""
    notify: dict[str, str] = field(default_factory=dict)
    """Recipient → what reports it wants, in capitals; none: FAILURE."""
    originals: dict[str, str] = field(default_factory=dict)

    def header(self, name: str) -> str:
        """The first header of a name, unfolded; empty: it has none."""
        head = self.head()
        found = re.search(rb"(?im)^" + re.escape(name.encode()) + rb":[ \t]*(.*)$", head)
        return found[1].decode("utf-8", "replace").strip() if found else ""

    def head(self) -> bytes:
        """All headers, unfolded."""
        return _FOLDED.sub(b" ", self.octets.partition(b"\r\n\r\n")[0])


def report(taken: Taken, recipient: str, action: str, status: str, at: datetime) -> bytes:
    """What became of a mail at one recipient, as Postfix writes it."""
    boundary = f"report-{next(_numbers)}"
    original = taken.originals.get(recipient, f"rfc822;{recipient}")
    envelope = f"Original-Envelope-Id: {taken.envelope_id}\r\n" if taken.envelope_id else ""
    return (
        f"From: MAILER-DAEMON@mail.example (Mail Delivery System)\r\n"
        f"To: {taken.sender}\r\n"
        f"Subject: Mail Delivery Status Report: {action}\r\n"
        f"Date: {format_datetime(at)}\r\n"
        f"Message-ID: <{boundary}.{int(at.timestamp() * 1000)}@mail.example>\r\n"
        "Auto-Submitted: auto-replied\r\n"
        "MIME-Version: 1.0\r\n"
        f'Content-Type: multipart/report; report-type=delivery-status; boundary="{boundary}"\r\n'
        "\r\n"
        f"--{boundary}\r\nContent-Type: text/plain\r\n\r\n{action}: <{recipient}>\r\n"
        f"--{boundary}\r\nContent-Type: message/delivery-status\r\n\r\n"
        f"Reporting-MTA: dns; mail.example\r\n{envelope}Arrival-Date: {format_datetime(at)}\r\n"
        "\r\n"
        f"Final-Recipient: rfc822; {recipient}\r\nOriginal-Recipient: {original}\r\n"
        f"Action: {action}\r\nStatus: {status}\r\n"
        "\r\n"
        f"--{boundary}\r\nContent-Type: text/rfc822-headers\r\n\r\n"
        f"Message-ID: {taken.header('Message-ID')}\r\nSubject: returned\r\n"
        f"\r\n--{boundary}--\r\n"
    ).encode()


def was_read(taken: Taken, recipient: str, at: datetime) -> bytes:
    """The recipient's program says that it was shown."""
    boundary = f"read-{next(_numbers)}"
    return (
        f"From: {recipient}\r\nTo: {taken.sender}\r\nSubject: Read\r\n"
        f"Date: {format_datetime(at)}\r\n"
        f"Message-ID: <{boundary}.{int(at.timestamp() * 1000)}@mail.example>\r\n"
        "MIME-Version: 1.0\r\nContent-Type: multipart/report; "
        f"report-type=disposition-notification; boundary={boundary}\r\n"
        "\r\n"
        f"--{boundary}\r\nContent-Type: text/plain\r\n\r\nIt was read.\r\n"
        f"--{boundary}\r\nContent-Type: message/disposition-notification\r\n\r\n"
        f"Final-Recipient: rfc822;{recipient}\r\n"
        f"Original-Message-ID: {taken.header('Message-ID')}\r\n"
        "Disposition: manual-action/MDN-sent-manually; displayed\r\n"
        f"\r\n--{boundary}--\r\n"
    ).encode()


def answer(taken: Taken, recipient: str, text: str, at: datetime) -> bytes:
    """The recipient answers."""
    own = f"<answer-{next(_numbers)}.{int(at.timestamp() * 1000)}@mail.example>"
    thread = taken.header("References") or taken.header("In-Reply-To")
    answered = taken.header("Message-ID")
    return mail(
        recipient,
        taken.sender,
        f"Re: {taken.header('Subject')}",
        text,
        at,
        message_id=own,
        headers=f"In-Reply-To: {answered}\r\nReferences: {f'{thread} {answered}'.strip()}\r\n",
    )


def mail(
    sender: str,
    to: str,
    subject: str,
    text: str,
    at: datetime,
    *,
    message_id: str = "",
    headers: str = "",
) -> bytes:
    """A plain mail."""
    own = message_id or f"<mail-{next(_numbers)}.{int(at.timestamp() * 1000)}@mail.example>"
    return (
        f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\nDate: {format_datetime(at)}\r\n"
        f"Message-ID: {own}\r\n{headers}MIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
        f"\r\n{text}\r\n"
    ).encode()
