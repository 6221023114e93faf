"""What waits for each peer on disk."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Engine, func, select

from linkage.store.rows import MICROSECONDS
from linkage.store.tables import delivery, journal


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many deliveries of a peer are open; when the oldest was journalled, in microseconds."""

    depth: int
    since_us: int | None

    def age_s(self, now_us: int) -> float:
        """Seconds that the oldest has waited; 0 where nothing waits."""
        return 0.0 if self.since_us is None else max(0, now_us - self.since_us) / MICROSECONDS


def backlogs(engine: Engine, peers: Iterable[str]) -> dict[str, Backlog]:
    """The backlog of each peer; costs its open deliveries, whatever the journal holds beside."""
    found: dict[str, Backlog] = {}
    with engine.connect() as connection:
        for peer in peers:
            row = connection.execute(
                select(func.count(), func.min(delivery.c.seq)).where(
                    delivery.c.receiver == peer, delivery.c.state == "open"
                )
            ).one()
            depth, first = row
            since = None
            if first is not None:
                since = connection.execute(
                    select(journal.c.recorded_at)
                    .join(delivery, delivery.c.journal_seq == journal.c.seq)
                    .where(delivery.c.receiver == peer, delivery.c.seq == first)
                ).scalar()
            found[peer] = Backlog(depth, since)
    return found
