"""How the elements of a flat message are read: by the shape that was learned, or one by one.

A *shape* is the order of the elements and which of them have no value. One pattern takes all
values of a shape out of the text and proves at once that they may stand there: names, closing
tags, sizes, no markup, no control character, no white space at the ends. So nothing is left to do
for a text; numbers, choices and the like are made of what the pattern found.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from protocol import fields
from protocol.message import Message
from protocol.plans import plan_of

SHAPES_MAX: Final = 16
"""Patterns of one type: who sends ever new shapes costs more time, not more memory."""
LEARN_AFTER: Final = 8
"""Messages of a shape before it gets a pattern: that costs as much as reading a hundred."""
SEEN_MAX: Final = 64
"""Shapes of one type that are counted."""

_REPEAT_MAX: Final = 60_000
"""Beyond, a text is not bounded by the pattern but checked afterwards."""
_VALUE: Final = r"[^<>&\x00-\x1f\x7f]"
_NO_VALUE: Final = "|".join(f"{token}<" for token in sorted(fields.NULL_TOKENS - {""}))
"""What no value may begin with: that there is none makes another shape."""


@dataclass(frozen=True, slots=True)
class Entry:
    """How one element is read. `closing` is its end tag behind the "<".

    `size` is set where the value is plain text of at most so many characters, and no other check
    is due; else `read` makes the value, of the text as it stands where `keeps_space`, or stripped.
    `normalises`: a plain text that is not ASCII may stand for another, which `read` makes.
    """

    name: str
    element: str
    closing: str
    size: int | None
    read: Callable[[str], Any]
    keeps_space: bool
    normalises: bool


class Reader:
    """How a class is read: its simple, not repeated elements, and what must be there."""

    __slots__ = ("cls", "entries", "needs_one_of", "required")

    def __init__(self, cls: type[Message]) -> None:
        plans = plan_of(cls)
        self.cls = cls
        self.entries = {
            plan.element: _entry(plan.name, plan.element, plan.value)
            for plan in plans
            if plan.value is not None and not plan.repeated
        }
        self.required = frozenset(plan.name for plan in plans if plan.required)
        self.needs_one_of = tuple(frozenset(group) for group in cls.needs_one_of)

    def is_complete(self, values: dict[str, Any]) -> bool:
        """Whether everything is there that must be."""
        present = values.keys()
        return self.required <= present and not any(
            group.isdisjoint(present) for group in self.needs_one_of
        )


def _entry(name: str, element: str, value: fields.Value) -> Entry:
    is_plain = value.size is not None and value.pattern is None and not value.keeps_space
    return Entry(
        name=name,
        element=element,
        closing=f"/{element}>",
        size=value.size if is_plain else None,
        read=_read_of(value),
        keeps_space=value.keeps_space,
        normalises=value.normalises,
    )


def _read_of(value: fields.Value) -> Callable[[str], Any]:
    if value.options is None:
        return _parse_and_check(value)
    # What stands for no value never gets here, so that every text is one of these or wrong.
    return {str(option.value): option for option in value.options}.__getitem__


def _parse_and_check(value: fields.Value) -> Callable[[str], Any]:
    def read(written: str) -> Any:
        found = value.parse(written)
        value.check(found)
        return found

    return read


@dataclass(frozen=True, slots=True)
class _Shape:
    """A pattern for everything behind the head; its groups have the names of the fields.

    `reads` are the fields that are no plain text, each with what makes its value, `foreign` those
    that need it where the text is not ASCII.
    """

    matches: Callable[[str, int], re.Match[str] | None]
    reads: tuple[tuple[str, Callable[[str], Any]], ...]
    foreign: tuple[tuple[str, Callable[[str], Any]], ...]


_Key = tuple[tuple[str, str | None], ...]
"""The elements in order, each with the token that says it has no value, None where it has one."""


class Shapes:
    """The shapes of one class that were learned so far."""

    __slots__ = ("_reader", "_seen", "_shapes", "cls")

    def __init__(self, reader: Reader) -> None:
        self.cls = reader.cls
        self._reader = reader
        self._shapes: list[_Shape] = []
        self._seen: Counter[_Key] = Counter()

    def match(self, text: str, start: int) -> dict[str, Any] | None:
        """The values of what stands in `text` from `start` on to its end; None: no known shape.

        Raises:
            ValueError, KeyError: a value that its type refuses.
        """
        for shape in self._shapes:
            found = shape.matches(text, start)
            if found is not None:
                values = found.groupdict()
                for name, read in shape.reads:
                    values[name] = read(values[name])
                if shape.foreign and not text.isascii():
                    for name, read in shape.foreign:
                        values[name] = read(values[name])
                return values
        return None

    def split(self, body: str) -> dict[str, Any] | None:
        """The values of elements that are `body`; None where they are not canonical.

        Raises:
            ValueError, KeyError: what `match` says; or no element is what it should be.
        """
        values: dict[str, Any] = {}
        left = self._reader.entries.copy()  # one that stands there twice is not found again
        key: list[tuple[str, str | None]] = []
        pieces = body.split("<")
        if pieces[0] or not len(pieces) % 2:
            return None
        rest = iter(pieces)
        next(rest)
        for opening, closing in zip(rest, rest):  # noqa: B905 - their number is even
            tag, written = opening.split(">")  # ValueError: no ">", or one in the text
            entry = left.pop(tag, None)
            if entry is None or closing != entry.closing:
                return None
            stripped = written.strip()
            if stripped in fields.NULL_TOKENS:
                key.append((tag, written))
                continue
            key.append((tag, None))
            if entry.size is None:
                values[entry.name] = entry.read(written if entry.keeps_space else stripped)
            elif len(stripped) <= entry.size:
                is_own = entry.normalises and not stripped.isascii()
                values[entry.name] = entry.read(stripped) if is_own else stripped
            else:
                return None
        if not self._reader.is_complete(values):
            return None
        self._see(tuple(key))
        return values

    def _see(self, key: _Key) -> None:
        """Learn a shape that comes often."""
        if len(self._shapes) >= SHAPES_MAX:
            return
        if len(self._seen) >= SEEN_MAX:
            self._seen.clear()
        self._seen[key] += 1
        if self._seen[key] == LEARN_AFTER:
            self._shapes.append(self._learn(key))

    def _learn(self, key: _Key) -> _Shape:
        entries = self._reader.entries
        pattern = "".join(_element(entries[tag], token) for tag, token in key) + "</request>"
        there = [entries[tag] for tag, token in key if token is None]
        return _Shape(
            re.compile(pattern).fullmatch,
            tuple((entry.name, entry.read) for entry in there if entry.size is None),
            tuple((entry.name, entry.read) for entry in there if entry.normalises),
        )


def _element(entry: Entry, token: str | None) -> str:
    if token is not None:
        content = re.escape(token)
    else:
        is_bounded = entry.size is not None and entry.size <= _REPEAT_MAX
        repeated = f"{{1,{entry.size}}}" if is_bounded else "+"
        content = f"(?! |{_NO_VALUE})(?P<{entry.name}>{_VALUE}{repeated})(?<! )"
    return f"<{entry.element}>{content}</{entry.element}>"
