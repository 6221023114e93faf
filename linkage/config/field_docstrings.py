"""The text that stands below a field in its class: what a setting means.

Python keeps no such text, so it is read from the source; only a reference page, or a person who
made a mistake, asks for it.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any, NamedTuple, get_args, get_origin


class Written(NamedTuple):
    """A field as it stands in the source; `default` and `meaning` may be empty."""

    name: str
    kind: str
    default: str
    meaning: str


def written(cls: type[Any]) -> Iterator[Written]:
    """The public fields of one class, without those of its bases."""
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(node, ast.ClassDef)
    for field, below in zip(node.body, [*node.body[1:], None], strict=True):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        if field.target.id.startswith("_"):
            continue
        meaning = ""
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            meaning = " ".join(str(below.value.value).split())
        default = "" if field.value is None else ast.unparse(field.value)
        yield Written(field.target.id, ast.unparse(field.annotation), default, meaning)


def all_written(cls: type[Any]) -> Iterator[Written]:
    """The public fields of a class with those of its bases, each once, the bases' first."""
    found: dict[str, Written] = {}
    for base in reversed(cls.__mro__):
        if "__annotations__" in vars(base) and base.__module__ not in {"typing", "pydantic.main"}:
            found |= {field.name: field for field in written(base)}
    given = _type_arguments(cls)
    for field in found.values():
        yield field._replace(
            kind=re.sub(r"\w+", lambda word: given.get(word[0], word[0]), field.kind)
        )


def _type_arguments(cls: type[Any]) -> dict[str, str]:
    """What a class has made of the type variables of its bases: `Time` → `datetime`."""
    return {
        parameter.__name__: argument.__name__
        for base in vars(cls).get("__orig_bases__", ())
        for parameter, argument in zip(
            getattr(get_origin(base), "__parameters__", ()), get_args(base), strict=False
        )
        if isinstance(argument, type)
    }


def meanings(cls: type[Any]) -> dict[str, str]:
    """What each field means, those of the bases first."""
    return {field.name: field.meaning for field in all_written(cls) if field.meaning}
