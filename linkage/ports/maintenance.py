"""What is done with a store beside its writer, on a connection of its own, whatever that costs.

It looks for what is overdue; the writer then moves one number and takes rows away in slices
(`linkage.ports.store.Trimming`). Every method may be called in any thread, and may take long.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from linkage.store.archive import Segment
from linkage.store.journal_head import Head
from linkage.store.rows import MICROSECONDS

if TYPE_CHECKING:
    from linkage.config.core import RetentionSettings


@dataclass(frozen=True, slots=True)
class Overdue:
    """The queue of `receiver` may go up to `to_seq`.

    With `why`, what was not fetched goes too, for this reason; without, only what was.
    """

    receiver: str
    to_seq: int
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many deliveries of a peer are open; when the oldest was journalled, in microseconds."""

    depth: int
    since_us: int | None

    def age_s(self, now_us: int) -> float:
        """Seconds that the oldest has waited; 0 where nothing waits."""
        return 0.0 if self.since_us is None else max(0, now_us - self.since_us) / MICROSECONDS


class MaintenancePort(Protocol):
    """Of a store that may be served meanwhile; every method raises `StoreFailedError`."""

    def newest(self) -> Head | None:
        """The end of the journal that is on disk; None: it is empty."""
        ...

    def find_overdue(self, settings: RetentionSettings, now_us: int) -> list[Overdue]:
        """What may go of every queue; most of the time nothing."""
        ...

    def queues_to_trim(self) -> list[str]:
        """Whose queues have rows that are gone (`QueuesPort.set_gone_to`)."""
        ...

    def archive(
        self, settings: RetentionSettings, now_us: int, pace: Callable[[], None]
    ) -> Segment | None:
        """Copy the oldest part of the journal into a segment, where one is due; None: none is.

        It is on disk on return, and counts once the writer has listed it
        (`Trimming.list_segment`). `pace` is called every few milliseconds, to rest, or to give up
        by raising.
        """
        ...

    def sha256_of(self, file_id: str) -> str | None:
        """What was told of a file when it was saved; None: nothing, or not one thing."""
        ...

    def backlogs(self) -> dict[str, Backlog]:
        """What waits for each peer that ever had a queue."""
        ...


class StoreLog(Protocol):
    """How far what was committed is taken into the database; read in any thread.

    `behind_bytes` are not yet, `held_s` for how long somebody has kept them from it, `problem` who
    it is, in words, once that is too long.
    """

    behind_bytes: int
    held_s: float
    problem: str | None
