"""Rows as the core handles them: each table is declared here, and nowhere else.

The columns of its table follow from a class (`linkage.store.sql.tables`), and so do reading and
writing; of what the read side shows too, a class of columns is the base of the row and of the view
(`linkage.store.read.views`). So a new column is a field here, and a migration. A field that is
not to be None is a column that is not, one that ends in `_at` is a time: microseconds in a row,
a `datetime` in a view.

Plain slotted records: a frozen one costs four times as much to make, and each message makes two.
Those of the journal and the queue are nevertheless not changed once they are handed on.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Annotated, Final, Generic, TypeVar

MICROSECONDS: Final = 1_000_000
KEY_MAX: Final = 2**63 - 1
"""The greatest number that a key can be; drivers raise on more."""
GIVEN_AGAIN: Final = "reads like entry"
"""How the detail of an accepted request begins whose Id, Type and body were there before."""
MAY_REPEAT: Final = "may repeat it"
"""And how it ends where it may be that one, sent again."""


Time = TypeVar("Time", int, datetime)
Small = Annotated[int, "32 bits"]
"""A number that is no key and no time."""


def columns_of(row: type) -> tuple[str, ...]:
    """The columns of a record class, in order."""
    return tuple(field.name for field in fields(row))


def to_us(moment: datetime) -> int:
    """Microseconds since 1970 UTC."""
    return round(moment.timestamp() * MICROSECONDS)


def from_us(microseconds: int) -> datetime:
    """The aware UTC time."""
    return datetime.fromtimestamp(microseconds / MICROSECONDS, tz=UTC)


@dataclass(slots=True, kw_only=True)
class EntryColumns(Generic[Time]):
    """What an entry of the journal has here and on the read side."""

    seq: int
    recorded_at: Time
    kind: str
    source: str
    occurred_at: Time | None = None
    type: Small | None = None
    request_id: str | None = None
    owner: str | None = None
    event_id: str | None = None
    op_id: int | None = None
    call_id: str | None = None
    conference_id: str | None = None
    command_seq: int | None = None
    target: str | None = None
    trace: str | None = None
    result: Small | None = None
    detail: str | None = None
    reconstructed: bool = False


@dataclass(slots=True, kw_only=True)
class JournalRow(EntryColumns[int]):
    """One entry of the journal, before its seq and hashes are known to anyone else.

    `owner` is the application that routing chose for a call nobody owns yet, or for whom a screen
    acts; `command_seq` the command whose outcome this is; `target` the platform that a command
    went to. What is hashed of it is listed in `linkage.store.chain`.
    """

    event_pk: int | None = None
    body: bytes = b""

    @property
    def given_again(self) -> bool:
        """Whether it is no repetition, although its Id, Type and body were there before."""
        return self.detail is not None and self.detail.startswith(GIVEN_AGAIN)

    @property
    def may_repeat(self) -> bool:
        """Whether nobody here can tell if it is a repetition: its receivers decide."""
        return self.given_again and str(self.detail).endswith(MAY_REPEAT)


@dataclass(slots=True, kw_only=True)
class EventColumns(Generic[Time]):
    """What an event has here and on the read side."""

    owner: str
    event_id: str
    opened_at: Time
    status: str = "open"
    event_type: str | None = None
    title: str | None = None
    level: str | None = None
    address: str | None = None
    lon: float | None = None
    lat: float | None = None
    summary: str | None = None
    closed_at: Time | None = None


@dataclass(slots=True, kw_only=True)
class Event(EventColumns[int]):
    """A business event; `event_pk` is the journal seq that opened it."""

    event_pk: int
    merged_into: int | None = None


@dataclass(slots=True, kw_only=True)
class OperationColumns(Generic[Time]):
    """What an operation has here and on the read side."""

    op_id: int
    kind: str
    platform: str
    native: str
    root: int
    started_at: Time
    owner: str | None = None
    call_id: str | None = None
    conference_id: str | None = None
    parent: int | None = None
    direction: str | None = None
    from_num: str | None = None
    to_num: str | None = None
    login_id: str | None = None
    state: str = "open"
    answered_at: Time | None = None
    ended_at: Time | None = None
    outcome: str | None = None
    reason: Small | None = None
    content: str | None = None
    cause: str | None = None
    reconstructed: bool = False


@dataclass(slots=True, kw_only=True)
class Operation(OperationColumns[int]):
    """One communication operation: a call, leg, transfer, recording, SMS and so on.

    `native` is the platform's key of it within its kind; `parent` and `root` are OpIds; the root
    of a root is itself. `owner` is the application of its event, or while it has none the one that
    it was routed to.
    """

    event_pk: int | None = None


@dataclass(slots=True, kw_only=True)
class BindingColumns:
    """What a binding has here and on the read side."""

    cause: str
    author: str
    valid_from: int
    valid_to: int | None = None


@dataclass(slots=True, kw_only=True)
class Binding(BindingColumns):
    """Operation ↔ event, valid between two journal seqs."""

    binding_id: int
    op_id: int
    event_pk: int


@dataclass(slots=True, kw_only=True)
class OperationKey:
    """Another name of an operation: by which an answer, or an outcome, finds it.

    `kind` and `key` are correlation's (`linkage.correlation.replies`): the Message-ID of a mail,
    the number that an SMS went to, the command that it came of.
    """

    platform: str
    kind: str
    key: str
    op_id: int


@dataclass(slots=True, kw_only=True)
class LinkColumns:
    """What a link between events has here and on the read side."""

    kind: str
    author: str
    valid_from: int
    valid_to: int | None = None


@dataclass(slots=True, kw_only=True)
class EventLink(LinkColumns):
    """Event ↔ event: merge, parent, related, split; valid between two journal seqs."""

    link_id: int
    event_pk: int
    other_pk: int


@dataclass(slots=True, kw_only=True)
class FileColumns(Generic[Time]):
    """What a file has here and on the read side."""

    file_id: str
    platform: str
    created_at: Time
    name: str | None = None
    url: str | None = None
    format: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    duration_s: Small | None = None


@dataclass(slots=True, kw_only=True)
class FileRecord(FileColumns[int]):
    """A file that belongs to an operation."""

    op_id: int | None = None


@dataclass(slots=True, kw_only=True)
class DeliveryRow:
    """One place in a receiver's queue.

    `type` differs from the journal's where a screen gets the mirror.
    """

    receiver: str
    seq: int
    journal_seq: int
    type: Small
    state: str = "open"
    attempts: Small = 0
    expires_at: int | None = None
    result: Small | None = None
