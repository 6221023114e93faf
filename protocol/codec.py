"""XML to message and back: a hardened, tolerant reader and a strict writer (PROTOCOL.md section 2).

Nothing that a peer sends may raise anything but `RemoteProtocolError`, fetch anything, expand anything, or take more
memory than a small multiple of its size: no DTD, no entities, no network, at most `DEPTH_MAX` levels, and the size is
bounded by the framer before a payload comes here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final

from lxml import etree

from protocol import fields
from protocol.dialect import DEFAULT, Dialect
from protocol.envelope import REQUEST_ID_MAX, Request, Response
from protocol.errors import InvalidMessageError, LocalProtocolError, RemoteProtocolError
from protocol.message import FieldPlan, Message, Part, plan_of
from protocol.messages import message_class
from protocol.results import Result

DEPTH_MAX: Final = 16
"""Levels of nesting, the root being the first; the deepest message of the catalogue has 5."""
TYPE_DIGITS: Final = 3
COUNT_MAX: Final = 2**53

_TOO_DEEP: Final = etree.XPath("boolean(" + "/*" * (DEPTH_MAX + 1) + ")")
_NEEDS_ESCAPE: Final = re.compile("[&<>\"\t\n\r]")
_ESCAPES: Final = {
    "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;",
}  # fmt: skip


def decode(payload: bytes, dialect: Dialect = DEFAULT) -> Request | Response:
    """The request or response in a payload of one complete message.

    Raises:
        RemoteProtocolError: with result 100 (not well-formed, DTD, too deep, no request or response), 101 (unknown type), 102
            (missing field) or 103 (bad value), and with the request's Id and type where they could be read.
    """
    root = _parse(payload, dialect)
    name = root.tag.lower() if isinstance(root.tag, str) else ""
    if name == "request":
        return _read_request(root, payload)
    if name == "response":
        return _read_response(root, payload)
    raise RemoteProtocolError(
        Result.BAD_FRAME, f"<{name[:40]}> is neither request nor response", raw=payload
    )


def encode(item: Request | Response, dialect: Dialect = DEFAULT) -> bytes:
    """The payload for one message, in the dialect of the peer that it goes to.

    Raises:
        LocalProtocolError: the Id is not 1–16 characters long, or a text does not fit the dialect's encoding.
    """
    written = _write_request(item, dialect) if isinstance(item, Request) else _write_response(item, dialect)
    try:
        return written.encode(dialect.encoding)
    except UnicodeEncodeError as error:
        raise LocalProtocolError(f"{dialect.encoding} cannot carry {error.object[error.start]!r}") from None


def element_texts(
    payload: bytes, cls: type[Message], dialect: Dialect = DEFAULT
) -> dict[str, str]:
    """The texts of a request's elements exactly as sent, by the field of `cls` that each stands for.

    Elements that are no field are left out; of one that is repeated, the first counts.

    Raises:
        RemoteProtocolError: as `decode`.
    """
    elements = _reader(cls).elements
    texts: dict[str, str] = {}
    for child in _parse(payload, dialect):
        tag = str(child.tag)
        plan = elements.get(tag) or elements.get(_fold(tag))
        if plan is not None:
            texts.setdefault(plan.name, child.text or "")
    return texts


# --- reading -------------------------------------------------------------------------------------------------------
@cache
def _parser(encoding: str) -> etree.XMLParser:
    return etree.XMLParser(
        encoding=encoding,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        strip_cdata=True,
    )


def _parse(payload: bytes, dialect: Dialect) -> etree._Element:
    try:
        root = etree.fromstring(payload, _parser(dialect.encoding))
    except (etree.XMLSyntaxError, ValueError) as error:
        raise RemoteProtocolError(
            Result.BAD_FRAME, f"XML is not well-formed: {error}", raw=payload
        ) from None
    if b"<!DOCTYPE" in payload and root.getroottree().docinfo.internalDTD is not None:
        raise RemoteProtocolError(
            Result.BAD_FRAME, "a document type declaration is not allowed", raw=payload
        )
    # A document with so few opening brackets cannot be that deep.
    if payload.count(b"<") > DEPTH_MAX and _TOO_DEEP(root):
        raise RemoteProtocolError(
            Result.BAD_FRAME, f"nested deeper than {DEPTH_MAX} levels", raw=payload
        )
    return root


def _read_request(root: etree._Element, payload: bytes) -> Request:
    attributes = {key: str(value) for key, value in root.attrib.items()}
    request_id = attributes.get("Id", "").strip()
    if not 1 <= len(request_id) <= REQUEST_ID_MAX or fields.CONTROL.search(request_id):
        raise RemoteProtocolError(
            Result.MISSING_FIELD, "Id: a request needs one of 1–16 characters", raw=payload
        )
    written = attributes.get("Type", "").strip()
    number = int(written) if len(written) == TYPE_DIGITS and written.isascii() and written.isdigit() else None
    cls = None if number is None else message_class(number)
    if cls is None:
        raise RemoteProtocolError(
            Result.UNKNOWN_TYPE,
            f"Type: {written[:20]!r} is not in the catalogue",
            request_id=request_id,
            request_type=number,
            raw=payload,
        )
    try:
        return Request(
            id=request_id,
            message=_read_part(root, cls),
            seq=_count(attributes, "Seq"),
            time=_time(attributes, "Time"),
            expire_s=_count(attributes, "Expire"),
            resend=attributes.get("Resend") == "1",
            trace=attributes.get("Trace", "")[:64] or None,
            raw=payload,
        )
    except InvalidMessageError as error:
        raise RemoteProtocolError(
            error.result, str(error), request_id=request_id, request_type=number, raw=payload
        ) from None


def _read_response(root: etree._Element, payload: bytes) -> Response:
    attributes = {key: str(value) for key, value in root.attrib.items()}
    request_id = attributes.get("RequestId", "").strip()
    try:
        number = _count(attributes, "Type")
        result = _count(attributes, "Result")
        if not 1 <= len(request_id) <= REQUEST_ID_MAX or number is None or result is None:
            raise InvalidMessageError(
                Result.MISSING_FIELD, "response", "needs RequestId, Type and Result"
            )
        return Response(
            request_id=request_id,
            type=number,
            result=result,
            detail=attributes.get("Detail") or None,
            call_id=attributes.get("CallId") or None,
            conference_id=attributes.get("ConferenceID") or None,
            op_id=attributes.get("OpId") or None,
            retry_after_s=_count(attributes, "RetryAfter"),
            last_seq=_count(attributes, "LastSeq"),
        )
    except InvalidMessageError as error:
        raise RemoteProtocolError(error.result, str(error), raw=payload) from None


def _count(attributes: dict[str, str], name: str) -> int | None:
    written = attributes.get(name, "").strip()
    if written in fields.NULL_TOKENS:
        return None
    if not (written.isascii() and written.isdigit()) or int(written[:17]) > COUNT_MAX:
        raise InvalidMessageError(Result.BAD_VALUE, name, "is no whole number")
    return int(written)


def _time(attributes: dict[str, str], name: str) -> datetime | None:
    written = attributes.get(name, "").strip()
    if written in fields.NULL_TOKENS:
        return None
    try:
        return fields.parse_time(written)
    except ValueError as error:
        raise InvalidMessageError(Result.BAD_VALUE, name, str(error)) from None


@dataclass(frozen=True, slots=True)
class _Reader:
    """The fields of a class by the names that a tolerant reader takes for them."""

    elements: dict[str, FieldPlan]
    attributes: tuple[FieldPlan, ...]
    text: FieldPlan | None


@cache
def _reader(cls: type[Part]) -> _Reader:
    elements: dict[str, FieldPlan] = {}
    attributes: list[FieldPlan] = []
    text = None
    for plan in plan_of(cls):
        if plan.is_text:
            text = plan
        elif plan.is_attribute:
            attributes.append(plan)
        else:
            for name in (plan.element, *plan.aliases):
                elements[name] = plan
                elements.setdefault(_fold(name), plan)
    return _Reader(elements, tuple(attributes), text)


def _fold(name: str) -> str:
    """`Phone_Num`, `PhoneNum` and `phonenum` are one name to the reader."""
    return name.replace("_", "").lower()


def _read_part(node: etree._Element, cls: type[Any]) -> Any:
    reader = _reader(cls)
    values: dict[str, Any] = {}
    for child in node:
        tag = child.tag
        plan = reader.elements.get(tag) or reader.elements.get(_fold(str(tag)))  # type: ignore[call-overload]  # tags are str: comments and PIs are gone
        if plan is None:
            continue
        value = _read_part(child, plan.part) if plan.part else _read_text(plan, child.text)
        if plan.repeated:
            if value is not None:
                values.setdefault(plan.name, []).append(value)
        elif plan.name in values:
            raise InvalidMessageError(Result.BAD_VALUE, plan.element, "stands there twice")
        else:
            values[plan.name] = value
    for plan in reader.attributes:
        values[plan.name] = _read_text(plan, _attribute(node, plan))
    if reader.text is not None:
        values[reader.text.name] = _read_text(reader.text, node.text)
    for plan in plan_of(cls):
        if plan.repeated:
            values[plan.name] = tuple(values.get(plan.name, ()))
        elif plan.required and values.get(plan.name) is None:
            raise InvalidMessageError(Result.MISSING_FIELD, plan.element, "is missing")
    return cls(**values)


def _attribute(node: etree._Element, plan: FieldPlan) -> str | None:
    for name in (plan.element, *plan.aliases):
        value = node.get(name)
        if value is not None:
            return str(value)
    folded = {_fold(name) for name in (plan.element, *plan.aliases)}
    for key, value in node.attrib.items():
        if _fold(str(key)) in folded:
            return str(value)
    return None


def _read_text(plan: FieldPlan, written: str | None) -> Any:
    assert plan.value is not None
    if written is None:
        return None
    stripped = written.strip()
    if stripped in fields.NULL_TOKENS:
        return None
    try:
        return plan.value.parse(written if plan.value.keeps_space else stripped)
    except ValueError as error:
        raise InvalidMessageError(Result.BAD_VALUE, plan.element, str(error)) from None


# --- writing -------------------------------------------------------------------------------------------------------
def escape(text: str) -> str:
    """Text as it stands in an element or a double-quoted attribute; survives a parser's normalisation of white space."""
    if _NEEDS_ESCAPE.search(text) is None:
        return text
    return "".join(_ESCAPES.get(character, character) for character in text)


def _write_request(item: Request, dialect: Dialect) -> str:
    if not 1 <= len(item.id) <= REQUEST_ID_MAX:
        raise LocalProtocolError(f"Id {item.id!r} is not 1–16 characters long")
    head = f'<request Id="{escape(item.id)}" Type="{item.type:03d}"'
    if dialect.profile:
        head += "".join(_profile_attributes(item))
    return f"{head}>{encode_body(item.message, dialect)}</request>"


def _profile_attributes(item: Request) -> Iterator[str]:
    if item.seq is not None:
        yield f' Seq="{item.seq}"'
    if item.time is not None:
        yield f' Time="{fields.format_time(item.time)}"'
    if item.expire_s is not None:
        yield f' Expire="{item.expire_s}"'
    if item.resend:
        yield ' Resend="1"'
    if item.trace is not None:
        yield f' Trace="{escape(item.trace)}"'


def encode_body(message: Message, dialect: Dialect = DEFAULT) -> str:
    """The elements of a message without the request around them, as text."""
    return "".join(_write_elements(message, dialect))


def _write_elements(item: Part, dialect: Dialect) -> Iterator[str]:
    patent_only = not dialect.profile
    for plan in _writer(type(item)):
        if patent_only and not plan.patent:
            continue
        value = getattr(item, plan.name)
        if plan.repeated:
            for single in value:
                yield _write_one(plan, single, dialect)
        elif value is not None:
            yield _write_one(plan, value, dialect)
        elif plan.patent and isinstance(item, Message):
            yield f"<{plan.element}>{dialect.empty_token}</{plan.element}>"


@cache
def _writer(cls: type[Part]) -> tuple[FieldPlan, ...]:
    return tuple(plan for plan in plan_of(cls) if not plan.is_attribute and not plan.is_text)


def _write_one(plan: FieldPlan, value: Any, dialect: Dialect) -> str:
    tag = plan.element
    if plan.part is None:
        assert plan.value is not None
        return f"<{tag}>{escape(plan.value.format(value))}</{tag}>"
    attributes = ""
    text = ""
    for inner in plan_of(plan.part):
        content = getattr(value, inner.name)
        if content is None or inner.value is None:
            continue
        if inner.is_attribute:
            attributes += f' {inner.element}="{escape(inner.value.format(content))}"'
        elif inner.is_text:
            text = escape(inner.value.format(content))
    return f"<{tag}{attributes}>{text}{''.join(_write_elements(value, dialect))}</{tag}>"


def _write_response(item: Response, dialect: Dialect) -> str:
    written = f'<response RequestId="{escape(item.request_id)}" Type="{item.type:03d}" Result="{item.result}"'
    if dialect.profile:
        for name, value in (
            ("Detail", item.detail),
            ("CallId", item.call_id),
            ("ConferenceID", item.conference_id),
            ("OpId", item.op_id),
            ("RetryAfter", item.retry_after_s),
            ("LastSeq", item.last_seq),
        ):
            if value is not None:
                written += f' {name}="{escape(str(value))}"'
    return written + "/>"


