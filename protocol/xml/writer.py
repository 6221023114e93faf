"""Message to XML: the strict writer (protocol.md#values). What it writes is *canonical*.

One form for everything: elements in the order of their class, no white space between, attributes
in the order of the table. `protocol.xml.canonical` reads that form without an XML parser.

A flat message is written by its *shape*: which fields of its class it has. For each shape that was
seen there is a text with a place for each value, filled in by one call. What has nested or
repeated elements, or a text that must be escaped, is written element by element.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from operator import attrgetter, itemgetter
from typing import Any, Final

from protocol import fields
from protocol.dialect import DEFAULT, Dialect
from protocol.envelope import REQUEST_ID_MAX, Request, Response
from protocol.errors import LocalProtocolError
from protocol.message import Message, Part
from protocol.plans import FieldPlan, plan_of

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
SHAPES_MAX: Final = 64
"""Shapes of one class that are kept; who sends ever new ones costs more time, not more memory."""
_NEVER_ESCAPED: Final = frozenset({fields.DECIMAL, fields.TIME, fields.FLAG})
"""Kinds whose text is digits, signs and letters only; so are numbers and numbered choices."""


class Writer:
    """Writes what goes to peers of one dialect."""

    __slots__ = ("_dialect", "_profile", "_shapes")

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._profile = dialect.profile
        self._shapes: dict[type[Message], dict[tuple[str, ...], _Shape | None]] = {}

    def request(self, item: Request) -> str:
        """A request as text.

        Raises:
            LocalProtocolError: the Id is not 1–16 characters long.
        """
        name = item.id
        if not 1 <= len(name) <= REQUEST_ID_MAX:
            raise LocalProtocolError(f"Id {name!r} is not 1–16 characters long")
        if not name.isalnum():
            name = escape(name)
        message = item.message
        attributes = _profile_attributes(item) if self._profile else ""
        return (
            f'<request Id="{name}" Type="{message.number:03d}"{attributes}>'
            f"{self.body(message)}</request>"
        )

    def response(self, item: Response) -> str:
        """A response as text."""
        name = item.request_id
        if not name.isalnum():
            name = escape(name)
        attributes = _response_attributes(item) if self._profile else ""
        return (
            f'<response RequestId="{name}" Type="{item.type:03d}" '
            f'Result="{item.result:d}"{attributes}/>'
        )

    def body(self, message: Message) -> str:
        """The elements of a message without the request around them."""
        present = message.__dict__
        try:
            shape = self._shapes[type(message)][tuple(present)]
        except KeyError:
            shape = self._learn(message)
        if shape is not None:
            written = shape.write(present)
            if written is not None:
                return written
        return "".join(_elements(message, self._dialect))

    def _learn(self, message: Message) -> _Shape | None:
        shapes = self._shapes.setdefault(type(message), {})
        if len(shapes) >= SHAPES_MAX:
            return None
        shape = _shape(type(message), message.__dict__, self._dialect)
        shapes[tuple(message.__dict__)] = shape
        return shape


class _Shape:
    """How a message of a class with certain fields is written.

    `text` has a place for each of `fetch`, which gives their values in writing order; `forms` are
    those whose value is not written as Python does. `texts` gives what might need escaping; the
    two getters give tuples.
    """

    __slots__ = ("_fetch", "_forms", "_text", "_texts")

    def __init__(
        self,
        text: str,
        names: list[str],
        forms: dict[str, Callable[[Any], str]],
        texts: list[str],
    ) -> None:
        self._text = text
        self._fetch = _tuple_getter(names)
        self._forms = tuple((names.index(name), form) for name, form in forms.items())
        self._texts = _tuple_getter(texts)

    def write(self, present: dict[str, Any]) -> str | None:
        """The body; None where a text must be escaped."""
        # Ids and numbers, by far most of what is written, are alphanumeric: the cheapest proof.
        joined = "".join(self._texts(present))
        if joined and not joined.isalnum() and _NEEDS_ESCAPE.search(joined) is not None:
            return None
        values = self._fetch(present)
        if self._forms:
            values = list(values)
            for index, form in self._forms:
                values[index] = form(values[index])
            values = tuple(values)
        written: str = self._text % values
        return written


def _tuple_getter(names: list[str]) -> Callable[[Any], Any]:
    # itemgetter gives a tuple for two names or more only.
    if len(names) > 1:
        return itemgetter(*names)
    return lambda values: tuple(values[name] for name in names)


def _shape(cls: type[Message], present: Iterable[str], dialect: Dialect) -> _Shape | None:
    """None where something among those present is nested, repeated or written in its own way."""
    there = frozenset(present)
    pieces: list[str] = []
    names: list[str] = []
    texts: list[str] = []
    forms: dict[str, Callable[[Any], str]] = {}
    for row in _rows(cls, profile=dialect.profile)[1]:
        name = row.plan.name
        if name not in there:
            if row.writes_null:
                pieces.append(_place(f"{row.open}{dialect.empty_token}{row.close}"))
            continue
        if not row.is_simple:
            return None
        place = "%d" if row.form is _number else "%s"
        pieces.append(f"{_place(row.open)}{place}{_place(row.close)}")
        names.append(name)
        if row.form is None:
            texts.append(name)
        elif not row.is_safe:
            return None
        elif row.form is not _number:
            forms[name] = row.form
    return _Shape("".join(pieces), names, forms, texts)


def _place(text: str) -> str:
    """Text that stands in a template as it is."""
    return text.replace("%", "%%")


@cache
def writer_for(dialect: Dialect) -> Writer:
    """The one of a dialect."""
    return Writer(dialect)


def write_body(message: Message, dialect: Dialect = DEFAULT) -> str:
    """The elements of a message without the request around them."""
    return writer_for(dialect).body(message)


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
    if item.repeat:
        written += ' Repeat="1"'
    if item.trace is not None:
        written += f' Trace="{escape(item.trace)}"'
    return written


def _response_attributes(item: Response) -> str:
    written = ""
    if item.detail is not None:
        written += f' Detail="{_clean(item.detail)}"'
    if item.call_id is not None:
        written += f' CallId="{_clean(item.call_id)}"'
    if item.conference_id is not None:
        written += f' ConferenceID="{_clean(item.conference_id)}"'
    if item.op_id is not None:
        written += f' OpId="{_clean(item.op_id)}"'
    if item.retry_after_s is not None:
        written += f' RetryAfter="{item.retry_after_s:d}"'
    if item.last_seq is not None:
        written += f' LastSeq="{item.last_seq:d}"'
    return written


def _clean(text: str) -> str:
    """Escaped, and without what XML cannot carry: a detail may quote whatever a vendor said."""
    return text if text.isalnum() else escape(fields.NOT_XML.sub("\ufffd", text))


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


_number: Final = int.__repr__
"""One C call for an IntEnum, whose `value` is a slow property."""

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
        return _number, True
    if value.options is not None:
        words = "".join(str(option.value) for option in value.options)
        return value.format, _NEEDS_ESCAPE.search(words) is None
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
