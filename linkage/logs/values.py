"""Changing every text within a value of a log line, however deep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

DEPTH_MAX: Final = 8
"""What is deeper is shown as text: a structure may hold itself."""


def changed_texts(
    value: Any,
    change: Callable[[str], str],
    number: Callable[[int], Any] = int,
    depth: int = 0,
) -> Any:
    """The value with `change` applied to its texts, keys of mappings included.

    `number` makes something of whole numbers; fractions, None and booleans stay. What is neither
    of these nor a container is shown by its `repr`, as a renderer would, so that nothing in it
    escapes.
    """
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return number(value)
    if isinstance(value, str):
        return change(value)
    if depth < DEPTH_MAX:
        if isinstance(value, Mapping):
            return {
                change(name if isinstance(name, str) else repr(name)): changed_texts(
                    inner, change, number, depth + 1
                )
                for name, inner in value.items()
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [changed_texts(inner, change, number, depth + 1) for inner in value]
    return change(repr(value))
