"""A message as plain values that JSON can carry, and back.

The elements that have a value by their names on the wire: texts, whole numbers, decimals, true and
false, times as ISO 8601 in UTC, choices by their value, nested elements as objects, repeated ones
as lists. `--json` shows messages so, and adapters keep those that they have still to tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar

from protocol.errors import InvalidMessageError
from protocol.fields import format_time
from protocol.message import Part
from protocol.plans import FieldPlan, plan_of
from protocol.results import Result

P = TypeVar("P", bound=Part)


def to_plain(item: Part) -> dict[str, Any]:
    """The elements that have a value, in the order of the wire."""
    present = item.__dict__
    return {
        plan.element: [_plain(each) for each in value] if plan.repeated else _plain(value)
        for plan in plan_of(type(item))
        if (value := present.get(plan.name)) is not None
    }


def from_plain(cls: type[P], values: Mapping[str, Any]) -> P:
    """The message, or part of one, again; names that the class does not have are passed over.

    Also reads what versions before this one kept: the fields' names in Python, and every value as
    its text on the wire.

    Raises:
        ValueError: a value is none of its field; `InvalidMessageError`, which is one, where a
            value is missing or out of its range.
    """
    made: dict[str, Any] = {}
    for plan in plan_of(cls):
        value = values.get(plan.element, values.get(plan.name))
        if value is not None:
            each = [_value(plan, single) for single in (value if plan.repeated else (value,))]
            made[plan.name] = tuple(each) if plan.repeated else each[0]
        elif plan.required:
            raise InvalidMessageError(Result.MISSING_FIELD, plan.element, "is missing")
    return cls(**made)


def _plain(value: Any) -> Any:
    if isinstance(value, Part):
        return to_plain(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return format_time(value)
    return value


def _value(plan: FieldPlan, value: Any) -> Any:
    if plan.part is not None:
        return from_plain(plan.part, value)
    assert plan.value is not None
    if isinstance(value, bool | float):
        return value
    return plan.value.parse(str(value))
