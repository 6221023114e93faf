"""Whether what crossed the bus is what it should be; what is not is a `PackError`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from linkage.bus.pack import PackError
from linkage.ports import Capability


def want(value: Any, kind: type) -> Any:
    """The value, where it is of that very type."""
    if type(value) is not kind:
        raise PackError(f"{type(value).__name__} where {kind.__name__} belongs")
    return value


def want_time(value: Any) -> datetime:
    """The value, where it is a time with its zone."""
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise PackError("a time is missing")
    return value


def want_pairs(told: Any) -> tuple[tuple[Any, Any], ...]:
    """The pairs of a sequence."""
    pairs = want(told, tuple)
    if not all(type(pair) is tuple and len(pair) == 2 for pair in pairs):  # noqa: PLR2004 - a pair
        raise PackError("pairs are damaged")
    return tuple(pairs)


def want_capability(told: Any) -> Capability:
    """What an adapter can do: numbers of commands, each with its actions."""
    if not isinstance(told, dict):
        raise PackError("the capabilities are damaged")
    found: dict[int, frozenset[int]] = {}
    for number, actions in told.items():
        want(number, int)
        found[number] = frozenset(want(action, int) for action in want(actions, tuple))
    return found
