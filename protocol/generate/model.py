"""What the generated documents say of fields, in one place."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Final

from protocol.fields import NUMBER_MAX, Value
from protocol.kinds import Direction
from protocol.message import COMMON, Message, Part
from protocol.messages import every_class
from protocol.plans import FieldPlan, plan_of

NOTE: Final = "Generated from the classes of `protocol.messages` by `make generate`: edit those."


def of_direction(direction: Direction) -> list[type[Message]]:
    """The messages of one direction, by number."""
    return [cls for cls in every_class() if cls.number in direction.numbers]


def is_own(plan: FieldPlan) -> bool:
    """Whether a field is worth naming at its message: not a mere inherited common element."""
    return plan.name not in COMMON or plan.required or plan.patent


def one_of(cls: type[Part]) -> list[list[str]]:
    """The either-or groups of a class, as names on the wire."""
    names = {plan.name: plan.element for plan in plan_of(cls)}
    return [[names[name] for name in group] for group in cls.needs_one_of]


def parts_of(classes: Iterable[type[Part]]) -> Iterator[type[Part]]:
    """Every nested element in these classes, each once, in the order of first use."""
    seen: set[type[Part]] = set()
    for cls in classes:
        for plan in plan_of(cls):
            for found in (plan.part, *parts_of([plan.part])) if plan.part else ():
                if found not in seen:
                    seen.add(found)
                    yield found


def choices_of(classes: Iterable[type[Part]]) -> list[type[Enum]]:
    """Every choice in these classes and their nested elements, by name."""
    listed = list(classes)
    found = {
        plan.value.options
        for cls in (*listed, *parts_of(listed))
        for plan in plan_of(cls)
        if plan.value is not None and plan.value.options is not None
    }
    return sorted(found, key=lambda options: options.__name__)


def describe(value: Value) -> str:
    """A kind of value for people: `text ≤ 20`, `0…999`, `CallState`, `time`."""
    if value.options is not None:
        return value.options.__name__
    if value.size is not None:
        return f"text ≤ {value.size}"
    if value.low is not None:
        return f"number ≥ {value.low}" if value.high == NUMBER_MAX else f"{value.low}…{value.high}"
    return {"decimal": "decimal", "time": "time", "flag": "0 or 1"}[value.name]


def summary(cls: type[object]) -> str:
    """The first line of a class's docstring."""
    return (inspect.getdoc(cls) or "").split("\n", 1)[0]


def explanation(cls: type[object]) -> str:
    """A class's docstring with its paragraphs as single lines."""
    paragraphs = (inspect.getdoc(cls) or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
