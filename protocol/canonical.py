"""The short way in: canonical messages, read without an XML parser.

What our writer writes, and what most peers send, is so regular that a pattern for the head and a
split at each "<" take it apart: no white space between elements, no entity, no comment, no
nesting, known names only. Whatever is not exactly so, or fails any check, yields None, and the
caller asks `protocol.reader`, the hardened parser, which alone decides what is wrong. So this
module never says no, and it says yes only where the parser would, with the same result; a property
test holds it to that for every class of the catalogue.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any, Final

from protocol import fields
from protocol.envelope import Request, Response
from protocol.message import plan_of
from protocol.messages import message_class

# What stands in quotes where it may be any text; that it is harmless is checked apart.
_PLAIN: Final = r'[^<>"]'
_ID: Final = r"([0-9A-Za-z._:-]{1,16})"
_COUNT: Final = r"([0-9]{1,15})"
_REQUEST: Final = re.compile(
    rf'<request Id="{_ID}" Type="([0-9]{{3}})"(?: Seq="{_COUNT}")?(?: Time="({_PLAIN}{{1,40}})")?'
    rf'(?: Expire="{_COUNT}")?( Resend="1")?(?: Trace="([0-9A-Za-z-]{{1,64}})")?>'
)
_REQUEST_END: Final = "</request>"
# The response without attributes of the profile, by far most of them, needs not even be decoded.
_BARE_RESPONSE: Final = re.compile(
    rf'<response RequestId="{_ID}" Type="([0-9]{{3}})" Result="([0-9]{{1,3}})"/>'.encode()
)
_RESPONSE: Final = re.compile(
    rf'<response RequestId="{_ID}" Type="([0-9]{{3}})" Result="([0-9]{{1,3}})"'
    rf'(?: Detail="({_PLAIN}*)")?(?: CallId="({_PLAIN}*)")?(?: ConferenceID="({_PLAIN}*)")?'
    rf'(?: OpId="({_PLAIN}*)")?(?: RetryAfter="{_COUNT}")?(?: LastSeq="{_COUNT}")?/>'
)

_RESPONSE_TEXTS: Final = ("detail", "call_id", "conference_id", "op_id")


def read_canonical(payload: bytes) -> Request | Response | None:
    """The request or response in a payload in UTF-8; None where not canonical or not valid."""
    try:
        if payload.startswith(b"<response"):
            return _read_response(payload)
        return _read_request(payload)
    except ValueError:  # bytes that are no UTF-8; a value that its type refuses
        return None


# --- making objects ---------------------------------------------------------------------------
@dataclasses.dataclass(frozen=True, slots=True)
class _Maker:
    """Makes frozen objects from values that were checked already, past `__init__` and its checks.

    `blank` holds a value for every slot, and in the order of `setters`.
    """

    cls: type[Any]
    blank: dict[str, Any]
    setters: tuple[Callable[[Any, Any], None], ...]

    def make(self, values: dict[str, Any]) -> Any:
        made = object.__new__(self.cls)
        for set_slot, value in zip(self.setters, values.values()):  # noqa: B905 - hot, and same
            set_slot(made, value)
        return made


def _maker(cls: type[Any]) -> _Maker:
    items = dataclasses.fields(cls)
    missing = dataclasses.MISSING
    return _Maker(
        cls,
        {item.name: None if item.default is missing else item.default for item in items},
        tuple(getattr(cls, item.name).__set__ for item in items),
    )


_REQUESTS: Final = _maker(Request)
_RESPONSES: Final = _maker(Response)


# --- reading ----------------------------------------------------------------------------------
@dataclasses.dataclass(frozen=True, slots=True)
class _Entry:
    """How one element is read. `closing` is its end tag behind the "<".

    `size` is set where the value is plain text of at most so many characters, and no other check
    is due; else `read` makes the value, of the text as it stands where `keeps_space`, or stripped.
    """

    name: str
    closing: str
    size: int | None
    read: Callable[[str], Any]
    keeps_space: bool


@dataclasses.dataclass(frozen=True, slots=True)
class _Reader:
    """How a class is read: its simple, not repeated elements, and what must be there."""

    maker: _Maker
    entries: dict[str, _Entry]
    required: tuple[str, ...]
    needs_one_of: tuple[tuple[str, ...], ...]


@cache
def _reader_of(number: str) -> _Reader | None:
    cls = message_class(int(number))
    if cls is None:
        return None
    plans = plan_of(cls)
    return _Reader(
        _maker(cls),
        {
            plan.element: _entry(plan.name, plan.element, plan.value)
            for plan in plans
            if plan.value is not None and not plan.repeated
        },
        tuple(plan.name for plan in plans if plan.required),
        cls.needs_one_of,
    )


def _entry(name: str, element: str, value: fields.Value) -> _Entry:
    is_plain = value.size is not None and value.pattern is None and not value.keeps_space
    return _Entry(
        name=name,
        closing=f"/{element}>",
        size=value.size if is_plain else None,
        read=value.parse if value.options is not None else _parse_and_check(value),
        keeps_space=value.keeps_space,
    )


def _parse_and_check(value: fields.Value) -> Callable[[str], Any]:
    def read(written: str) -> Any:
        found = value.parse(written)
        value.check(found)
        return found

    return read


def _read_request(payload: bytes) -> Request | None:
    text = payload.decode()
    head = _REQUEST.match(text)
    if head is None or "&" in text or not text.endswith(_REQUEST_END):
        return None
    request_id, number, seq, time, expire, resend, trace = head.groups()
    reader = _reader_of(number)
    if reader is None:
        return None
    message = _read_message(reader, text[head.end() : -len(_REQUEST_END)])
    if message is None:
        return None
    values = _REQUESTS.blank.copy()
    values["id"] = request_id
    values["message"] = message
    values["seq"] = _whole(seq)
    values["time"] = None if time is None else _time(time)
    values["expire_s"] = _whole(expire)
    values["resend"] = resend is not None
    values["trace"] = trace
    values["raw"] = payload
    made: Request = _REQUESTS.make(values)
    return made


def _whole(written: str | None) -> int | None:
    return None if written is None else int(written)


def _time(written: str) -> datetime | None:
    stripped = written.strip()
    return None if stripped in fields.NULL_TOKENS else fields.parse_time(stripped)


def _read_message(reader: _Reader, body: str) -> Any:
    """The message whose elements are `body`; None where they are not canonical."""
    values = reader.maker.blank.copy()
    left = reader.entries.copy()  # an element that stands there twice is not found the second time
    pieces = body.split("<")
    if pieces[0] or not len(pieces) % 2:
        return None
    rest = iter(pieces)
    next(rest)
    for opening, closing in zip(rest, rest):  # noqa: B905 - their number is even
        tag, written = opening.split(">")  # ValueError: no ">", or one in the text
        entry = left.pop(tag, None)
        # Printable text is what a parser takes as it stands: no control to refuse or normalise.
        if entry is None or closing != entry.closing or not written.isprintable():
            return None
        stripped = written.strip()
        if stripped in fields.NULL_TOKENS:
            continue
        if entry.size is None:
            values[entry.name] = entry.read(written if entry.keeps_space else stripped)
        elif len(stripped) <= entry.size:
            values[entry.name] = stripped
        else:
            return None
    return reader.maker.make(values) if _is_complete(reader, values) else None


def _is_complete(reader: _Reader, values: dict[str, Any]) -> bool:
    for name in reader.required:
        if values[name] is None:
            return False
    for group in reader.needs_one_of:
        if all(values[name] in {None, ()} for name in group):
            return False
    return True


def _read_response(payload: bytes) -> Response | None:
    values = _RESPONSES.blank.copy()
    found = _BARE_RESPONSE.fullmatch(payload)
    if found is None:
        text = payload.decode()
        long = _RESPONSE.fullmatch(text)
        if long is None or "&" in text or not text.isprintable():
            return None
        request_id, number, result, *texts, retry_after, last_seq = long.groups()
        for name, written in zip(_RESPONSE_TEXTS, texts, strict=True):
            values[name] = written or None
        values["retry_after_s"] = _whole(retry_after)
        values["last_seq"] = _whole(last_seq)
    else:
        bare_id, number, result = found.groups()
        request_id = bare_id.decode()
    values["request_id"] = request_id
    values["type"] = int(number)
    values["result"] = int(result)
    made: Response = _RESPONSES.make(values)
    return made
