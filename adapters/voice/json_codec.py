"""The adapter's data as JSON and back, for its memory: dataclasses by their annotations.

Tolerant, because what is read may have been written by an older or a newer version: unknown keys
are passed over, missing ones take their default.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")


def to_json(value: Any) -> Any:
    """Plain data that `json` can write."""
    if dataclasses.is_dataclass(value):
        return {
            field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return value


def from_json(cls: type[T], data: Any) -> T:
    """An object of a dataclass from what `to_json` made of one.

    Raises:
        ValueError: what stands there cannot be one.
    """
    try:
        return typing.cast("T", _read(cls, data))
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"no {cls.__name__}: {error}") from error


@cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _read(hint: Any, data: Any) -> Any:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        (hint,) = [each for each in inner if each is not types.NoneType]
        return None if data is None else _read(hint, data)
    if origin is dict:
        return {key: _read(inner[1], item) for key, item in data.items()}
    if origin is list:
        return [_read(inner[0], item) for item in data]
    return _read_plain(hint, data)


def _read_plain(hint: type[Any], data: Any) -> Any:
    if dataclasses.is_dataclass(hint):
        hints = _hints(hint)
        known = {field.name for field in dataclasses.fields(hint) if field.init}
        return hint(**{key: _read(hints[key], item) for key, item in data.items() if key in known})
    if hint is datetime:
        return datetime.fromisoformat(data)
    if issubclass(hint, Enum):
        return hint(data)
    if hint is str and not isinstance(data, str):
        raise TypeError(f"{data!r} is no text")
    return data
