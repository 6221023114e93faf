"""A message in one line for people."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any, Final

from protocol.message import Message, Part
from protocol.plain import to_plain
from protocol.plans import plan_of
from protocol.reasons import reason_text
from protocol.results import result_text

UNTOLD: Final = frozenset(
    {"CallId", "ConferenceID", "EventId", "OpId", "RequestId", "ParentCallId", "Nonce", "Digest"}
)
"""Elements that a line leaves out: they have columns of their own, or tell a person nothing."""
TOLD_MAX: Final = 5
TEXT_MAX: Final = 60


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
        return ", ".join(str(inner) for inner in to_plain(value).values())
    text = str(value)
    return text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 1] + "…"
