"""What is wrong with settings, in lines for people: file, key, what is wrong, what to do.

The checks are pydantic's, of plain dataclasses as of its own models. A check of a whole section
raises `ValueError` with a line for each problem; `KEY: problem` names a setting of the section.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar, cast, get_args, get_type_hints

from pydantic import BaseModel, TypeAdapter, ValidationError

from linkage.config.field_docstrings import meanings
from linkage.config.fields import Section
from protocol.suggest import suggestion

_OF_KEY: Final = re.compile(r"([a-z_]+(?:\.[^\s:]+)*): (.*)")
T = TypeVar("T")


class ConfigError(Exception):
    """The configuration cannot be used. `problems` are lines for people, all of them at once."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def check(model: type[T], values: Mapping[str, Any], where: str, *, at: str = "") -> T:
    """Make a section, or a whole file, of what was written.

    Args:
        model: a dataclass, or a model of pydantic's.
        values: what was written.
        where: what each problem begins with: the file.
        at: the key of the section in it; "" for the whole file.

    Raises:
        ConfigError: with every problem.
    """
    # In a tuple, because a dataclass by itself is given no configuration of pydantic's.
    adapter = TypeAdapter(tuple[model], config=Section.model_config)  # type: ignore[valid-type]
    try:
        return cast("T", adapter.validate_python((values,))[0])
    except ValidationError as error:
        problems = [line for item in error.errors() for line in _lines(model, item, where, at)]
        raise ConfigError(problems) from None


def _lines(model: type[Any], item: Any, where: str, at: str) -> list[str]:
    loc = item["loc"][1:]
    steps = [step for step in (at, *loc) if step != ""]
    problem = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] in {"extra_forbidden", "unexpected_keyword_argument"}:
        known = names_of(_inner(model, loc[:-1]))
        problem = f"is not a setting: {suggestion(str(loc[-1]), known)}"
    elif item["type"] in {"missing", "missing_argument"}:
        meaning = meanings(_inner(model, loc[:-1])).get(str(loc[-1]))
        problem = f"is missing: {meaning}" if meaning else "is missing"
    return [_line(where, steps, line) for line in problem.splitlines()]


def _line(where: str, steps: list[Any], line: str) -> str:
    named = _OF_KEY.fullmatch(line)
    if named is not None:
        steps, line = [*steps, named[1]], named[2]
    return f"{where}: {'.'.join(str(step) for step in steps) or 'file'}: {line}"


def names_of(model: Any) -> list[str]:
    """The settings of a section, as they are written."""
    if isinstance(model, type) and issubclass(model, BaseModel):
        fields = model.model_fields.items()
        return [field.alias or name for name, field in fields if not field.exclude]
    if dataclasses.is_dataclass(model):
        return [field.name for field in dataclasses.fields(model)]
    return []


def _inner(model: Any, loc: tuple[Any, ...]) -> Any:
    """The section within a section that a place names."""
    for step in loc:
        if isinstance(step, str) and step in names_of(model):
            model = types_of(model)[step]
    return model


def types_of(model: Any) -> dict[str, Any]:
    """The section that each setting holds, where it holds one, as a table or an array of them."""
    return {name: _section_of(hint) for name, hint in hints_of(model).items()}


def hints_of(model: Any) -> dict[str, Any]:
    """The types of the settings of a section, by the name that is written."""
    if isinstance(model, type) and issubclass(model, BaseModel):
        fields = model.model_fields.items()
        return {field.alias or name: field.annotation for name, field in fields}
    return get_type_hints(model)


def _section_of(hint: Any) -> Any:
    if isinstance(hint, type) and (dataclasses.is_dataclass(hint) or issubclass(hint, BaseModel)):
        return hint
    found = (_section_of(part) for part in get_args(hint))
    return next((one for one in found if one is not None), None)


def placed(section: T, folder: Path) -> T:
    """The same section, its paths no longer relative to `folder`."""
    assert dataclasses.is_dataclass(section)
    assert not isinstance(section, type)
    paths = {
        field.name: folder / value
        for field in dataclasses.fields(section)
        if isinstance(value := getattr(section, field.name), Path)
    }
    return dataclasses.replace(section, **paths)
