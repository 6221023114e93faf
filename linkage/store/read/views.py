"""What the read side hands out: plain, frozen, ready to be shown or written as JSON.

What stands in a table is declared in `linkage.store.rows`, and is here as well.

Times are aware UTC; OpIds are numbers here as in the tables; sizes are bytes, durations seconds.
"""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from linkage.store.read.summary import summarise
from linkage.store.rows import (
    BindingColumns,
    EntryColumns,
    EventColumns,
    FileColumns,
    LinkColumns,
    OperationColumns,
)
from protocol.message import Message


class Frozen:
    """A record whose fields are set once, when it is made.

    Its columns are those of a row, which changes: a frozen dataclass cannot have them from there.
    """

    __slots__ = ()

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(self, name):
            raise FrozenInstanceError(f"cannot assign to field {name!r}")
        super().__setattr__(name, value)


@dataclass(slots=True, kw_only=True, unsafe_hash=True)
class EventView(Frozen, EventColumns[datetime]):
    """A business event.

    `owner` is the application that gave it its `event_id`; `status` is `open`, `closed` or one of
    its own; `lon` and `lat` are degrees of WGS 84; `merged_into` is the EventId of the one that it
    was merged into, None where it stands for itself.
    """

    merged_into: str | None
    operations: int | None = None
    """How many operations are bound to it; counted for lists only."""


@dataclass(slots=True, kw_only=True, unsafe_hash=True)
class LinkView(Frozen, LinkColumns):
    """An event and another: `kind` is merge, parent, related or split; seqs are the journal's."""

    event_id: str
    other_event_id: str


@dataclass(slots=True, kw_only=True, unsafe_hash=True)
class BindingView(Frozen, BindingColumns):
    """One entry of an operation's binding history, the valid one having no `until`."""

    event_id: str
    owner: str
    since: datetime | None
    until: datetime | None


@dataclass(slots=True, kw_only=True, unsafe_hash=True)
class FileView(Frozen, FileColumns[datetime]):
    """A recording, fax or attachment. `path` is set where linkage keeps it and it is there."""

    path: Path | None


@dataclass(slots=True, kw_only=True, unsafe_hash=True)
class OperationView(Frozen, OperationColumns[datetime]):
    """One communication operation with why it belongs to its event, and the files that came of it.

    `kind` is call, leg, transfer, conference, recording, sms, fax, mail, video, location …;
    `platform` the PeerId of the platform that has it, `native` its id there. `parent` and `root`
    are OpIds: a leg's call, a transfer's call. `from_num`, `to_num` and `login_id` are who was on
    either side; `state` is where it stands, `outcome` and `reason` (protocol.md#reasons) how it
    ended. `cause` and `author` are those of the binding that is valid now (protocol.md#events);
    `bindings` is all of them, in order. `reconstructed`: linkage was not there when it happened,
    and asked afterwards.
    """

    event_id: str | None
    author: str | None
    bindings: tuple[BindingView, ...]
    files: tuple[FileView, ...]


@dataclass(slots=True, kw_only=True, unsafe_hash=True)
class EntryView(Frozen, EntryColumns[datetime]):
    """One entry of the journal.

    `name` and `chinese` are the catalogue's for a message (its kind for an observation of our
    own); `message` is the message decoded, None where there is none or it cannot be read; `body`
    what was received, as text.
    """

    name: str
    chinese: str
    message: Message | None
    body: str

    @property
    def at(self) -> datetime:
        """When it happened: the source's time where it gave one, else when it was recorded."""
        return self.occurred_at or self.recorded_at

    @property
    def summary(self) -> str:
        """What it says, in one line; field data in it is as the peer sent it."""
        if self.message is not None:
            return summarise(self.message)
        return self.detail or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventHistory:
    """Everything that is found under one EventId.

    `merged` are the events that were merged into it, directly or not; their operations and entries
    are among those here. Operations are ordered by OpId, entries by time.
    """

    event: EventView
    merged: tuple[EventView, ...]
    links: tuple[LinkView, ...]
    operations: tuple[OperationView, ...]
    entries: tuple[EntryView, ...]
    absent: tuple[str, ...] = ()
    """Archive segments that may hold more entries, and are not where they were written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerView:
    """A peer that has, or had, a queue: the Seq of its next message, and what waits."""

    peer_id: str
    role: str
    next_seq: int
    open_deliveries: int
    last_seen: datetime | None
