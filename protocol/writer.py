"""Message to XML: the strict writer (PROTOCOL.md section 2). What it writes is *canonical*.

One form for everything: elements in the order of their class, no white space between, attributes
in the order of the table. `protocol.canonical` reads that form without an XML parser.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from operator import attrgetter
from typing import Any, Final

from protocol import fields
from protocol.dialect import DEFAULT, Dialect
from protocol.envelope import REQUEST_ID_MAX, Request, Response
from protocol.errors import LocalProtocolError
from protocol.message import FieldPlan, Message, Part, plan_of

_NEEDS_ESCAPE: Final = re.compile('[&<>"\t\n\r]')
_ESCAPES: Final = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "\t": "&#9;",
    "\n": "&#10;",
    "\r": "&#13;",
}
_NEVER_ESCAPED: Final = frozenset({fields.DECIMAL, fields.TIME, fields.FLAG})
"""Kinds whose text is digits, signs and letters only; so are numbers and numbered choices."""


def write_request(item: Request, dialect: Dialect) -> str:
    """A request as text.

    Raises:
        LocalProtocolError: the Id is not 1–16 characters long.
    """
    if not 1 <= len(item.id) <= REQUEST_ID_MAX:
        raise LocalProtocolError(f"Id {item.id!r} is not 1–16 characters long")
    message = item.message
    attributes = _profile_attributes(item) if dialect.profile else ""
    body = write_body(message, dialect)
    return (
        f'<request Id="{escape(item.id)}" Type="{message.number:03d}"{attributes}>{body}</request>'
    )


def write_response(item: Response, dialect: Dialect) -> str:
    """A response as text."""
    attributes = _response_attributes(item) if dialect.profile else ""
    return (
        f'<response RequestId="{escape(item.request_id)}" Type="{item.type:03d}" '
        f'Result="{item.result:d}"{attributes}/>'
    )


def write_body(message: Message, dialect: Dialect = DEFAULT) -> str:
    """The elements of a message without the request around them."""
    return "".join(_elements(message, dialect))


def escape(text: str) -> str:
    """Text as it stands in an element or in double quotes.

    White space is escaped too, so that it survives a parser's normalisation.
    """
    # Ids and numbers, by far most of what is written, are alphanumeric: the cheapest proof.
    if text.isalnum() or _NEEDS_ESCAPE.search(text) is None:
        return text
    return "".join(_ESCAPES.get(character, character) for character in text)


def _profile_attributes(item: Request) -> str:
    written = ""
    if item.seq is not None:
        written += f' Seq="{item.seq:d}"'
    if item.time is not None:
        written += f' Time="{fields.format_time(item.time)}"'
    if item.expire_s is not None:
        written += f' Expire="{item.expire_s:d}"'
    if item.resend:
        written += ' Resend="1"'
    if item.trace is not None:
        written += f' Trace="{escape(item.trace)}"'
    return written


_RESPONSE_ATTRIBUTES: Final = (
    "Detail",
    "CallId",
    "ConferenceID",
    "OpId",
    "RetryAfter",
    "LastSeq",
)
_response_values: Final = attrgetter(
    "detail", "call_id", "conference_id", "op_id", "retry_after_s", "last_seq"
)
_NOTHING: Final = (None,) * len(_RESPONSE_ATTRIBUTES)


def _response_attributes(item: Response) -> str:
    values = _response_values(item)
    if values == _NOTHING:
        return ""
    pairs = zip(_RESPONSE_ATTRIBUTES, values, strict=True)
    return "".join(f' {name}="{_clean(str(value))}"' for name, value in pairs if value is not None)


def _clean(text: str) -> str:
    """Escaped, and without what XML cannot carry: a detail may quote whatever a vendor said."""
    return escape(fields.NOT_XML.sub("\ufffd", text))


@dataclass(frozen=True, slots=True)
class _Row:
    """How one field is written.

    `is_simple`: one element with a text, which `form` makes of the value, None where the value is
    text already; `is_safe`: that text needs no escaping. `writes_null`: it stands there even where
    there is no value.
    """

    open: str
    close: str
    is_simple: bool
    form: Callable[[Any], str] | None
    is_safe: bool
    plan: FieldPlan
    writes_null: bool


_Rows = tuple[Callable[[Any], Any], tuple[_Row, ...]]
_ROWS: Final[dict[tuple[type[Part], bool], _Rows]] = {}


def _rows(cls: type[Part], *, profile: bool) -> _Rows:
    """What fetches the values of a class's elements at once, and a row for each."""
    made = _ROWS.get((cls, profile))
    if made is None:
        made = _ROWS[cls, profile] = _make_rows(cls, profile=profile)
    return made


def _make_rows(cls: type[Part], *, profile: bool) -> _Rows:
    plans = [
        plan
        for plan in plan_of(cls)
        if not plan.is_attribute and not plan.is_text and (profile or plan.patent)
    ]
    rows = tuple(_row(plan, is_message=issubclass(cls, Message)) for plan in plans)
    return _getter([plan.name for plan in plans]), rows


def _getter(names: list[str]) -> Callable[[Any], Any]:
    # attrgetter gives a tuple for two names or more only.
    if len(names) > 1:
        return attrgetter(*names)
    return lambda item: tuple(getattr(item, name) for name in names)


def _row(plan: FieldPlan, *, is_message: bool) -> _Row:
    form, is_safe = _form_of(plan.value) if plan.value is not None else (None, False)
    return _Row(
        open=f"<{plan.element}>",
        close=f"</{plan.element}>",
        is_simple=plan.part is None and not plan.repeated,
        form=form,
        is_safe=is_safe,
        plan=plan,
        writes_null=plan.patent and is_message and not plan.repeated,
    )


def _form_of(value: fields.Value) -> tuple[Callable[[Any], str] | None, bool]:
    numbered = value.options is not None and issubclass(value.options, IntEnum)
    if numbered or value.low is not None:
        return int.__repr__, True  # one C call for an IntEnum, whose `value` is a slow property
    return (None if value.format is str else value.format), value in _NEVER_ESCAPED


def _elements(item: Part, dialect: Dialect) -> list[str]:
    fetch, rows = _rows(type(item), profile=dialect.profile)
    out: list[str] = []
    for row, value in zip(rows, fetch(item)):  # noqa: B905 - hot, and made together
        if value is None:
            if row.writes_null:
                out.append(f"{row.open}{dialect.empty_token}{row.close}")
        elif row.is_simple:
            text = value if row.form is None else row.form(value)
            out.append(f"{row.open}{text if row.is_safe else escape(text)}{row.close}")
        else:
            out.extend(_nested(row.plan, value, dialect))
    return out


def _nested(plan: FieldPlan, value: Any, dialect: Dialect) -> Iterator[str]:
    """What stands there repeatedly, or has elements of its own."""
    for single in value if plan.repeated else (value,):
        if plan.part is not None:
            yield _part(plan, single, dialect)
        else:
            assert plan.value is not None
            yield f"<{plan.element}>{escape(plan.value.format(single))}</{plan.element}>"


def _part(plan: FieldPlan, value: Part, dialect: Dialect) -> str:
    assert plan.part is not None
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
    body = "".join(_elements(value, dialect))
    return f"<{plan.element}{attributes}>{text}{body}</{plan.element}>"
