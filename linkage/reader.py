"""Reading what linkage knows: `linkage.open_store`.

```python
with linkage.open_store("linkage.toml") as store:
    for event in store.events(status="open"):
        print(event.event_id, event.title)
        for operation in store.operations(event.event_id, owner=event.owner):
            print("  ", operation.kind, operation.from_num, operation.to_num, operation.outcome)
        for entry in store.timeline(event.event_id, owner=event.owner):
            print("  ", entry.at, entry.name, entry.source, entry.summary)
```
It only reads, beside a linkage that serves or without one, and neither waits for the other. What
it hands out are plain frozen dataclasses; nothing in them changes or refers to the store.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from linkage.store.read.history import AmbiguousEventError, EventNotFoundError
from linkage.store.read.reader import StoreReader
from linkage.store.read.views import (
    BindingView,
    EntryView,
    EventHistory,
    EventView,
    FileView,
    LinkView,
    OperationView,
    PeerView,
)
from linkage.store.sqlite.database import StoreError
from protocol.suggest import suggesting

if TYPE_CHECKING:
    from linkage.config.file import Config

__all__ = [
    "AmbiguousEventError",
    "BindingView",
    "EntryView",
    "EventHistory",
    "EventNotFoundError",
    "EventView",
    "FileView",
    "LinkView",
    "OperationView",
    "PeerView",
    "Store",
    "StoreError",
    "open_store",
]

CONFIGURATION: Final = "linkage.toml"
DATABASE: Final = "linkage.db"


@suggesting
def open_store(path: str | Path) -> Store:
    """Open what a linkage has stored, for reading.

    Args:
        path: its configuration (`linkage.toml`), the folder in which that lies, its data folder,
            or the database itself (`linkage.db`). With the configuration, entries that stand in
            the journal just as a peer with an encoding of its own wrote them are read, too.

    Raises:
        ConfigError: the configuration cannot be used.
        StoreError: there is no store yet, it is no database, or another version wrote it.
    """
    return Store(open_reader(Path(path)))


def open_reader(path: Path) -> StoreReader:
    """The read side with everything in it, for the command line; as `open_store`."""
    from linkage.config.file import read_config

    if path.is_dir():
        path = _within(path)
    if path.suffix == ".toml":
        return reader_of(read_config(path))
    return StoreReader.open(path, files=path.parent / "files")


def reader_of(config: Config) -> StoreReader:
    """The read side of the store that a configuration names."""
    return StoreReader.open(
        config.database_path,
        files=config.files_path,
        dialects={peer.id: peer.profile().dialect for peer in config.peer},
    )


def _within(folder: Path) -> Path:
    """The configuration, else the database, in a folder."""
    for name in (CONFIGURATION, DATABASE):
        if (folder / name).exists():
            return folder / name
    raise StoreError(
        f"{folder}: has no {CONFIGURATION} and no {DATABASE}: name the folder of one of them; "
        "a store is made by `linkage serve`"
    )


class Store:
    """What linkage has stored, read only; from `open_store`.

    Use it in a `with`, or `close` it. It may be used from several threads.
    """

    def __init__(self, reader: StoreReader) -> None:
        self._reader = reader

    def close(self) -> None:
        """Give the files free; idempotent."""
        self._reader.close()

    def __enter__(self) -> Self:
        """The store itself, closed at the end of the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @suggesting
    def events(
        self, *, owner: str | None = None, status: str | None = None, limit: int = 100
    ) -> list[EventView]:
        """Events, the one opened last first, each with how many operations are bound to it.

        Args:
            owner: only those of this application.
            status: only these: `open`, `closed`, or one of the application's own.
            limit: at most so many.
        """
        return self._reader.list_events(owner=owner, status=status, limit=limit)

    @suggesting
    def history(self, event_id: str, *, owner: str | None = None) -> EventHistory:
        """All that is found under an EventId: the event, operations, links, entries.

        Args:
            event_id: the EventId.
            owner: the application whose event it is; needed where several use the same number.

        Raises:
            EventNotFoundError: there is none.
            AmbiguousEventError: several applications have one, and `owner` does not say whose.
        """
        return self._reader.history(event_id, owner)

    @suggesting
    def operations(
        self,
        event_id: str | None = None,
        *,
        owner: str | None = None,
        limit: int = 100,
        before: int | None = None,
    ) -> list[OperationView]:
        """The operations of an event, the first first; or of all and none, the last first.

        Args:
            event_id: None: whatever it belongs to.
            owner: as of `history`.
            limit: without `event_id`: at most so many.
            before: without `event_id`: only those with a smaller OpId, to page on.

        Raises:
            EventNotFoundError: there is no such event.
            AmbiguousEventError: as of `history`.
        """
        if event_id is None:
            if owner is not None:
                raise TypeError("operations(owner=…) goes with event_id: events have owners")
            return self._reader.list_operations(limit=limit, before=before)
        return list(self._reader.history(event_id, owner).operations)

    @suggesting
    def timeline(self, event_id: str, *, owner: str | None = None) -> list[EntryView]:
        """Who told whom what of an event, in the order in which it happened.

        Also what was told before the event was opened, of a call that belongs to it.

        Args:
            event_id: the EventId.
            owner: as of `history`.

        Raises:
            EventNotFoundError: there is no such event.
            AmbiguousEventError: as of `history`.
        """
        return list(self._reader.history(event_id, owner).entries)

    @suggesting
    def journal(self, first: int = 1, last: int | None = None) -> Iterator[EntryView]:
        """The journal from one seq to another, both included; the archived part as well.

        Read page by page: however long it is, and however slowly it is read, it costs little and
        holds up nobody. To follow it, ask again from the last seq on.

        Raises:
            ArchiveError: a part of it is archived in a file that is missing or damaged.
        """
        return self._reader.entries(first, last)

    @property
    def last_seq(self) -> int:
        """The seq of the newest entry of the journal; 0 where there is none."""
        return self._reader.last_seq()

    def peers(self) -> list[PeerView]:
        """Every peer that linkage has seen, by id, and what waits for it."""
        return self._reader.peers()

    def alarms(self) -> Mapping[str, str]:
        """What is raised now: AlarmId → what it says."""
        return self._reader.alarms()
