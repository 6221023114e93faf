"""What waits for each peer on disk."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, func, select

from linkage.store.rows import MICROSECONDS
from linkage.store.sql.tables import delivery, is_open, journal, peer


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many deliveries of a peer are open; when the oldest was journalled, in microseconds."""

    depth: int
    since_us: int | None

    def age_s(self, now_us: int) -> float:
        """Seconds that the oldest has waited; 0 where nothing waits."""
        return 0.0 if self.since_us is None else max(0, now_us - self.since_us) / MICROSECONDS


def backlogs(engine: Engine) -> dict[str, Backlog]:
    """The backlog of each peer that ever had one.

    One statement, which the database works off without holding up this process's other threads;
    it costs the open deliveries, whatever the journal holds beside.
    """
    its_open = (delivery.c.receiver == peer.c.peer_id, is_open)
    depth = select(func.count()).where(*its_open).correlate(peer).scalar_subquery()
    since = (
        select(journal.c.recorded_at)
        .join(delivery, delivery.c.journal_seq == journal.c.seq)
        .where(*its_open)
        .order_by(delivery.c.seq)
        .limit(1)
        .correlate(peer)
        .scalar_subquery()
    )
    with engine.connect() as connection:
        rows = connection.execute(select(peer.c.peer_id, depth, since))
        return {name: Backlog(count, since_us) for name, count, since_us in rows}
