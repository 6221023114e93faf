"""What a timeline is made of, however it is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """What a column stands for; columns are drawn in this order."""

    CALLER = "caller"
    PLATFORM = "platform"
    LINKAGE = "linkage"
    APPLICATION = "application"
    SCREEN = "screen"
    PARTY = "party"


class Style(StrEnum):
    """What an arrow stands for."""

    MESSAGE = "message"
    """A message of the protocol, through linkage."""
    TELEPHONE = "telephone"
    """What happens on the telephone, as the platform told of it."""
    REFUSED = "refused"
    """A message that was not taken."""
    NOTE = "note"
    """An observation of linkage's own."""


@dataclass(frozen=True, slots=True)
class Participant:
    """One column. `key` is unique in a ladder; `name` is field data."""

    key: str
    name: str
    kind: Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One arrow from a column to another, or a note at one column (source and target the same).

    `via` is the key of linkage's column where the message passes through it. `label` is ours,
    `detail` is field data.
    """

    at: datetime
    source: str
    target: str
    label: str
    style: Style
    detail: str = ""
    via: str | None = None
    reconstructed: bool = False


@dataclass(frozen=True, slots=True)
class Ladder:
    """The whole picture. `title` is field data."""

    event_id: str
    title: str
    participants: tuple[Participant, ...]
    rungs: tuple[Rung, ...]

    def column(self, key: str) -> int:
        """The place of a participant, from the left, 0 first."""
        return [item.key for item in self.participants].index(key)
