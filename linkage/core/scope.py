"""What the jobs of one batch share: its time, the open transaction, what goes out after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Generic, TypeVar, cast

from linkage.core.peers import Peers
from linkage.ports.store import Tx
from linkage.store.clock_history import ClockHistory
from linkage.store.rows import DeliveryRow, JournalRow, to_us
from protocol.envelope import Request
from protocol.message import Message

T = TypeVar("T")


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
class Done(Generic[T]):
    """What became of a job: handed out only after its commit.

    `value` is what the job returned. `error` says why it returned nothing: an OSError where the
    store takes nothing now, anything else is a bug. `deliveries` go into queues; `answers` are
    data answers (180, 192, 193, …) that go to a live link at once and are not kept.
    """

    value: T | None = None
    error: Exception | None = None
    deliveries: Sequence[Delivery] = ()
    answers: Sequence[tuple[str, Message]] = ()

    def result(self) -> T:
        """What the job returned.

        Raises:
            Exception: why it returned nothing.
        """
        if self.error is not None:
            raise self.error
        return cast("T", self.value)


NOTHING: Final[Done[Any]] = Done()
"""What became of every job that returned nothing and gave nothing out."""


class Scope:
    """Belongs to the core's thread; `begin_batch` is called for each batch."""

    __slots__ = ("answers", "deliveries", "now", "now_us", "peers", "row", "steps", "tx")

    def __init__(self, tx: Tx, peers: Peers) -> None:
        self.tx = tx
        self.peers = peers
        self.begin_batch(Now(datetime.fromtimestamp(0, UTC), 0), ClockHistory())

    def begin_batch(self, now: Now, steps: ClockHistory) -> None:
        """A batch begins; `steps` says where in the journal the clock was set."""
        self.now = now
        self.now_us = now.utc_us
        self.steps = steps
        self.row: JournalRow | None = None
        """Of the request that is in work, once it is journalled."""
        self.deliveries: list[Delivery] = []
        """Places in queues that the job in work has taken."""
        self.answers: list[tuple[str, Message]] = []
        """Data answers of the job in work, with their receivers."""

    def finish(self, value: T) -> Done[T]:
        """The job in work has returned; what it gave out goes with that."""
        self.row = None
        deliveries, answers = self.deliveries, self.answers
        if deliveries:
            self.deliveries = []
        if answers:
            self.answers = []
        elif value is None and not deliveries:
            return NOTHING
        return Done(value, None, deliveries or (), answers or ())
