"""What correlation is told and what it may touch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from linkage.store.rows import Event, FileRecord, Operation
from protocol.message import Message

EXPLICIT: Final = "explicit"
CREATED: Final = "created"
DERIVED: Final = "derived"
COMMAND: Final = "command"
REPLY: Final = "reply"
MANUAL: Final = "manual"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One accepted message as the journal holds it.

    Args:
        seq: its place in the journal; new events take it as their key.
        at: when it happened, microseconds: the source's time where it gave one, else ours.
        source: the peer that sent it.
        message: what it said.
        owner: the application that routing chose for a call nobody owns yet; for an application's message itself.
        command_event: the event (key) of the command that this is the outcome of.
        reconstructed: made up by an adapter's resync.
    """

    seq: int
    at: int
    source: str
    message: Message
    owner: str | None = None
    command_event: int | None = None
    reconstructed: bool = False


@dataclass(frozen=True, slots=True)
class Bound:
    """An operation that existed before and has a new event now."""

    operation: Operation
    event: Event
    old: Event | None
    cause: str


class Records(Protocol):
    """The projections, as `linkage.store.unit.UnitOfWork` keeps them."""

    def operation(self, op_id: int) -> Operation | None: ...
    def find_operation(self, platform: str, native: str) -> Operation | None: ...
    def find_calls(self, call_id: str) -> list[Operation]: ...
    def find_conferences(self, conference_id: str) -> list[Operation]: ...
    def tree(self, root: int) -> list[Operation]: ...
    def next_op_id(self) -> int: ...
    def add_operation(self, operation: Operation) -> Operation: ...
    def change_operation(self, operation: Operation) -> None: ...
    def event(self, event_pk: int) -> Event | None: ...
    def find_event(self, owner: str, event_id: str) -> Event | None: ...
    def find_events(self, event_id: str) -> list[Event]: ...
    def add_event(self, event: Event) -> Event: ...
    def change_event(self, event: Event) -> None: ...
    def add_binding(
        self, op_id: int, event_pk: int, cause: str, author: str, seq: int
    ) -> None: ...
    def end_binding(self, op_id: int, seq: int) -> None: ...
    def add_link(self, event_pk: int, other_pk: int, kind: str, author: str, seq: int) -> None: ...
    def end_link(self, event_pk: int, other_pk: int, kinds: tuple[str, ...], seq: int) -> None: ...
    def put_file(self, row: FileRecord) -> None: ...
