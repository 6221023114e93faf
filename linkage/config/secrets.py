"""A secret: something that is handed on and never shown.

```python
secret = Secret("correct-horse-battery-staple")
print(secret, [secret], f"{secret}", dataclasses.asdict(key))  # ********** each time
secret.get_secret_value()  # the only way to it
```
What is not a `str` cannot be shown by mistake: not by `repr` of whatever holds it, not by a
format, not by JSON (which refuses it), not by a traceback that shows values.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

HIDDEN: Final = "**********"
"""Always as long: the length tells something, too."""


class Secret:
    """A text that shows itself as `**********`; `get_secret_value` gives the text."""

    __slots__ = ("_value",)

    def __init__(self, value: str | Secret) -> None:
        if isinstance(value, Secret):
            value = value.get_secret_value()
        if not isinstance(value, str):
            raise TypeError(f"a secret is a text, not of type {type(value).__name__}")
        self._value = value

    def get_secret_value(self) -> str:
        """The text itself; keep it in no object that is shown."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret('{HIDDEN}')"

    def __str__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str) -> str:
        return format(HIDDEN, spec)

    def __len__(self) -> int:
        return len(self._value)

    def __eq__(self, other: object) -> bool:
        """Whether it is that secret, or that text; how long it takes does not tell how near."""
        if not isinstance(other, Secret | str):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), Secret(other)._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)

    def __deepcopy__(self, _memo: object) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled: hand it on by get_secret_value()")

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> CoreSchema:
        """A text in a file becomes one; a dump, as Python or as JSON, has the stars."""
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            _from_file, serialization=core_schema.to_string_ser_schema(when_used="json")
        )


def _from_file(value: Any) -> Secret:
    if isinstance(value, str | Secret):
        return Secret(value)
    raise ValueError("write it as a text, in quotes")


class HiddenMapping(Mapping[str, Any]):
    """Settings of somebody else's, among which are secrets: shows its keys and none of its values.

    Which of them are secret only their reader knows. Reading one gives the value itself.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        self._values = dict(values or {})

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(shown(self))

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> CoreSchema:
        """A table of a file becomes one; JSON has its keys, and stars."""
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            _table_of_file,
            serialization=core_schema.plain_serializer_function_ser_schema(
                shown, when_used="json"
            ),
        )


def _table_of_file(value: Any) -> HiddenMapping:
    if isinstance(value, Mapping):
        return HiddenMapping(value)
    raise ValueError("write it as a table")


def shown(settings: Any) -> Any:
    """Settings of somebody else's as they may be shown: keys, and stars for values."""
    if isinstance(settings, Mapping):
        return {name: shown(value) for name, value in settings.items()}
    if isinstance(settings, list | tuple):
        return [shown(value) for value in settings]
    return HIDDEN


def secrets_in(settings: Any) -> Iterator[Secret]:
    """Every secret in settings that were checked."""
    if isinstance(settings, Secret):
        yield settings
    elif isinstance(settings, Mapping):
        for value in settings.values():
            yield from secrets_in(value)
    elif isinstance(settings, list | tuple):
        for value in settings:
            yield from secrets_in(value)
    elif hasattr(settings, "__dataclass_fields__"):
        for name in settings.__dataclass_fields__:
            yield from secrets_in(getattr(settings, name))
