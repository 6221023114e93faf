"""The mirror rule: 3NN and 5NN push the subject of 1NN to a screen, 4NN and 6NN are the operator's
action of 2NN.

Each class is made on first use: a dataclass with the fields of the class it mirrors, and the
screen's own.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from functools import cache
from typing import Any, Final

from protocol import fields
from protocol.fields import Choice, LoginId, PeerId
from protocol.message import Message, find_registered, plan_of

SOURCE_DIGIT: Final = {3: 1, 5: 1, 4: 2, 6: 2}
"""Digit of a mirror → digit of what it mirrors."""
PREFIX: Final = {3: "Screen", 5: "Biz", 4: "Screen", 6: "Biz"}
PUSHES: Final = frozenset({3, 5})


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
    digit, row = divmod(number, 100)
    source = find_registered(SOURCE_DIGIT[digit] * 100 + row) if digit in SOURCE_DIGIT else None
    return None if source is None else _mirror(number, source)


def _mirror(number: int, source: type[Message]) -> type[Message]:
    digit = number // 100
    hints = typing.get_type_hints(source, include_extras=True)
    own: dict[str, tuple[Any, Any]] = {"screen_id": (PeerId | None, None)}
    if digit in PUSHES:
        own["display"] = (Display | None, None)
    items = {item.name: item for item in dataclasses.fields(source)}
    declared = list(inspect.get_annotations(source))
    body = [
        (
            name,
            hints[name],
            dataclasses.field(default=items[name].default, metadata=items[name].metadata),
        )
        for name in (*declared, *(name for name in items if name not in declared))
        if name not in own
    ]
    made = dataclasses.make_dataclass(
        PREFIX[digit] + source.__name__.removesuffix("Notice"),
        [
            *body,
            *(
                (name, hint, dataclasses.field(default=default))
                for name, (hint, default) in own.items()
            ),
        ],
        bases=(Message,),
        frozen=True,
        slots=True,
        kw_only=True,
    )
    made.__module__ = __name__
    made.__doc__ = f"{number} mirrors {source.number} {source.__name__} (the mirror rule)."
    made.number = number
    made.english = made.__name__
    made.chinese = source.chinese
    plan_of(made)
    return typing.cast("type[Message]", made)


_ = fields, LoginId


__all__ = ["Display", "message_class"]
