"""Request and response: the two things a frame can carry (protocol.md#requests-and-responses)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from protocol.message import Message
from protocol.results import is_accepted

REQUEST_ID_MAX: Final = 16
"""Characters of a request Id (patent: Char(16))."""


@dataclass(frozen=True, init=False)
class Request:
    """A business message on its way; each is owed one `Response`.

    Fields from `seq` on are attributes of the profile, sent only to peers that registered with
    version ≥ 1: `resend` says that its sender sent it before, `repeat` that linkage cannot tell
    whether what it comes from was told before. `raw` is the payload as received (empty on one
    that we made); it does not count in comparisons.

    Construction is written out, here and for `Response`: that of a frozen dataclass sets field by
    field, at four times the price, and every message comes through here.
    """

    id: str
    message: Message
    seq: int | None = None
    time: datetime | None = None
    expire_s: int | None = None
    resend: bool = False
    repeat: bool = False
    trace: str | None = None
    raw: bytes = field(default=b"", compare=False, repr=False)

    def __init__(
        self,
        *,
        id: str,  # noqa: A002 - the field's name
        message: Message,
        seq: int | None = None,
        time: datetime | None = None,
        expire_s: int | None = None,
        resend: bool = False,
        repeat: bool = False,
        trace: str | None = None,
        raw: bytes = b"",
    ) -> None:
        _keep_request(
            self,
            {
                "id": id,
                "message": message,
                "seq": seq,
                "time": time,
                "expire_s": expire_s,
                "resend": resend,
                "repeat": repeat,
                "trace": trace,
                "raw": raw,
            },
        )

    @property
    def type(self) -> int:
        """The three digits, as a number."""
        return self.message.number


_keep_request: Final[Any] = Request.__dict__["__dict__"].__set__


def bare_request(request_id: str, message: Message, raw: bytes) -> Request:
    """A request without attributes of the profile, which stay the class's: at half the price."""
    made = object.__new__(Request)
    _keep_request(made, {"id": request_id, "message": message, "raw": raw})
    return made


@dataclass(frozen=True, init=False)
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

    def __init__(
        self,
        *,
        request_id: str,
        type: int,  # noqa: A002 - the field's name
        result: int,
        detail: str | None = None,
        call_id: str | None = None,
        conference_id: str | None = None,
        op_id: str | None = None,
        retry_after_s: int | None = None,
        last_seq: int | None = None,
    ) -> None:
        _keep_response(
            self,
            {
                "request_id": request_id,
                "type": type,
                "result": result,
                "detail": detail,
                "call_id": call_id,
                "conference_id": conference_id,
                "op_id": op_id,
                "retry_after_s": retry_after_s,
                "last_seq": last_seq,
            },
        )

    @property
    def accepted(self) -> bool:
        """True for the results 0–9."""
        return is_accepted(self.result)


_keep_response: Final[Any] = Response.__dict__["__dict__"].__set__


def bare_response(request_id: str, type_: int, result: int) -> Response:
    """A response without attributes of the profile; see `bare_request`."""
    made = object.__new__(Response)
    _keep_response(made, {"request_id": request_id, "type": type_, "result": result})
    return made
