"""The reference of the library: every public name, with what its docstring says."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from enum import Enum
from importlib import import_module
from types import ModuleType
from typing import Any, Final

from pydantic import BaseModel

from linkage.client.connecting import ConnectingClient
from linkage.client.session import SessionOwner
from linkage.config.field_docstrings import all_written

MODULES: Final = ("linkage", "linkage.client", "linkage.blocking", "linkage.reader")
ALSO: Final = {"linkage.client": ("linkage.client.options:Options",)}
"""What a signature names and no `__all__` has: module → `module:name`."""
OURS: Final = ("linkage", "protocol")
HEAD: Final = """\
# Library

Written by `make generate` from the code itself: every public name of `linkage`, `linkage.client`,
`linkage.blocking` and `linkage.reader`. The messages are in the [catalogue](catalogue.md), the
settings in [configuration](configuration.md); how it all goes together is shown in the
[quickstart](../quickstart/library.md). Durations are in seconds, times aware and in UTC.
"""
_INTERNAL: Final = (
    frozenset(vars(ConnectingClient))
    | frozenset(vars(SessionOwner))
    | {"call", "each", "hand", "next", "settle"}
)
"""What the parts of a client call each other by."""
_SECTIONS: Final = ("Args", "Raises", "Returns", "Yields")
_SECTION: Final = re.compile(rf"^({'|'.join(_SECTIONS)}):$")
_FENCE: Final = "```"


def reference_text() -> str:
    """The whole page."""
    documented: dict[str, str] = {}
    lines = [HEAD]
    for name in MODULES:
        lines += _module(import_module(name), documented)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def _module(module: ModuleType, documented: dict[str, str]) -> Iterator[str]:
    yield f"## {module.__name__}\n"
    yield _markdown(inspect.getdoc(module) or "")
    items = [(name, getattr(module, name)) for name in getattr(module, "__all__", ())]
    for path in ALSO.get(module.__name__, ()):
        home, _, name = path.partition(":")
        items.append((name, getattr(import_module(home), name)))
    for name, item in sorted(items, key=lambda each: each[0].lower()):
        if inspect.isclass(item) or callable(item):
            yield from _item(module.__name__, name, item, documented)


def _item(module: str, name: str, item: Any, documented: dict[str, str]) -> Iterator[str]:
    """What is public in several places is told once."""
    title = f"{module}.{name}"
    home = f"{item.__module__}.{item.__qualname__}"
    yield f"### {title}\n"
    if home in documented:
        yield f"The same as [{documented[home]}](#{_anchor(documented[home])}).\n"
        return
    documented[home] = title
    if not inspect.isclass(item):
        yield from _callable(name, item)
        return
    yield from _class(title, name, item, documented)


def _class(title: str, name: str, cls: type[Any], documented: dict[str, str]) -> Iterator[str]:
    if not issubclass(cls, Enum | BaseException) and not _has_fields(cls):
        yield f"{_FENCE}python\n{_signature(name, cls)}\n{_FENCE}\n"
    yield _markdown(_own_doc(cls))
    yield from _fields(cls)
    again: dict[str, list[str]] = {}
    for member, value in _members(cls):
        home = documented.setdefault(_home(value), title)
        if home == title:
            yield from _member(title, member, value)
        else:
            again.setdefault(home, []).append(member)
    for other, names in again.items():
        listed = ", ".join(f"[{each}](#{_anchor(f'{other}.{each}')})" for each in names)
        yield f"As of `{other}`: {listed}.\n"


def _home(member: Any) -> str:
    """What two classes have in common has one home."""
    if isinstance(member, property):
        member = member.fget
    plain = inspect.unwrap(getattr(member, "__func__", member))
    return f"{plain.__module__}.{plain.__qualname__}"


def _own_doc(cls: type[Any]) -> str:
    """Its own words, not those that `dataclass` or a base has put there."""
    written = cls.__dict__.get("__doc__") or ""
    return "" if written.startswith(f"{cls.__name__}(") else inspect.cleandoc(written)


def _fields(cls: type[Any]) -> Iterator[str]:
    """Fields of a dataclass, keys of a typed dict, members of an enumeration."""
    if issubclass(cls, Enum):
        yield "".join(f"- `{each.name}` = `{each.value!r}`\n" for each in cls)
        return
    if not _has_fields(cls):
        return
    for name, kind, default, told in all_written(cls):
        value = f" = {default}" if default else ""
        yield f"- `{name}: {kind}{value}`{': ' if told else ''}{told}"
    yield ""


def _has_fields(cls: type[Any]) -> bool:
    return dataclasses.is_dataclass(cls) or _is_typed_dict(cls) or issubclass(cls, BaseModel)


def _is_typed_dict(cls: type[Any]) -> bool:
    return hasattr(cls, "__total__")


def _members(cls: type[Any]) -> Iterator[tuple[str, Any]]:
    """Public methods and properties, its own and those of our bases, as they are in the source."""
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.partition(".")[0] in OURS:
            found.update(vars(base))
    for name in sorted(found):
        value = found[name]
        plain = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        public = not name.startswith("_") or name in {"__aenter__", "__enter__", "__anext__"}
        public = public and name not in _INTERNAL
        if public and (isinstance(plain, property) or inspect.isfunction(plain)):
            yield name, value


def _member(owner: str, name: str, value: Any) -> Iterator[str]:
    if isinstance(value, property):
        kind = inspect.signature(value.fget).return_annotation if value.fget else ""
        yield f"#### {owner}.{name}\n"
        yield f"`{name}: {kind}` — {_markdown(inspect.getdoc(value) or '')}"
        return
    plain = value.__func__ if isinstance(value, classmethod | staticmethod) else value
    yield f"#### {owner}.{name}\n"
    yield from _callable(name, plain, of_class=isinstance(value, classmethod))


def _callable(name: str, function: Any, *, of_class: bool = False) -> Iterator[str]:
    asynchronous = inspect.iscoroutinefunction(inspect.unwrap(function))
    prefix = "@classmethod\n" * of_class + "async " * asynchronous + "def "
    yield f"{_FENCE}python\n{prefix}{_signature(name, function)}\n{_FENCE}\n"
    yield _markdown(inspect.getdoc(function) or "")


def _signature(name: str, item: Any) -> str:
    try:
        signature = inspect.signature(item)
    except (TypeError, ValueError):
        return name
    parameters = [
        each for each in signature.parameters.values() if each.name not in {"self", "cls"}
    ]
    short = signature.replace(parameters=parameters)
    if inspect.isclass(item):
        short = short.replace(return_annotation=inspect.Signature.empty)
    return _folded(name, str(short).replace("'", "").replace("<factory>", "…"))


def _folded(name: str, signature: str) -> str:
    """A parameter to a line, where it is long."""
    if len(name) + len(signature) <= 88:  # noqa: PLR2004 - fits a page
        return name + signature
    inside, _, after = signature[1:].rpartition(")")
    parts, depth, start = [], 0, 0
    for at, character in enumerate(inside):
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            parts.append(inside[start:at].strip())
            start = at + 1
    parts.append(inside[start:].strip())
    return f"{name}(\n" + "".join(f"    {part},\n" for part in parts) + f"){after}"


def _markdown(doc: str) -> str:
    """A docstring of Google's style."""
    lines: list[str] = []
    section = False
    for line in doc.splitlines():
        head = _SECTION.match(line)
        if head is not None:
            section = True
            lines.append(f"**{head[1]}**\n")
        elif not section or not line.startswith("    "):
            section = section and not line
            lines.append(line)
        elif line.startswith("     "):
            lines.append(f"  {line.strip()}")
        else:
            lines.append(_entry(line.strip()))
    return "\n".join(lines) + "\n"


def _entry(line: str) -> str:
    name, colon, told = line.partition(": ")
    return f"- `{name}`: {told}" if colon else f"- {line}"


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9_-]", "", title.lower())
