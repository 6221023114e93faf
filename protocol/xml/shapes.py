"""How the elements of a message are read: by the shape that was learned, or one by one.

A message is flat, but for parts that are flat themselves: the receivers of a text, say.

A *shape* is the order of the elements and which of them have no value. One pattern takes all
values of a shape out of the text and proves at once that they may stand there: names, closing
tags, sizes, no markup, no control character, no white space at the ends. So nothing is left to do
for a text; numbers, choices and the like are made of what the pattern found.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from protocol import fields
from protocol.message import Part, made_of
from protocol.plans import FieldPlan, plan_of

SHAPES_MAX: Final = 16
"""Patterns of one type: who sends ever new shapes costs more time, not more memory."""
LEARN_AFTER: Final = 8
"""Messages of a shape before it gets a pattern: that costs as much as reading a hundred."""
SEEN_MAX: Final = 64
"""Shapes of one type that are counted."""
PARTS_MAX: Final = 3
"""Parts in a shape that gets a pattern: who writes to more takes the longer way."""

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


@dataclass(frozen=True, slots=True)
class PartEntry:
    """How a nested element is read, whose own elements are simple."""

    name: str
    repeated: bool
    reader: Reader


class Reader:
    """How a class is read: its simple, not repeated elements, and what must be there.

    `parts`: its nested elements, by their names; those of a part are not looked at.
    """

    __slots__ = ("cls", "entries", "needs_one_of", "parts", "required")

    def __init__(self, cls: type[Part], *, nested: bool = True) -> None:
        plans = plan_of(cls)
        self.cls = cls
        self.parts = {
            plan.element: PartEntry(plan.name, plan.repeated, Reader(plan.part, nested=False))
            for plan in plans
            if nested and plan.part is not None and all(map(_is_simple, plan_of(plan.part)))
        }
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


def _is_simple(plan: FieldPlan) -> bool:
    is_apart = plan.repeated or plan.is_attribute or plan.is_text
    return plan.value is not None and not is_apart


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
    parts: tuple[tuple[PartEntry, tuple[tuple[str, str], ...]], ...] = ()
    """Each with the groups of its values, and the fields that those are."""


_Key = tuple[tuple[str, str | None], ...]
"""The elements in order, each with the token that says it has no value, None where it has one.
Those of a part have its name before theirs; it begins with a place of its own: `Receiver/`,
`Receiver/PhoneNum`."""
_WITHIN: Final = "/"


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
                for entry, inner in shape.parts:
                    _add(values, entry, {name: values.pop(group) for group, name in inner})
                return values
        return None

    def split(self, body: str) -> dict[str, Any] | None:
        """The values of elements that are `body`; None where they are not canonical.

        Raises:
            ValueError, KeyError: what `match` says; or no element is what it should be.
        """
        pieces = body.split("<")
        if pieces[0] or not len(pieces) % 2:
            return None
        rest = iter(pieces)
        next(rest)
        key: list[tuple[str, str | None]] = []
        values = _take(self._reader, rest, key)
        if values is not None:
            self._see(tuple(key))
        return values

    def _see(self, key: _Key) -> None:
        """Learn a shape that comes often."""
        if len(self._shapes) >= SHAPES_MAX:
            return
        if len(self._seen) >= SEEN_MAX:
            self._seen.clear()
        self._seen[key] += 1
        parts = sum(path.endswith(_WITHIN) for path, _ in key)
        if self._seen[key] == LEARN_AFTER and parts <= PARTS_MAX:
            self._shapes.append(_learn(self._reader, key))


def _take(
    reader: Reader,
    rest: Iterator[str],
    key: list[tuple[str, str | None]],
    part: str = "",
) -> dict[str, Any] | None:
    """The values of the elements of a message, or of a part up to its end; None as in `split`."""
    values: dict[str, Any] = {}
    left = reader.entries.copy()  # one that stands there twice is not found again
    end = f"/{part[:-1]}>" if part else None
    for opening in rest:
        if opening == end:
            return values if values and reader.is_complete(values) else None
        tag, written = opening.split(">")  # ValueError: no ">", or one in the text
        nested = reader.parts.get(tag)
        if nested is not None:
            key.append((tag + _WITHIN, None))
            inner = None if written else _take(nested.reader, rest, key, tag + _WITHIN)
            if inner is None or (nested.name in values and not nested.repeated):
                return None
            _add(values, nested, inner)
            continue
        entry = left.pop(tag, None)
        if entry is None or next(rest, None) != entry.closing:
            return None
        stripped = written.strip()
        if stripped in fields.NULL_TOKENS:
            key.append((part + tag, written))
            continue
        key.append((part + tag, None))
        if entry.size is None:
            values[entry.name] = entry.read(written if entry.keeps_space else stripped)
        elif len(stripped) <= entry.size:
            is_own = entry.normalises and not stripped.isascii()
            values[entry.name] = entry.read(stripped) if is_own else stripped
        else:
            return None
    return values if end is None and reader.is_complete(values) else None


def _add(values: dict[str, Any], entry: PartEntry, inner: dict[str, Any]) -> None:
    part = made_of(entry.reader.cls, inner)
    values[entry.name] = (*values.get(entry.name, ()), part) if entry.repeated else part


def _learn(reader: Reader, key: _Key) -> _Shape:
    pattern, close = "", ""
    there: list[tuple[str, Entry]] = []
    parts: list[tuple[PartEntry, list[tuple[str, str]]]] = []
    for path, token in key:
        part, within, tag = path.rpartition(_WITHIN)
        if not tag:
            parts.append((reader.parts[part], []))
            pattern += f"{close}<{part}>"
            close = f"</{part}>"
            continue
        if not within:
            pattern, close = pattern + close, ""
        entry = (parts[-1][0].reader if within else reader).entries[tag]
        group = f"of_{len(parts)}_{entry.name}" if within else entry.name
        pattern += _element(entry, token, group)
        if token is None:
            there.append((group, entry))
            if within:
                parts[-1][1].append((group, entry.name))
    return _Shape(
        re.compile(f"{pattern}{close}</request>").fullmatch,
        tuple((group, entry.read) for group, entry in there if entry.size is None),
        tuple((group, entry.read) for group, entry in there if entry.normalises),
        tuple((entry, tuple(inner)) for entry, inner in parts),
    )


def _element(entry: Entry, token: str | None, group: str) -> str:
    if token is not None:
        content = re.escape(token)
    else:
        is_bounded = entry.size is not None and entry.size <= _REPEAT_MAX
        repeated = f"{{1,{entry.size}}}" if is_bounded else "+"
        content = f"(?! |{_NO_VALUE})(?P<{group}>{_VALUE}{repeated})(?<! )"
    return f"<{entry.element}>{content}</{entry.element}>"
