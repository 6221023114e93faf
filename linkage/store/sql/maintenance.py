"""`linkage.ports.maintenance.Maintenance` by SQL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine, func, select
from typing_extensions import override

from linkage.config.core import RetentionSettings
from linkage.ports.maintenance import Backlog, MaintenancePort, Overdue
from linkage.store.archive import Anchor, Segment, write_segment
from linkage.store.journal_head import Head
from linkage.store.sql import retention
from linkage.store.sql.journal_rows import newest_of, rows_of
from linkage.store.sql.tables import delivery, file, is_open, journal, peer
from linkage.store.sql.transaction import explained


class SqlMaintenance(MaintenancePort):
    """Reads by an engine of its own; `archive` is the folder where segments go."""

    def __init__(self, engine: Engine, archive: Path) -> None:
        self._engine = engine
        self._archive = archive

    @override
    def newest(self) -> Head | None:
        with explained(), self._engine.connect() as connection:
            return newest_of(connection)

    @override
    def find_overdue(self, settings: RetentionSettings, now_us: int) -> list[Overdue]:
        with explained():
            return retention.find_overdue(self._engine, settings, now_us)

    @override
    def queues_to_trim(self) -> list[str]:
        with explained():
            return retention.queues_to_trim(self._engine)

    @override
    def archive(
        self, settings: RetentionSettings, now_us: int, pace: Callable[[], None]
    ) -> Segment | None:
        with explained():
            found = retention.find_archivable(self._engine, settings, now_us)
            if found is None:
                return None
            return archive_rows(self._engine, self._archive, *found, pace=pace)

    @override
    def sha256_of(self, file_id: str) -> str | None:
        with explained(), self._engine.connect() as connection:
            found = connection.execute(
                select(file.c.sha256).where(file.c.file_id == file_id, file.c.sha256.is_not(None))
            ).all()
        return found[0].sha256 if len(found) == 1 else None

    @override
    def backlogs(self) -> dict[str, Backlog]:
        with explained():
            return backlogs(self._engine)


def archive_rows(
    engine: Engine, folder: Path, anchor: Anchor, last: int, pace: Callable[[], None]
) -> Segment:
    """Copy the rows after the anchor, up to a seq, into a segment that is on disk on return."""
    return write_segment(rows_of(engine, anchor.seq + 1, last), folder, anchor, pace)


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
