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
from protocol.kinds import KINDS, NUMBERS, Direction, counterpart, direction_of
from protocol.message import Message, find_registered
from protocol.messages.mirror_names import NAMES
from protocol.plans import element_name, plan_of

PREFIX: Final = {
    Direction.PLATFORM_TO_SCREEN: "Screen",
    Direction.SCREEN_TO_PLATFORM: "Screen",
    Direction.BUSINESS_TO_SCREEN: "Biz",
    Direction.SCREEN_TO_BUSINESS: "Biz",
}
"""How the names of mirrors begin."""
LOOSENED: Final = {601: frozenset({"event_id"})}
"""Fields that the source requires but the screen cannot know.

The business platform gives the EventId only when it makes 201 of 601 (patent steps 305, 306)."""


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
    if number not in NUMBERS or find_registered(number) is not None:
        return None
    mirrored = KINDS[direction_of(number)].mirrors
    return None if mirrored is None else find_registered(counterpart(number, mirrored))


def every_class() -> Iterator[type[Message]]:
    """The whole catalogue in the order of its numbers, mirrors included."""
    for number in NUMBERS:
        cls = message_class(number)
        if cls is not None:
            yield cls


def own_names() -> frozenset[str]:
    """Element names that mirrors have beside those of what they mirror."""
    return frozenset(element_name(name) for direction in PREFIX for name, _, _ in _own(direction))


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
    if message.number not in Direction.SCREEN_TO_PLATFORM.numbers:
        return message
    return convert(message, counterpart(message.number, Direction.BUSINESS_TO_PLATFORM)) or message


def _mirror(number: int, source: type[Message]) -> type[Message]:
    direction = direction_of(number)
    default = PREFIX[direction] + source.english.removesuffix("Notice")
    english, chinese = NAMES.get(number, (default, source.chinese))
    made = typing.cast(
        "type[Message]",
        dataclasses.make_dataclass(
            english,
            [*_mirrored(source, LOOSENED.get(number, frozenset())), *_own(direction)],
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


def _own(direction: Direction) -> Iterator[tuple[str, Any, Any]]:
    yield "screen_id", PeerId | None, None
    if not KINDS[direction].is_command:
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
