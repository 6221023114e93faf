"""What correlation is told and what it may touch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from linkage.store.rows import Event, FileRecord, Operation, OperationKey
from protocol.message import Message

EXPLICIT: Final = "explicit"
CREATED: Final = "created"
DERIVED: Final = "derived"
COMMAND: Final = "command"
REPLY: Final = "reply"
MANUAL: Final = "manual"


@dataclass(slots=True, kw_only=True)
class Entry:
    """One accepted message as the journal holds it.

    Args:
        seq: its place in the journal; new events take it as their key.
        at: when it happened, microseconds: the source's time where it gave one, else ours.
        source: the peer that sent it.
        message: what it said.
        owner: the application that routing chose for a call nobody owns yet; for an application's
        message itself. command_event: the event (key) of the command that this is the outcome of.
        command_seq: the place of that command in the journal.
        reconstructed: made up by an adapter's resync.
        given_again: it reads like an earlier one, and is no repetition of it.
        lost: the OpId that a made-up notice closes: its platform, asked, does not know it.
        made: OpIds of the operations that this entry made; filled while it is applied.
    """

    seq: int
    at: int
    source: str
    message: Message
    owner: str | None = None
    command_event: int | None = None
    command_seq: int | None = None
    reconstructed: bool = False
    given_again: bool = False
    lost: int | None = None
    made: tuple[int, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Bound:
    """An operation that existed before and has a new event now."""

    operation: Operation
    event: Event
    old: Event | None
    cause: str


@dataclass(slots=True)
class Applied:
    """What an entry concerned and changed.

    `bound` lists operations from before that now belong to another event; `candidates` are the
    events of which one may be meant, where several fit; `is_new`: the operation began with this
    entry.
    """

    operation: Operation | None = None
    event: Event | None = None
    bound: list[Bound] = field(default_factory=list)
    candidates: Sequence[Event] = ()
    is_new: bool = False


class Records(Protocol):
    """The projections, as `linkage.store.sql.unit.UnitOfWork` keeps them."""

    def operation(self, op_id: int) -> Operation | None:
        """By OpId."""
        ...

    def find_operation(self, platform: str, native: str) -> Operation | None:
        """The latest with this native key."""
        ...

    def find_calls(self, call_id: str) -> list[Operation]:
        """Calls and legs of any platform under a CallId, latest first."""
        ...

    def find_conferences(self, conference_id: str) -> list[Operation]:
        """Conferences of any platform, latest first."""
        ...

    def tree(self, root: int) -> list[Operation]:
        """A root and all that descend from it."""
        ...

    def next_op_id(self) -> int:
        """A fresh OpId."""
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

    def add_binding(self, op_id: int, event_pk: int, cause: str, author: str, seq: int) -> None:
        """Valid from this journal seq on."""
        ...

    def end_binding(self, op_id: int, seq: int) -> None:
        """End the valid one."""
        ...

    def add_link(self, event_pk: int, other_pk: int, kind: str, author: str, seq: int) -> None:
        """Valid from this journal seq on."""
        ...

    def end_link(self, event_pk: int, other_pk: int, kinds: tuple[str, ...], seq: int) -> None:
        """End the valid ones of these kinds."""
        ...

    def find_all(self, native: str) -> list[Operation]:
        """Of any platform with this native key, latest first."""
        ...

    def add_key(self, row: OperationKey) -> None:
        """Another name of an operation; no error where it has it already."""
        ...

    def find_by_key(self, platform: str, kind: str, key: str) -> list[Operation]:
        """Those of a platform that have this other name, latest first."""
        ...

    def find_file(self, platform: str, file_id: str) -> FileRecord | None:
        """A platform's file."""
        ...

    def find_files(self, file_id: str) -> list[FileRecord]:
        """Files of any platform under a FileId."""
        ...

    def put_file(self, row: FileRecord) -> None:
        """Insert or replace."""
        ...
