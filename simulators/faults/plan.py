"""What is to go wrong: by chance, or by a script (a TOML file), for each direction."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, Final


class FaultError(Exception):
    """A plan or a script cannot be used; the text says what to change."""


class Direction(StrEnum):
    """Which way a frame goes: `UP` from who connected to the proxy, `DOWN` to it."""

    UP = "up"
    DOWN = "down"


class Fault(StrEnum):
    """What can happen to a frame, or to its connection."""

    CUT = "cut"
    """The connection is reset, half the time in the middle of the frame."""
    HALF_OPEN = "half-open"
    """From now on nothing passes either way, and nobody is told."""
    STALL = "stall"
    """Nothing is read or passed on for a while; then everything comes."""
    DUPLICATE = "duplicate"
    """The frame comes twice."""
    REORDER = "reorder"
    """The frame comes after the next one."""
    GARBLE = "garble"
    """Some bits of the payload (of a heartbeat: of the flag) are turned over."""
    DELAY = "delay"
    """The frame, and so all behind it, comes later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chances:
    """Probabilities for each frame of one direction, from 0 to 1."""

    cut: float = 0.0
    half_open: float = 0.0
    stall: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    garble: float = 0.0
    delay: float = 1.0
    """Of the frames that the plan's `delay_s` and `jitter_s` meet."""

    def __post_init__(self) -> None:
        for item in fields(self):
            chance = getattr(self, item.name)
            if not 0 <= chance <= 1:
                raise FaultError(f"{item.name} = {chance}: a probability is from 0 to 1")

    def of(self, fault: Fault) -> float:
        """The probability of one fault."""
        chance: float = getattr(self, fault.replace("-", "_"))
        return chance


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One fault that is sure to happen: at a frame or at a time of a connection.

    Args:
        fault: what.
        direction: which way; None: both.
        frame: at the n-th frame of that direction, from 1.
        at_s: or so many seconds after the connection came about.
        connection: of the n-th connection, from 1; None: of each.
        seconds: how long a delay or stall takes; None: as the plan says.
    """

    fault: Fault
    direction: Direction | None = None
    frame: int | None = None
    at_s: float | None = None
    connection: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if (self.frame is None) == (self.at_s is None):
            raise FaultError(f"{self.fault}: say either `frame` or `at_s`")
        if self.frame is not None and self.frame < 1:
            raise FaultError(f"{self.fault}: frames count from 1")

    def concerns(self, connection: int, direction: Direction) -> bool:
        """Whether it is for that way of that connection."""
        return self.connection in {None, connection} and self.direction in {None, direction}


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlan:
    """Everything that is to go wrong.

    The same seed and the same frames give the same faults, however TCP cuts the stream and
    whatever the other connections do.

    Args:
        seed: where the lots begin.
        up: chances for frames of who connects to the proxy.
        down: chances for frames to it.
        delay_s: seconds by which frames are late.
        jitter_s: up to so many seconds more, by lot; the order is kept.
        stall_s: how long a stall lasts.
        script: what is sure to happen.
    """

    seed: int = 0
    up: Chances = field(default_factory=Chances)
    down: Chances = field(default_factory=Chances)
    delay_s: float = 0.0
    jitter_s: float = 0.0
    stall_s: float = 5.0
    script: tuple[Planned, ...] = ()

    def __post_init__(self) -> None:
        for name in ("delay_s", "jitter_s", "stall_s"):
            if getattr(self, name) < 0:
                raise FaultError(f"{name} = {getattr(self, name)}: not below 0")

    def chances(self, direction: Direction) -> Chances:
        """The chances of one direction."""
        return self.up if direction is Direction.UP else self.down


_KEYS: Final = {
    "kind": str,
    "direction": str,
    "frame": int,
    "at_s": (int, float),
    "connection": int,
    "seconds": (int, float),
}


def load_script(path: Path) -> tuple[Planned, ...]:
    """The `[[fault]]` tables of a TOML file: `kind`, and the arguments of `Planned`.

    Raises:
        FaultError: the file cannot be read or used; all problems, a line for each.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise FaultError(f"{path}: cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise FaultError(f"{path}: is not valid TOML: {error}") from None
    tables = document.get("fault", [])
    problems = [
        f"{path}: {key}: is not known here; write [[fault]]" for key in document.keys() - {"fault"}
    ]
    planned: list[Planned] = []
    if not isinstance(tables, list):
        raise FaultError(f"{path}: fault: write [[fault]] above each")
    for number, table in enumerate(tables, start=1):
        try:
            planned.append(_read(table))
        except (FaultError, ValueError) as error:
            problems.append(f"{path}: fault {number}: {error}")
    if problems:
        raise FaultError("\n".join(problems))
    return tuple(planned)


def _read(table: Mapping[str, Any]) -> Planned:
    unknown = table.keys() - _KEYS.keys()
    if unknown:
        raise FaultError(f"no key {', '.join(sorted(unknown))}; there are {', '.join(_KEYS)}")
    for key, value in table.items():
        if not isinstance(value, _KEYS[key]) or isinstance(value, bool):  # type: ignore[arg-type]  # types, or tuples of them
            raise FaultError(f"{key} = {value!r}: not of the right kind")
    kinds = ", ".join(Fault)
    kind = table.get("kind")
    if kind not in set(Fault):
        raise FaultError(f"kind = {kind!r}: one of {kinds}")
    direction = table.get("direction", "both")
    if direction not in {"both", *Direction}:
        raise FaultError(f"direction = {direction!r}: up, down or both")
    return Planned(
        fault=Fault(kind),
        direction=None if direction == "both" else Direction(direction),
        frame=table.get("frame"),
        at_s=table.get("at_s"),
        connection=table.get("connection"),
        seconds=table.get("seconds"),
    )
