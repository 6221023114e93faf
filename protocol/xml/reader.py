"""XML to message: the hardened, tolerant reader (protocol.md#values).

Nothing that a peer sends may raise anything but `RemoteProtocolError`, fetch anything, expand
anything, or take more memory than a small multiple of its size: no DTD, no entities, no network,
at most `DEPTH_MAX` levels, and the size is bounded by the framer before a payload comes here.
Names that nobody knows never come to libxml2, which would keep them: see `unknown_names`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final

from lxml import etree

from protocol import fields
from protocol.dialect import DEFAULT, Dialect
from protocol.envelope import REQUEST_ID_MAX, Request, Response
from protocol.errors import InvalidMessageError, RemoteProtocolError
from protocol.message import Message, Part, find_registered
from protocol.messages import message_class
from protocol.messages.mirror import own_names
from protocol.plans import FieldPlan, plan_of
from protocol.results import Result
from protocol.xml.salvage import salvage
from protocol.xml.unknown_names import UnreadableError, Vocabulary, tree_without_unknown_names

DEPTH_MAX: Final = 16
"""Levels of nesting, the root being the first; the deepest message of the catalogue has 5."""
TYPE_DIGITS: Final = 3
COUNT_DIGITS: Final = 16
COUNT_MAX: Final = 2**53
ENVELOPE: Final = (
    "Id", "Type", "Seq", "Time", "Expire", "Resend", "Repeat", "Trace", "RequestId", "Result",
    "Detail", "CallId", "ConferenceID", "OpId", "RetryAfter", "LastSeq",
)  # fmt: skip
"""Attributes of requests and responses."""

_TOO_DEEP: Final = etree.XPath("boolean(" + "/*" * (DEPTH_MAX + 1) + ")")


def read_tree(payload: bytes, dialect: Dialect = DEFAULT) -> Request | Response:
    """The request or response in a payload, by way of an XML tree.

    Raises:
        RemoteProtocolError: as `codec.decode` says.
    """
    try:
        root = _parse(payload, dialect)
    except RemoteProtocolError as error:
        error.request_id, error.request_type = salvage(payload)
        raise
    name = str(root.tag).lower()
    if name == "request":
        return _read_request(root, payload)
    if name == "response":
        return _read_response(root, payload)
    raise RemoteProtocolError(
        Result.BAD_FRAME, f"<{name[:40]}> is neither request nor response", raw=payload
    )


def element_texts(
    payload: bytes, cls: type[Message], dialect: Dialect = DEFAULT
) -> dict[str, str]:
    """The texts of a request's elements exactly as sent, by the fields of `cls`.

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
    vocabulary = _vocabulary()
    if not vocabulary.covers(payload):
        try:
            return tree_without_unknown_names(payload, dialect.encoding, vocabulary, DEPTH_MAX)
        except UnreadableError as error:
            raise RemoteProtocolError(Result.BAD_FRAME, str(error), raw=payload) from None
    try:
        root = etree.fromstring(payload, _parser(dialect.encoding))
    except (etree.XMLSyntaxError, ValueError) as error:
        raise RemoteProtocolError(
            Result.BAD_FRAME,
            f"XML is not well-formed: {getattr(error, 'msg', error)}",
            raw=payload,
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
    attributes = {str(key): str(value) for key, value in root.attrib.items()}
    written = attributes.get("Type", "").strip()
    is_number = len(written) == TYPE_DIGITS and written.isascii() and written.isdigit()
    number = int(written) if is_number else None
    request_id = attributes.get("Id", "").strip()
    objection = _id_objection(request_id)
    if objection is not None:
        result, problem = objection
        raise RemoteProtocolError(
            result, f"Id: {problem}", request_id="", request_type=number, raw=payload
        )
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
            repeat=attributes.get("Repeat") == "1",
            trace=attributes.get("Trace", "")[:64] or None,
            raw=payload,
        )
    except InvalidMessageError as error:
        raise RemoteProtocolError(
            error.result, str(error), request_id=request_id, request_type=number, raw=payload
        ) from None


def _id_objection(request_id: str) -> tuple[Result, str] | None:
    """Why nothing can be answered under an Id; None: it can."""
    if request_id in fields.NULL_TOKENS:  # as a RequestId it would read as none
        return Result.MISSING_FIELD, f"a request needs one of 1–{REQUEST_ID_MAX} characters"
    if len(request_id) > REQUEST_ID_MAX:
        return Result.BAD_VALUE, f"{len(request_id)} characters, at most {REQUEST_ID_MAX}"
    if fields.CONTROL.search(request_id):
        return Result.BAD_VALUE, "has a control character in it"
    return None


def _read_response(root: etree._Element, payload: bytes) -> Response:
    attributes = {str(key): str(value) for key, value in root.attrib.items()}
    try:
        return _make_response(attributes)
    except InvalidMessageError as error:
        raise RemoteProtocolError(error.result, str(error), raw=payload) from None


def _make_response(attributes: dict[str, str]) -> Response:
    request_id = attributes.get("RequestId", "").strip()
    number = _count(attributes, "Type")
    result = _count(attributes, "Result")
    # An empty one answers a request whose Id could not be used.
    is_named = "RequestId" in attributes and len(request_id) <= REQUEST_ID_MAX
    if not is_named or number is None or result is None:
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


def _count(attributes: dict[str, str], name: str) -> int | None:
    written = attributes.get(name, "").strip()
    if written in fields.NULL_TOKENS:
        return None
    # Digits are counted first: int() itself refuses, by another error, more than 4,300 of them.
    if not (written.isascii() and written.isdigit() and len(written) <= COUNT_DIGITS):
        raise InvalidMessageError(Result.BAD_VALUE, name, "is no whole number")
    if int(written) > COUNT_MAX:
        raise InvalidMessageError(Result.BAD_VALUE, name, f"is more than {COUNT_MAX}")
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


_READERS: Final[dict[type[Part], _Reader]] = {}


def _reader(cls: type[Part]) -> _Reader:
    made = _READERS.get(cls)
    if made is None:
        made = _READERS[cls] = _make_reader(cls)
    return made


def _make_reader(cls: type[Part]) -> _Reader:
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


@cache
def _vocabulary() -> Vocabulary:
    """Every name that a reader of any message would take for something.

    Mirrors are left unmade: their names are those of what they mirror, and the making of them
    all, at the first message, would hold up a serving process for seconds where it is busy.
    """
    names = set(ENVELOPE) | own_names()
    waiting: list[type[Part]] = [cls for cls in map(find_registered, range(1000)) if cls]
    seen: set[type[Part]] = set(waiting)
    while waiting:
        for plan in plan_of(waiting.pop()):
            names.update((plan.element, *plan.aliases))
            if plan.part is not None and plan.part not in seen:
                seen.add(plan.part)
                waiting.append(plan.part)
    return Vocabulary(names | {_fold(name) for name in names}, _fold)


def _fold(name: str) -> str:
    """`Phone_Num`, `PhoneNum` and `phonenum` are one name to the reader."""
    return name.replace("_", "").lower()


def _read_part(node: etree._Element, cls: type[Any]) -> Any:
    reader = _reader(cls)
    values = _read_elements(node, reader)
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


def _read_elements(node: etree._Element, reader: _Reader) -> dict[str, Any]:
    """The values of the child elements that are fields, by field; lists where repeated."""
    values: dict[str, Any] = {}
    for child in node:
        tag = str(child.tag)
        plan = reader.elements.get(tag) or reader.elements.get(_fold(tag))
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
    return values


def _attribute(node: etree._Element, plan: FieldPlan) -> str | None:
    for name in (plan.element, *plan.aliases):
        value = node.get(name)
        if value is not None:
            return str(value)
    folded = {_fold(name) for name in (plan.element, *plan.aliases)}
    for key, written in node.attrib.items():
        if _fold(str(key)) in folded:
            return str(written)
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
