"""Request and response: the two things a frame can carry (PROTOCOL.md section 2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from protocol.message import Message
from protocol.results import is_accepted

REQUEST_ID_MAX: Final = 16
"""Characters of a request Id (patent: Char(16))."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A business message on its way; each is owed one `Response`.

    Fields from `seq` on are attributes of the profile, sent only to peers that registered with
    version ≥ 1. `raw` is the payload as received (empty on one that we made); it does not count in
    comparisons.
    """

    id: str
    message: Message
    seq: int | None = None
    time: datetime | None = None
    expire_s: int | None = None
    resend: bool = False
    trace: str | None = None
    raw: bytes = field(default=b"", compare=False, repr=False)

    @property
    def type(self) -> int:
        """The three digits, as a number."""
        return self.message.number


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """Accepted or refused; it carries no data.

    Fields from `detail` on are attributes of the profile.
    """

    request_id: str
    type: int
    result: int
    detail: str | None = None
    call_id: str | None = None
    conference_id: str | None = None
    op_id: str | None = None
    retry_after_s: int | None = None
    last_seq: int | None = None

    @property
    def accepted(self) -> bool:
        """True for the results 0–9."""
        return is_accepted(self.result)
