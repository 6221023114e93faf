"""A 240 as the octets of a mail (RFC 5322, 2045–2049).

What servers spoil is avoided: no line is longer than 78 octets but for an address or an id, bodies
are base64 or quoted-printable, headers are ASCII. Ids are written as they are: the standard
library makes encoded words of long ones.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr
from typing import Final

from adapters.mail.message_ids import ids_in

REFERENCES_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes along."""

    name: str
    octets: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Letter:
    """What a mail says; addresses are bare, `in_reply_to` holds Message-IDs."""

    message_id: str
    sender: str
    sender_name: str
    to: Sequence[str]
    cc: Sequence[str]
    subject: str
    text: str | None
    html: str | None
    in_reply_to: str | None
    attachments: Sequence[Attachment]
    at: datetime


def compose(letter: Letter) -> bytes:
    """The whole mail, its lines ended by CRLF."""
    headers = [
        ("From", formataddr((letter.sender_name, letter.sender))),
        *(("To", each) for each in [_list(letter.to)] if each),
        *(("Cc", each) for each in [_list(letter.cc)] if each),
        ("Subject", _subject(letter.subject)),
        ("Date", format_datetime(letter.at)),
        ("Message-ID", letter.message_id),
    ]
    answered = [f"<{each}>" for each in ids_in(letter.in_reply_to)[:REFERENCES_MAX]]
    if answered:
        headers += [("In-Reply-To", answered[0]), ("References", "\r\n ".join(answered))]
    head = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return head.encode("utf-8") + _body(letter).as_bytes()


def _subject(text: str) -> str:
    """Encoded words only where they are needed: not every program reads them."""
    charset = "us-ascii" if text.isascii() else "utf-8"
    return Header(text, charset, header_name="Subject").encode(linesep="\r\n")


def _list(addresses: Sequence[str]) -> str:
    return ",\r\n ".join(addresses)


def _body(letter: Letter) -> EmailMessage:
    body = EmailMessage(SMTP.clone(cte_type="7bit"))
    if letter.text is not None or letter.html is None:
        body.set_content(letter.text or "", charset="utf-8")
        if letter.html is not None:
            body.add_alternative(letter.html, subtype="html", charset="utf-8")
    else:
        body.set_content(letter.html, subtype="html", charset="utf-8")
    for each in letter.attachments:
        kind, _ = mimetypes.guess_type(each.name)
        major, _, minor = (kind or "application/octet-stream").partition("/")
        if major in {"text", "message", "multipart"}:  # else it would be read, and changed
            major, minor = "application", "octet-stream"
        body.add_attachment(each.octets, maintype=major, subtype=minor, filename=each.name)
    return body
