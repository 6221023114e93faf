"""Reads TOML tables so that all mistakes are found at once, each named by file and key."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from protocol.suggest import nearest
from simulators.errors import ScenarioError

E = TypeVar("E", bound=Enum)


class TomlProblems:
    """Collects what is wrong in one file; with its `text`, each is named with its line."""

    def __init__(self, path: str, text: str = "") -> None:
        self._path = path
        self._text = text.splitlines()
        self.lines: list[str] = []

    def add(self, key: str, problem: str) -> None:
        """One more line: what is wrong with a key, and what to do."""
        number = line_of(self._text, key)
        where = "" if number is None else f"line {number}: "
        self.lines.append(f"{self._path}: {where}{key}: {problem}")

    def raise_any(self) -> None:
        """Raise `ScenarioError` with all of them, if there are any."""
        if self.lines:
            raise ScenarioError(self.lines)


class TomlTable:
    """One table of the file; its readers note a problem instead of raising, and go on.

    `close` notes the keys that nobody took: they are misspelt.
    """

    def __init__(self, content: Any, key: str, problems: TomlProblems) -> None:
        self.key = key
        self._problems = problems
        self._taken: set[str] = set()
        self._content: dict[str, Any] = {}
        if isinstance(content, dict):
            self._content = content
        else:
            problems.add(key, "must be a table")

    def problem(self, name: str, text: str) -> None:
        """Note what is wrong with one key of this table."""
        self._problems.add(self._path(name), text)

    def has(self, name: str) -> bool:
        """True when the key is there."""
        return name in self._content

    def text(self, name: str, default: str | None = None) -> str:
        """A string; required where there is no default."""
        value = self._take(name, default, "write it as text")
        if value is None:
            return ""
        if not isinstance(value, str) or not value:
            self.problem(name, f'{value!r} is no text: write it in quotes, as "{value}"')
            return default or ""
        return value

    def maybe_text(self, name: str) -> str | None:
        """A string, None where the key is not there."""
        self._taken.add(name)
        return self.text(name) if name in self._content else None

    def seconds(self, name: str, default: float | None, *, above_0: bool = False) -> float | None:
        """A number of seconds, 0 or more; or `above_0`."""
        value = self._content.get(name, default)
        self._taken.add(name)
        if value is None:
            return None
        known = isinstance(value, int | float) and not isinstance(value, bool)
        if not known or not math.isfinite(value) or value < 0 or (above_0 and not value):
            least = "more than 0" if above_0 else "0 or more"
            self.problem(name, f"{value!r} is no number of seconds: write one of {least}")
            return default
        return float(value)

    def whole(self, name: str, default: int | None, *, low: int = 0) -> int | None:
        """A whole number."""
        value = self._content.get(name, default)
        self._taken.add(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            self.problem(name, f"{value!r} is no whole number of at least {low}")
            return default
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings with at least one in it."""
        value = self._take(name, None, 'write it as a list, such as ["23"]')
        if value is None:
            return ()
        if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
            self.problem(name, f'{value!r} is no list of texts: write it as ["23", "24"]')
            return ()
        return tuple(value)

    def choices(self, name: str, options: type[E], default: E) -> tuple[E, ...]:
        """One word of an enumeration, or a list of such."""
        value = self._content.get(name, default.value)
        self._taken.add(name)
        words = value if isinstance(value, list) and value else [value]
        by_word = {option.value: option for option in options}
        unknown = [word for word in words if not isinstance(word, str) or word not in by_word]
        if unknown:
            near = nearest(str(unknown[0]), by_word)
            meant = "" if near is None else f"; did you mean {near!r}?"
            self.problem(name, f"{unknown[0]!r} is none of {', '.join(by_word)}{meant}")
            return (default,)
        return tuple(by_word[word] for word in words)

    def choice(self, name: str, options: type[E], default: E) -> E:
        """One word of an enumeration."""
        return self.choices(name, options, default)[0]

    def yes(self, name: str, *, default: bool) -> bool:
        """True or false."""
        value = self.anything(name, default)
        if not isinstance(value, bool):
            self.problem(name, f"{value!r} is neither true nor false: write one of them")
            return default
        return value

    def anything(self, name: str, default: Any = None) -> Any:
        """A value whose reader checks it."""
        self._taken.add(name)
        return self._content.get(name, default)

    def table(self, name: str) -> TomlTable | None:
        """A table within this one, None where there is none."""
        self._taken.add(name)
        if name not in self._content:
            return None
        return TomlTable(self._content[name], self._path(name), self._problems)

    def tables(self, name: str) -> Iterator[TomlTable]:
        """A list of tables, `[[name]]`."""
        self._taken.add(name)
        value = self._content.get(name, [])
        if not isinstance(value, list):
            self.problem(name, f"is a list of tables: write [[{self._path(name)}]]")
            return
        for index, item in enumerate(value):
            yield TomlTable(item, f"{self._path(name)}[{index}]", self._problems)

    def close(self) -> None:
        """Everything that belongs here was taken."""
        for name in self._content:
            if name not in self._taken:
                known = ", ".join(sorted(self._taken))
                near = nearest(name, self._taken)
                meant = "" if near is None else f"did you mean {near!r}? "
                self.problem(name, f"is no key of a scenario; {meant}here are known: {known}")

    def _take(self, name: str, default: Any, remedy: str) -> Any:
        self._taken.add(name)
        if name not in self._content and default is None:
            self.problem(name, f"is missing: {remedy}")
        return self._content.get(name, default)

    def _path(self, name: str) -> str:
        return f"{self.key}.{name}" if self.key else name


def line_of(text: Sequence[str], key: str) -> int | None:
    """Where a key stands in a file, or the table that it belongs to; None: nobody can say.

    `platform.call[1].to`: in the second `[[platform.call]]`.
    """
    listed = re.fullmatch(r"([^\[]+)\[(\d+)\]\.?(.*)", key)
    if listed is not None:
        header, index, name = listed[1], int(listed[2]), listed[3]
    else:
        (header, _, name), index = key.rpartition("."), 0
    start = _header_line(text, header, index)
    if start is None:
        return None
    return _key_line(text, start, name.partition(".")[0]) or start or None


def _header_line(text: Sequence[str], header: str, index: int) -> int | None:
    """The line of the table, counted from 1; 0 is before the first line: the top table."""
    if not header:
        return 0
    plain, listed = f"[{header}]", f"[[{header}]]"
    found = 0
    for number, line in enumerate(text, 1):
        written = line.partition("#")[0].replace(" ", "").strip()
        if written == plain:
            return number
        if written == listed:
            if found == index:
                return number
            found += 1
    return None


def _key_line(text: Sequence[str], start: int, name: str) -> int | None:
    """The line of a key of the table whose header stands at `start`."""
    pattern = re.compile(rf'\s*"?{re.escape(name)}"?\s*[=.]')
    for number, line in enumerate(text[start:], start + 1):
        if line.lstrip().startswith("["):
            return None
        if pattern.match(line):
            return number
    return None


def parse_scenario_toml(path: Path, text: str) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        ScenarioError: it is not TOML.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(
            [f"{path}: file: is not valid TOML: {error}: correct it there, or just above"]
        ) from None


def read_text(path: Path) -> str:
    """The text of a scenario file.

    Raises:
        ScenarioError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ScenarioError(
            [f"{path}: file: there is no such file; name one that exists or a built-in scenario"]
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError([f"{path}: file: cannot be read ({error}): check it"]) from None
