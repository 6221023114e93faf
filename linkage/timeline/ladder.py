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
    """One column. `key` is unique in a ladder; `name` is field data.

    `called`: somebody who was called out or convened, of whom there may be many. `people`: those
    for whom one column stands; `head` is then what fits over a narrow one.
    """

    key: str
    name: str
    kind: Kind
    called: bool = False
    people: tuple[str, ...] = ()
    head: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One arrow from a column to another, or a note at one column (source and target the same).

    `via` is the key of linkage's column where the message passes through it. `label` is ours,
    `detail` is field data. `about` are the columns of the people that it tells of: who did
    something, who made the call. `count` and `until`: so many of a kind are shown as this one, the
    last of them then.
    """

    at: datetime
    source: str
    target: str
    label: str
    style: Style
    detail: str = ""
    via: str | None = None
    reconstructed: bool = False
    about: tuple[str, ...] = ()
    theme: str = ""
    """What happened on the telephone, as the label of that rung says: a message has its."""
    binds: str | None = None
    """The operation that a 101 says belongs to the event."""
    count: int = 1
    until: datetime | None = None


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
