"""What the core may do with what it stores: inside the writer's transaction, and nowhere else.

```
 StorePort.transaction() ── Tx ─┬─ journal   the truth: append, find
                                ├─ records   operations, events, files: what correlation changes
                                ├─ queues    what waits for each peer
                                ├─ queries   data answers: operations of an event, what is open
                                ├─ memory    adapters' own state
                                ├─ nonces    registrations that were used
                                └─ trimming  rows that retention takes away
```
One thread uses it. What is written is collected; it is on disk when `transaction` ends without an
error, and undone with everything else of the transaction where it ends with one. What was written
is found by what is asked afterwards, in the same transaction too, except where a method says so.

An error of the database leaves the transaction unusable (on PostgreSQL nothing after it is kept),
but for `UnreadableError`. Times are microseconds since 1970 UTC, seqs those of the journal; a Seq
is a place in a receiver's queue.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from linkage.ports.records import RecordsPort
from linkage.store.archive import Segment
from linkage.store.rows import (
    DeliveryRow,
    FileRecord,
    JournalRow,
    Operation,
)


class StoreFailedError(Exception):
    """The database took nothing: disk full, locked, gone. Everything of the batch is undone."""


class UnreadableError(StoreFailedError):
    """The disk failed at one row. Who can do without it goes on: the transaction is as it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a 280 asks for: empty and None mean everything. `events` are keys of events."""

    events: Collection[int]
    kinds: Collection[str] = ()
    since: int | None = None
    until: int | None = None
    number: str | None = None


class JournalPort(Protocol):
    """The chain of entries."""

    @property
    def next_seq(self) -> int:
        """The seq that the next row must carry."""
        ...

    @property
    def found_at(self) -> int | None:
        """When the row was recorded that was the newest when the store was read."""
        ...

    def append(self, row: JournalRow) -> None:
        """Add a row; its seq is `next_seq`."""
        ...

    def find(self, seq: int) -> JournalRow | None:
        """A row by its seq; None where there is none, or it is in the archive.

        Raises:
            UnreadableError: the disk failed at it.
        """
        ...

    def find_requests(
        self, keys: Iterable[tuple[str, str]], *, also_new: bool = False
    ) -> list[JournalRow]:
        """Requests by (source, request Id): the persistent duplicate window.

        Of each source the latest, as many as an implementation reads in one look-up. Committed
        ones only, but for `also_new`.
        """
        ...

    def said_later(self, row: JournalRow, before: int) -> bool:
        """Whether the sender of a request has another one after it, before a seq.

        One of the same commit does not count: when it was sent, neither was answered.
        """
        ...

    def last_heard(self, op_id: int, platform: str) -> int | None:
        """When a platform's last notice of an operation was journalled."""
        ...

    def first_trace(self, op_id: int) -> str | None:
        """The Trace of the first entry of an operation that has one."""
        ...


class QueuesPort(Protocol):
    """What waits for each peer, and what became of it."""

    def enqueue(
        self, receiver: str, role: str, journal_seq: int, type_: int, expires_at: int | None = None
    ) -> DeliveryRow:
        """Give a receiver's queue one more message."""
        ...

    def settle(
        self, receiver: str, seq: int, journal_seq: int, state: str, result: int | None
    ) -> None:
        """What became of the delivery of a journal entry in a place of a queue.

        Nothing is written where another one stands in that place since (`put`).
        """
        ...

    def next_seq(self, receiver: str) -> int:
        """The Seq that the receiver's next message will carry."""
        ...

    def begin_at(self, receiver: str, role: str, first_seq: int) -> bool:
        """Let a queue begin at a Seq; False where there is one."""
        ...

    def gone_to(self, receiver: str) -> int:
        """Up to which Seq nothing of a queue is kept; 0: all of it is."""
        ...

    def set_gone_to(self, receiver: str, to_seq: int) -> None:
        """Nothing is kept of a queue up to `to_seq`; the rows before it are trimmed later."""
        ...

    def find(self, receiver: str, seq: int) -> DeliveryRow | None:
        """What stands, or stood, in a place of a queue."""
        ...

    def put(self, row: DeliveryRow) -> None:
        """Write a delivery into a place of the queue that was given before."""
        ...

    def open(self, receiver: str, after: int, limit: int) -> list[DeliveryRow]:
        """Deliveries that are not done, by Seq, after a position."""
        ...

    def reopen_after(
        self, receiver: str, last_seq: int, before: int, most: int
    ) -> tuple[int, int | None]:
        """Open notices after `last_seq` again that are done: a slice of them, the last ones first.

        Args:
            receiver: whose queue.
            last_seq: what it has.
            before: from this Seq on they are open again already.
            most: how many at most, of a few times as many that are looked at.

        Returns what of `most` it cost, and the next `before`; None: there are no more.
        """
        ...

    def settle_to(self, receiver: str, last_seq: int, most: int) -> int:
        """The receiver has what is open up to `last_seq`: a slice of it, the first ones first.

        Returns how many these are; fewer than `most`: there are no more.
        """
        ...

    def reopen(self, receiver: str, from_seq: int, to_seq: int, types: Sequence[int]) -> int:
        """Open notices of the queue once more, for a replay; commands are never repeated.

        `types` narrows it to these; none: all. Returns how many there are.
        """
        ...

    def expired(self, now_us: int, limit: int) -> list[DeliveryRow]:
        """Open deliveries whose time is over."""
        ...

    def saw(self, peer_id: str, role: str, now_us: int) -> None:
        """Remember when a peer was here last: as it came, and as it went."""
        ...

    def take_gaps(self) -> dict[str, int]:
        """The first Seq that each peer has lost to an older store; afterwards they count as told.

        Under an empty name: the first Seq of those whom the store does not know.
        """
        ...


class QueriesPort(Protocol):
    """Reads for data answers. They see what was written before them in the transaction."""

    def events_under(self, event_pk: int) -> list[int]:
        """An event and all that were merged into it, however deep."""
        ...

    def events_linked(self, events: Collection[int]) -> list[int]:
        """Those that are linked to one of these events now, but not merged with it."""
        ...

    def count_operations(self, wanted: Wanted) -> int:
        """How many operations fit."""
        ...

    def find_operations(self, wanted: Wanted, offset: int, limit: int) -> list[Operation]:
        """Operations that fit, in the order in which they began."""
        ...

    def open_operations(self, kinds: Collection[str]) -> list[Operation]:
        """Operations of these kinds that have not ended, in the order in which they began.

        Of more than an implementation's bound the latest.
        """
        ...

    def open_calls_of(self, login_id: str | None, number: str | None) -> list[Operation]:
        """Calls and legs that have not ended, and that a dispatcher, or else a number, is in."""
        ...

    def open_and_heard(self, kind: str, after: int, limit: int) -> list[tuple[Operation, int]]:
        """Open operations of a kind, by OpId after one, each with when it was heard of last.

        By the wall clock: when its platform's last notice of it was journalled, else when it
        began.
        """
        ...

    def files_of(self, op_ids: Collection[int]) -> dict[int, FileRecord]:
        """The latest file of each operation that has one."""
        ...

    def latest_platform(self, events: Collection[int]) -> str | None:
        """The platform of the latest operation of these events (keys)."""
        ...


ALARMS: Final = "!alarms"
"""Under this name, which no adapter can have, raised alarms are kept: AlarmId → what it says."""
SESSIONS: Final = "!sessions"
"""And the last two connections of each peer (`linkage.core.requests.repetition`)."""
CLOCK: Final = "!clock"
"""And the moves of the wall clock (`linkage.store.clock_history`)."""


SUBSCRIPTIONS: Final = "!subscriptions"
"""And who follows events that are not theirs (`linkage.core.subscriptions`)."""


class MemoryPort(Protocol):
    """What adapters, and parts of the core, keep by key; each sees its own."""

    def load(self, owner: str) -> dict[str, str]:
        """All that is kept of one."""
        ...

    def save(self, owner: str, key: str, value: str | None) -> None:
        """Write one key; None deletes it."""
        ...

    def save_all(self, owner: str, values: Mapping[str, str | None]) -> None:
        """Write many, at little more than the price of one."""
        ...


class NoncesPort(Protocol):
    """Nonces of registrations, each used once."""

    @property
    def known_since_us(self) -> int:
        """From when on every nonce that was used is known; 0: from ever."""
        ...

    def use(self, peer_id: str, nonce: str, now_us: int) -> bool:
        """Remember a nonce; False when the peer used it before."""
        ...

    def know_since(self, now_us: int) -> None:
        """What was used before is not known: an older store was put in place."""
        ...


class TrimmingPort(Protocol):
    """Takes away what retention has found, in slices of at most `limit` rows.

    Each returns how many rows it took; fewer than `limit`: all are away.
    """

    def list_segment(self, segment: Segment) -> None:
        """Let an archived segment stand for its rows, which may be trimmed from now on."""
        ...

    def queue(self, receiver: str, limit: int) -> int:
        """Rows of a queue that are gone (`QueuesPort.set_gone_to`)."""
        ...

    def journal(self, limit: int) -> int:
        """Rows that are in the archive."""
        ...

    def nonces(self, now_us: int, limit: int) -> int:
        """Nonces that no registration can repeat any more."""
        ...


class Tx(Protocol):
    """An open transaction."""

    journal: JournalPort
    records: RecordsPort
    queues: QueuesPort
    queries: QueriesPort
    memory: MemoryPort
    nonces: NoncesPort
    trimming: TrimmingPort


class StorePort(Tx, Protocol):
    """The writer's side of a store; what it is as a `Tx` holds only within `transaction`."""

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing: what is done inside is on disk afterwards, or undone.

        Raises:
            StoreFailedError: the database took nothing, or another process writes now.
        """
        ...
