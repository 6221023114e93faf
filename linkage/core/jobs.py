"""What the event loop hands to the core's thread, and what comes back after the commit.

Frozen, but for the three that come with every message: they cost a third so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from linkage.config.secrets import Secret
from linkage.ports import EntryKind, fields_of
from linkage.store.archive import Segment
from linkage.store.rows import DeliveryRow, JournalRow, to_us
from protocol.envelope import Request, Response
from protocol.message import Message


@dataclass(frozen=True, slots=True)
class Now:
    """The time of a batch.

    `utc` is the wall clock, for the journal. `steady_us` begins as the wall clock in microseconds
    and then only passes: what expires is measured by it, so that nobody who sets the clock back
    lets an old command live.
    """

    utc: datetime
    steady_us: int
    utc_us: int = field(init=False)
    """The wall clock in microseconds."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "utc_us", to_us(self.utc))


@dataclass(slots=True)
class Submit:
    """A business request of a known peer, or of a person at this machine.

    `answered`: the answers to journal rows up to this seq had gone out when it came. `owner` is
    the application in whose name a person acts; None: the peer acts for itself.
    """

    source: str
    request: Request
    reconstructed: bool = False
    answered: int = 0
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Resumption:
    """How far the queue is prepared for a registration that is genuine (`delivery.resuming`).

    `number` counts the registrations of the peer. Notices from `before` on are open again; None:
    all that the peer lacks.
    """

    number: int
    before: int | None


@dataclass(frozen=True, slots=True)
class Register:
    """A registration, judged in the thread because the nonce is on disk.

    It comes again with what it brought, `under_way`, as long as that is a `Resumption`.
    """

    request: Request
    address: str
    under_way: Resumption | None = None


@dataclass(frozen=True, slots=True)
class Admitted:
    """What a registration brought that was accepted: who it is, by which of its secrets."""

    peer_id: str
    secret: Secret


@dataclass(frozen=True, slots=True)
class Observe:
    """An entry of linkage's own.

    Of a session that opens, `kept`: its connection has outlived a core; of one that is lost,
    `answered` as of `Submit`, None where a newer one has taken its place.
    """

    source: str
    kind: EntryKind
    detail: str
    raw: bytes = b""
    result: int | None = None
    kept: bool = False
    answered: int | None = None


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something needs a person (197), or does no longer; told once, however often it is said.

    `source` is the peer that it is about, or linkage itself; `level` is `warning`, `major` or
    `critical`; `at` when it began, in microseconds of the wall clock (None: now).
    """

    id: str
    source: str
    text: str
    raised: bool = True
    level: str = "major"
    result: int | None = None
    at: int | None = None


@dataclass(slots=True)
class Acknowledge:
    """A receiver answered the delivery `seq` of its queue.

    `further` are those that it accepted alike in the same turn of the loop.
    """

    receiver: str
    seq: int
    response: Response
    further: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class GiveUp:
    """A command may have reached its platform on a link that is gone: its outcome is unknown."""

    receiver: str
    seq: int
    journal_seq: int


@dataclass(frozen=True, slots=True)
class LoadQueue:
    """Read open deliveries of a receiver after a position."""

    receiver: str
    after: int
    limit: int
    generation: int


@dataclass(frozen=True, slots=True)
class Sweep:
    """Expire commands that wait too long, as of `steady_us`.

    `pushed` are at their receiver already, who has longer to answer. Nothing else that had expired
    by then can be pushed after it: so none is both told as expired and executed.
    """

    pushed: frozenset[tuple[str, int]]
    steady_us: int


@dataclass(frozen=True, slots=True)
class AuditLiveness:
    """Ask platforms about operations that were not heard of for long (`linkage.core.liveness`)."""


@dataclass(frozen=True, slots=True)
class LoadMemory:
    """Read an adapter's memory."""

    adapter: str


@dataclass(slots=True)
class Record:
    """What an adapter tells and changes in its memory (None deletes a key), all or nothing.

    `handling` is the place of the notice that is being handled, None beside them; `bugs` counts
    what went wrong at each place before this attempt.
    """

    source: str
    notices: tuple[Submit, ...]
    memory: Mapping[str, str | None]
    handling: int | None = None
    bugs: Counter[int] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class DropQueue:
    """Let the queue of a receiver go up to `to_seq`.

    With `why`, what was not fetched goes too: the receiver is told by 195. Without, only what was.
    """

    receiver: str
    to_seq: int
    why: str | None = None


@dataclass(frozen=True, slots=True)
class SealSegment:
    """An archive segment is on disk: from now on it stands for its rows of the journal."""

    segment: Segment


@dataclass(frozen=True, slots=True)
class AnnounceGaps:
    """Tell every peer which Seqs its queue has lost since an older store was put in place."""


class Rows(StrEnum):
    """What rows are taken of."""

    QUEUE = "queue"
    NONCES = "nonces"
    JOURNAL = "journal"


@dataclass(frozen=True, slots=True)
class DeleteRows:
    """Take away at most `limit` rows that are kept no longer.

    `receiver` says of whose queue, `now_us` what time it is for nonces, as far as is certain.
    """

    what: Rows
    limit: int
    receiver: str = ""
    now_us: int | None = None


Job = (
    Submit
    | Register
    | Observe
    | Alarm
    | Acknowledge
    | GiveUp
    | LoadQueue
    | Sweep
    | AuditLiveness
    | LoadMemory
    | Record
    | DropQueue
    | SealSegment
    | AnnounceGaps
    | DeleteRows
)


def requests_of(work: Job) -> Sequence[Submit]:
    """The requests of peers that a job consists of."""
    if isinstance(work, Submit):
        return (work,)
    return work.notices if isinstance(work, Record) else ()


def about(work: Job) -> dict[str, Any]:
    """What a line of the log about a piece of work tells of it."""
    request: Request | None = getattr(work, "request", None)
    fields = {} if request is None else fields_of(request)
    for name in ("source", "receiver", "adapter"):
        peer = getattr(work, name, None)
        if peer is not None:
            fields["peer"] = peer
    for name in ("address", "seq", "journal_seq"):
        found = getattr(work, name, None)
        if found is not None:
            fields[name] = found
    return fields


@dataclass(slots=True)
class Delivery:
    """A place in a receiver's queue with the request as it goes out.

    `since_us` is when it was journalled, where it comes from the disk; None: just now. `size` is
    that of the journalled message in bytes: about what it takes of memory and of the wire.
    """

    row: DeliveryRow
    request: Request
    since_us: int | None = None
    size: int = 0


@dataclass(slots=True)
class Done:
    """What one piece of work brought: handed out only after its commit.

    `deliveries` go into queues; `answers` are data answers (180, 192, 193, …) that go to a live
    link at once and are not kept.
    """

    response: Response | None = None
    value: Any = None
    row: JournalRow | None = None
    """Of a request: its entry in the journal."""
    deliveries: list[Delivery] = field(default_factory=list)
    answers: list[tuple[str, Message]] = field(default_factory=list)
