"""The short way in: canonical messages, read without an XML parser.

What our writer writes, and what most peers send, is so regular that a pattern for the head and a
split at each "<" take it apart: no white space between elements, no entity, no comment, no
nesting but for parts that are flat themselves, known names only. Whatever is not exactly so, or
fails any check, yields None, and the caller asks `protocol.xml.reader`, the hardened parser, which
alone decides what is wrong. So this module never says no, and it says yes only where the parser
would, with the same result; a property test holds it to that for every class of the catalogue.

Peers send the same few *shapes* again and again: the same elements in the same order, the same of
them without a value. A shape that came often enough gets one pattern for all that stands behind
the head (`protocol.xml.shapes`), and the split is not needed any more.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final

from protocol import fields
from protocol.envelope import Request, Response, bare_request, bare_response
from protocol.message import made_of
from protocol.messages import message_class
from protocol.xml.shapes import Reader, Shapes

# What stands in quotes where it may be any text; that it is harmless is checked apart.
_PLAIN: Final = r'[^<>"]'
_ID: Final = r"([0-9A-Za-z._:-]{1,16})"
_COUNT: Final = r"([0-9]{1,15})"
_BARE_REQUEST: Final = re.compile(rf'<request Id="{_ID}" Type="([0-9]{{3}})">')
_REQUEST: Final = re.compile(
    rf'<request Id="{_ID}" Type="([0-9]{{3}})"(?: Seq="{_COUNT}")?(?: Time="([^<>"&]{{1,40}})")?'
    rf'(?: Expire="{_COUNT}")?( Resend="1")?( Repeat="1")?(?: Trace="([0-9A-Za-z-]{{1,64}})")?>'
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


def read_canonical(payload: bytes) -> Request | Response | None:
    """The request or response in a payload in UTF-8; None where not canonical or not valid."""
    try:
        if payload.startswith(b"<response"):
            return _read_response(payload)
        return _read_request(payload)
    except (ValueError, KeyError):  # bytes that are no UTF-8; a value that its type refuses
        return None


# --- requests ---------------------------------------------------------------------------------
_SHAPES: Final[dict[str, Shapes | None]] = {}
"""By the three digits of a type; None where the catalogue has no such row."""


def _shapes_of(number: str) -> Shapes | None:
    if number not in _SHAPES:
        cls = message_class(int(number))
        _SHAPES[number] = None if cls is None else Shapes(Reader(cls))
    return _SHAPES[number]


def _read_request(payload: bytes) -> Request | None:
    text = payload.decode()
    # Printable text is what a parser takes as it stands: no control to refuse or normalise. Of
    # ASCII the patterns see to that.
    if not (text.isascii() or text.isprintable()):
        return None
    head = _BARE_REQUEST.match(text)
    if head is not None and head[1] not in fields.NULL_TOKENS:
        request_id, number = head.groups()
        message = _read_body(number, text, head.end())
        if message is None:
            return None
        return bare_request(request_id, message, payload)
    head = _REQUEST.match(text)
    if head is None or head[1] in fields.NULL_TOKENS:
        return None
    request_id, number, seq, time, expire, resend, repeat, trace = head.groups()
    message = _read_body(number, text, head.end())
    if message is None:
        return None
    return Request(
        id=request_id,
        message=message,
        seq=_whole(seq),
        time=None if time is None else _time(time),
        expire_s=_whole(expire),
        resend=resend is not None,
        repeat=repeat is not None,
        trace=trace,
        raw=payload,
    )


def _read_body(number: str, text: str, start: int) -> Any:
    """The message whose elements begin there; None where they are not canonical."""
    shapes = _SHAPES.get(number) or _shapes_of(number)
    if shapes is None:
        return None
    values = shapes.match(text, start)
    if values is None:
        if "&" in text or not text.endswith(_REQUEST_END) or not text.isprintable():
            return None
        values = shapes.split(text[start : -len(_REQUEST_END)])
        if values is None:
            return None
    return made_of(shapes.cls, values)


def _whole(written: str | None) -> int | None:
    return None if written is None else int(written)


def _time(written: str) -> datetime | None:
    if not written.isprintable():
        raise ValueError
    stripped = written.strip()
    return None if stripped in fields.NULL_TOKENS else fields.parse_time(stripped)


# --- responses --------------------------------------------------------------------------------
_NUMBERS: Final = {b"%03d" % number: number for number in range(1000)}
_RESULTS: Final = {str(number).encode(): number for number in range(1000)}


def _read_response(payload: bytes) -> Response | None:
    found = _BARE_RESPONSE.fullmatch(payload)
    if found is not None:
        name, number, result = found.groups()
        # KeyError: a result that is written with zeros before it.
        return bare_response(name.decode(), _NUMBERS[number], _RESULTS[result])
    text = payload.decode()
    long = _RESPONSE.fullmatch(text)
    if long is None or "&" in text or not text.isprintable():
        return None
    request_id, number_, result_, detail, call, conference, op, retry_after, last_seq = (
        long.groups()
    )
    return Response(
        request_id=request_id,
        type=int(number_),
        result=int(result_),
        detail=detail or None,
        call_id=call or None,
        conference_id=conference or None,
        op_id=op or None,
        retry_after_s=_whole(retry_after),
        last_seq=_whole(last_seq),
    )
