"""The projections of the journal within a transaction, as `linkage.ports.store` has them."""

from __future__ import annotations

from typing import Protocol

from linkage.store.rows import Event, FileRecord, Operation, OperationKey


class BindingsPort(Protocol):
    """Which operation belongs to which event, and events to each other; nothing is deleted."""

    def add(self, op_id: int, event_pk: int, cause: str, author: str, seq: int) -> None:
        """A binding that is valid from this journal seq on."""
        ...

    def end(self, op_id: int, seq: int) -> None:
        """End the valid one."""
        ...

    def link(self, event_pk: int, other_pk: int, kind: str, author: str, seq: int) -> None:
        """A link between events that is valid from this journal seq on."""
        ...

    def unlink(self, event_pk: int, other_pk: int, kinds: tuple[str, ...], seq: int) -> None:
        """End the valid ones of these kinds from one event to another."""
        ...

    def linked(self, event_pk: int, other_pk: int, kinds: tuple[str, ...]) -> bool:
        """Whether a valid link of one of these kinds goes from one event to another."""
        ...


class FileRecordsPort(Protocol):
    """Whose each file is; a FileId is its platform's own."""

    def put(self, row: FileRecord) -> None:
        """Insert or replace a file's row."""
        ...

    def find(self, platform: str, file_id: str) -> FileRecord | None:
        """A platform's file."""
        ...

    def find_all(self, file_id: str) -> list[FileRecord]:
        """Files of any platform under a FileId."""
        ...


class RecordsPort(Protocol):
    """The projections of the journal: `linkage.correlation` is what changes them.

    One object stands for each row while it is used; `change_…` says that its fields changed.
    """

    bindings: BindingsPort
    files: FileRecordsPort

    def operation(self, op_id: int) -> Operation | None:
        """By OpId."""
        ...

    def find_operation(self, platform: str, native: str) -> Operation | None:
        """The latest with this native key."""
        ...

    def prefetch(self, natives: set[tuple[str, str]]) -> None:
        """Look up in one query which of these (platform, native key) there are."""
        ...

    def find_calls(self, call_id: str) -> list[Operation]:
        """Calls and legs of any platform under a CallId, latest first."""
        ...

    def find_conferences(self, conference_id: str) -> list[Operation]:
        """Conferences of any platform, latest first."""
        ...

    def find_all(self, native: str) -> list[Operation]:
        """Of any platform with this native key, latest first; of many the latest only."""
        ...

    def tree(self, root: int) -> list[Operation]:
        """A root and all that descend from it, by OpId."""
        ...

    def next_op_id(self) -> int:
        """A fresh OpId."""
        ...

    def newest_op_id(self) -> int:
        """The greatest OpId of an operation that is on disk; 0: there is none."""
        ...

    def add_operation(self, operation: Operation) -> Operation:
        """Insert."""
        ...

    def change_operation(self, operation: Operation) -> None:
        """Write the changed record."""
        ...

    def graft(self, operation: Operation, parent: Operation) -> None:
        """Put a root, with all that descends from it, under an operation of another tree."""
        ...

    def add_key(self, row: OperationKey) -> None:
        """Another name of an operation; no error where it has it already."""
        ...

    def find_by_key(self, platform: str, kind: str, key: str) -> list[Operation]:
        """Those of a platform that have this other name, latest first."""
        ...

    def find_by_key_anywhere(self, kind: str, key: str) -> list[Operation]:
        """Those of any platform that have this other name, latest first; of many the latest."""
        ...

    def event(self, event_pk: int) -> Event | None:
        """By key."""
        ...

    def find_event(self, owner: str, event_id: str) -> Event | None:
        """An application's event by EventId."""
        ...

    def find_events(self, event_id: str) -> list[Event]:
        """Every application's event with this EventId."""
        ...

    def add_event(self, event: Event) -> Event:
        """Insert."""
        ...

    def change_event(self, event: Event) -> None:
        """Write the changed record."""
        ...
