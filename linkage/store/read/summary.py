"""A message in one line for people, and as plain values for programs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import Enum
from typing import Any, Final

from protocol.fields import format_time
from protocol.message import Message, Part, plan_of
from protocol.reasons import reason_text
from protocol.results import result_text

UNTOLD: Final = frozenset(
    {"CallId", "ConferenceID", "EventId", "OpId", "RequestId", "ParentCallId", "Nonce", "Digest"}
)
"""Elements that a line leaves out: they have columns of their own, or tell a person nothing."""
TOLD_MAX: Final = 5
TEXT_MAX: Final = 60


def message_fields(message: Message) -> dict[str, Any]:
    """The elements that have a value, by their names on the wire, as JSON can carry them."""
    return dict(_fields(message))


def _fields(item: Part) -> Iterator[tuple[str, Any]]:
    for plan in plan_of(type(item)):
        value = getattr(item, plan.name)
        if value is None or value == ():
            continue
        if plan.repeated:
            yield plan.element, [_plain(single) for single in value]
        else:
            yield plan.element, _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Part):
        return dict(_fields(value))
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return format_time(value)
    return value


def summarise(message: Message) -> str:
    """What a message says, in one line: `PhoneNum 13912344444 · ToNum 2222 · Type in`."""
    told = [part for plan in plan_of(type(message)) if (part := _tell(message, plan)) is not None]
    more = len(told) - TOLD_MAX
    return " · ".join(told[:TOLD_MAX]) + (f" · +{more}" if more > 0 else "")


def _tell(message: Message, plan: Any) -> str | None:
    value = getattr(message, plan.name)
    if value is None or value == () or plan.element in UNTOLD or isinstance(value, datetime):
        return None
    return f"{plan.element} {_word(plan.name, value)}"


def _word(name: str, value: Any) -> str:
    if name == "reason" and isinstance(value, int):  # of commands it is a sentence
        return f"{value} {reason_text(value)}"
    if name == "result":
        return f"{value} {result_text(int(value))}"
    if isinstance(value, Enum):
        return value.name.lower().replace("_", "-")
    if isinstance(value, tuple):
        return f"×{len(value)}"
    if isinstance(value, Part):
        return ", ".join(str(inner) for inner in dict(_fields(value)).values())
    text = str(value)
    return text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 1] + "…"
