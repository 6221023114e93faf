"""The adapter's data as JSON and back, for its memory: dataclasses by their annotations.

Tolerant, because what is read may have been written by an older or a newer version: unknown keys
are passed over, missing ones take their default. What has its default is not written: most of a
call has, and it is written at each of its steps. So a default must keep its meaning.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, Final, TypeVar

T = TypeVar("T")

PLAIN: Final = frozenset({str, int, float, bool, type(None)})
"""Of such are most of a call's fields: they are what they are."""


def to_json(value: Any) -> Any:
    """Plain data that `json` can write."""
    cls: type = type(value)
    return _writer(cls)(value)


@cache
def _writer(cls: type) -> Callable[[Any], Any]:
    """How values of a class are written, found once: a call is written at each of its steps."""
    if dataclasses.is_dataclass(cls):
        fields = [(field.name, _default_of(field)) for field in dataclasses.fields(cls)]
        return lambda value: {
            name: _write(each)
            for name, default in fields
            if (each := getattr(value, name)) is not default and each != default
        }
    if issubclass(cls, datetime):
        return cls.isoformat
    if issubclass(cls, Enum):
        return lambda value: value.value
    if issubclass(cls, dict):
        return lambda value: {str(key): _write(item) for key, item in value.items()}
    if issubclass(cls, list | tuple):
        return lambda value: [_write(item) for item in value]
    return lambda value: value


def _default_of(field: dataclasses.Field[Any]) -> Any:
    factory = field.default_factory
    return field.default if factory is dataclasses.MISSING else factory()


def _write(value: Any) -> Any:
    cls: type = type(value)
    return value if cls in PLAIN else _writer(cls)(value)


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
