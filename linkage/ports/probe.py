"""What a look at a part, a library or a platform has found, for `linkage doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a check came out. Only `BROKEN` keeps linkage from doing its work."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was looked at, how it stands, and what to do."""

    name: str
    state: State
    detail: str
    remedy: str = ""
