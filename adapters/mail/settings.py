"""What `[adapter.settings]` of an adapter of kind `mail` may hold.

```toml
[[adapter]]
id = "post"
kind = "mail"

[adapter.settings]
smtp = "mail.city.example:587"
username = "desk"
password_file = "post.secret"
sender = "desk@city.example"
imap = "mail.city.example:993"
```
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field

from linkage.config.fields import Address, Positive, PositiveInt
from linkage.config.secrets import Secret

ADDRESS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,253}")
EVENT: Final = "{event_id}"
Tls = Literal["tls", "starttls", "none"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A mail server: mails go out by SMTP, and come in by IMAP, LMTP or SMTP."""

    smtp: Address
    """where mails are handed over: `HOST:PORT`"""
    smtp_tls: Tls = "starttls"
    """`starttls` (mostly port 587), `tls` from the first byte (465), or `none`"""
    username: Annotated[str, Field(max_length=256)] = ""
    """our account there; empty: it takes mails without one"""
    password: Secret | None = None
    """its password"""
    ca: Path | None = None
    """PEM file: verifies the certificates of SMTP and IMAP; none: the authorities of the system"""
    sender: str
    """the address that mails come from, and to which answers and reports go"""
    sender_name: Annotated[str, Field(max_length=200)] = ""
    """the name beside it"""
    subject_tag: Annotated[str, Field(max_length=40)] = "[#{event_id}]"
    """what is written behind the subject of a mail under an event, by which an answer finds back
    whose program drops the other headers; empty: nothing"""
    reports: bool = True
    """ask for a report of each mail that arrives, where the server can (RFC 3461)"""
    connections: Annotated[int, Field(ge=1, le=50)] = 4
    """how many mails are handed over at once"""
    response_s: Annotated[float, Field(gt=0, le=25)] = 20.0
    """after so long without an answer, what became of a mail is unknown; a later one is told"""
    check_s: Positive = 30.0
    """how often the mail server is asked whether it is there"""
    report_within_s: Positive = 518_400.0
    """how long reports on a mail are waited for; servers give up after five days"""
    max_mail_bytes: Annotated[int, Field(ge=65_536, le=200_000_000)] = 26_214_400
    """the largest mail that is sent or taken in"""

    imap: Address | None = None
    """where the mailbox is read: `HOST:PORT`"""
    imap_tls: Tls = "tls"
    """`tls` from the first byte (mostly port 993), `starttls` (143), or `none`"""
    imap_username: Annotated[str, Field(max_length=256)] = ""
    """the account of the mailbox; empty: `username`"""
    imap_password: Secret | None = None
    """its password; none: `password`"""
    imap_folder: Annotated[str, Field(min_length=1, max_length=200)] = "INBOX"
    """the folder that is read"""
    imap_done: Literal["keep", "seen", "delete"] = "keep"
    """what becomes of a mail there once it was told: it stays as it is, is marked as seen, or is
    deleted"""
    imap_poll_s: Positive = 60.0
    """how often is looked for mails, at least; where the server can (IDLE) it says so at once"""

    listen: Address | None = None
    """where mails are taken that a mail server hands to us: `HOST:PORT`"""
    listen_protocol: Literal["lmtp", "smtp"] = "lmtp"
    """how it does"""
    listen_connections: PositiveInt = 8
    """how many may be open at once"""
    accept: tuple[str, ...] = ()
    """addresses that mails are taken for there, `*@city.example`: all of a domain; empty: all"""
    keep_original: bool = False
    """keep each mail that comes in as it came, too, as the file `original.eml`"""

    def __post_init__(self) -> None:
        problems = list(self.problems())
        if problems:
            raise ValueError("\n".join(problems))

    def problems(self) -> Iterator[str]:
        """What of the settings does not fit together, a line each."""
        if not ADDRESS.fullmatch(self.sender):
            yield f"sender: {self.sender!r} is no mail address, write it as desk@city.example"
        if self.subject_tag and self.subject_tag.replace(EVENT, "") == self.subject_tag:
            yield f"subject_tag: write where the event goes, as {EVENT}"
        elif self.subject_tag and len(self.subject_tag.replace(EVENT, "").strip()) < 2:  # noqa: PLR2004 - one sign is part of any subject
            yield "subject_tag: write at least two signs around the event, such as [#{event_id}]"
        if self.username and self.password is None:
            yield "password: is missing, or remove username"
        if self.imap is not None and not (self.imap_username or self.username):
            yield "imap_username: is missing: the mailbox of whom?"
        if self.imap is not None and self.imap_password is None and self.password is None:
            yield "imap_password: is missing"
        if self.ca is not None and self.smtp_tls == "none" and self.imap_tls == "none":
            yield "ca: is of no use without TLS; set smtp_tls or imap_tls, or remove it"

    @property
    def domain(self) -> str:
        """That of our own Message-IDs."""
        return self.sender.rpartition("@")[2]
