"""The mirror rule (protocol.md#screens).

3NN and 5NN push the subject of 1NN to a screen, 4NN and 6NN are the operator's action of 2NN. Each
class is made on first use: the fields of the class that it mirrors, and the screen's own.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from protocol.fields import Choice, PeerId
from protocol.message import Direction, Message, element_name, find_registered, plan_of
from protocol.messages.mirror_names import NAMES

SOURCE_DIGIT: Final = {3: 1, 5: 1, 4: 2, 6: 2}
"""Digit of a mirror → digit of what it mirrors."""
PREFIX: Final = {3: "Screen", 5: "Biz", 4: "Screen", 6: "Biz"}
PUSHES: Final = frozenset({3, 5})
LOOSENED: Final = {601: frozenset({"event_id"})}
"""Fields that the source requires but the screen cannot know.

The business platform gives the EventId only when it makes 201 of 601 (patent steps 305, 306)."""

FIRST_NUMBER: Final = 100
LAST_NUMBER: Final = 699


SCREEN_TO_COMMAND: Final = 200
"""A 4xx is the operator's action of the 2xx that stands so much lower."""


class Display(Choice):
    """What a screen does with a push."""

    POP = 1
    UPDATE = 2
    CLOSE = 3
    TIP = 4


@cache
def message_class(number: int) -> type[Message] | None:
    """The class of a type number, None where the catalogue has no such row."""
    found = find_registered(number)
    if found is not None:
        return found
    source = source_of(number)
    return None if source is None else _mirror(number, source)


def source_of(number: int) -> type[Message] | None:
    """What a 3xx–6xx mirrors; None of a class for itself, and outside the catalogue."""
    digit, row = divmod(number, 100)
    if digit not in SOURCE_DIGIT or find_registered(number) is not None:
        return None
    return find_registered(SOURCE_DIGIT[digit] * 100 + row)


def every_class() -> Iterator[type[Message]]:
    """The whole catalogue in the order of its numbers, mirrors included."""
    for number in range(FIRST_NUMBER, LAST_NUMBER + 1):
        cls = message_class(number)
        if cls is not None:
            yield cls


def own_names() -> frozenset[str]:
    """Element names that mirrors have beside those of what they mirror."""
    return frozenset(element_name(name) for digit in PREFIX for name, _, _ in _own(digit))


def convert(message: Message, number: int, **further: Any) -> Message | None:
    """The message of another type with all fields that both have; None where there is none.

    Raises:
        InvalidMessageError: the other type wants a field that this message does not bring.
    """
    cls = message_class(number)
    if cls is None:
        return None
    values = {
        plan.name: getattr(message, plan.name)
        for plan in plan_of(cls)
        if hasattr(message, plan.name)
    }
    return cls(**(values | further))


def as_command(message: Message) -> Message:
    """A 4xx as the 2xx that it mirrors (the operator's action); anything else as it is.

    Raises:
        InvalidMessageError: the screen's action lacks what the command needs.
    """
    if message.direction_digit is not Direction.SCREEN_TO_PLATFORM:
        return message
    return convert(message, message.number - SCREEN_TO_COMMAND) or message


def _mirror(number: int, source: type[Message]) -> type[Message]:
    digit = number // 100
    default = PREFIX[digit] + source.english.removesuffix("Notice")
    english, chinese = NAMES.get(number, (default, source.chinese))
    made = typing.cast(
        "type[Message]",
        dataclasses.make_dataclass(
            english,
            [*_mirrored(source, LOOSENED.get(number, frozenset())), *_own(digit)],
            bases=(Message,),
            namespace={"needs_one_of": source.needs_one_of},
            frozen=True,
            kw_only=True,
        ),
    )
    made.__module__ = __name__
    made.__doc__ = _doc(number, source)
    made.number = number
    made.english = english
    made.chinese = chinese
    return made


def _doc(number: int, source: type[Message]) -> str:
    loosened = ", ".join(element_name(name) for name in LOOSENED.get(number, ()))
    but = f", but needs no {loosened}" if loosened else ""
    return f"Mirrors {source.number} {source.english}{but} (the mirror rule)."


def _mirrored(source: type[Message], loosened: frozenset[str]) -> Iterator[tuple[str, Any, Any]]:
    """The source's fields in its writing order, without those that every screen message has."""
    hints = typing.get_type_hints(source, include_extras=True)
    items = {item.name: item for item in dataclasses.fields(source)}
    declared = list(inspect.get_annotations(source))
    for name in (*declared, *(name for name in items if name not in declared)):
        if name == "screen_id":
            continue
        hint, default = hints[name], items[name].default
        if name in loosened:
            hint, default = hint | None, None
        yield name, hint, dataclasses.field(default=default, metadata=items[name].metadata)


def _own(digit: int) -> Iterator[tuple[str, Any, Any]]:
    yield "screen_id", PeerId | None, None
    if digit in PUSHES:
        yield "display", Display | None, None


__all__ = [
    "Display",
    "as_command",
    "convert",
    "every_class",
    "message_class",
    "own_names",
    "source_of",
]
