"""The read side: events with all that belongs to them, the journal, the peers.

Works beside a serving linkage: WAL readers never wait for the writer, nor the writer for them.
Every query goes by an index, so that the timeline of one EventID costs the same among a thousand
operations and among ten million.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Engine, func, select

from linkage.ports.store import ALARMS
from linkage.store.archive import Anchor, ArchiveError, Segment, find_rows, read_segment
from linkage.store.journal_head import Head
from linkage.store.read.from_rows import entry_view, event_view, time_of
from linkage.store.read.history import (
    completed,
    find_event,
    journal_rows_of,
    links_of,
    merged_into,
    operations_of,
)
from linkage.store.read.views import (
    EntryView,
    EventHistory,
    EventView,
    OperationView,
    PeerView,
)
from linkage.store.rows import JournalRow, from_us, to_us
from linkage.store.sql import tables
from linkage.store.sql.batched import chunks, event_names, select_in
from linkage.store.sql.journal_rows import (
    anchor_of,
    head_problem,
    rows_of,
    segments_of,
    segments_since,
)
from linkage.store.sqlite.database import open_for_reading
from protocol.dialect import Dialect
from protocol.fields import seen


class StoreReader:
    """Reads the store. Use it as a context manager, or `close` it.

    Args:
        engine: from `linkage.store.sqlite.database.open_for_reading`.
        files: the directory where linkage keeps files; None: `FileView.path` stays empty.
        dialects: how peers write, for what stands in the journal just as it came.
        archive: the directory with the older part of the journal.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        files: Path | None = None,
        dialects: Mapping[str, Dialect] | None = None,
        archive: Path | None = None,
    ) -> None:
        self._engine = engine
        self._archive = archive or Path("archive")
        self._files = files
        self._dialects = dialects or {}

    @classmethod
    def open(
        cls,
        database: Path,
        *,
        files: Path | None = None,
        dialects: Mapping[str, Dialect] | None = None,
    ) -> Self:
        """Open a store by its path; its archive lies beside it.

        Raises:
            StoreError: there is no store yet, it is no database, or a newer linkage wrote it.
        """
        archive = database.parent / "archive"
        return cls(open_for_reading(database), files=files, dialects=dialects, archive=archive)

    def close(self) -> None:
        """Give the files free."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- events ----------------------------------------------------------------------------------
    def list_events(
        self, *, owner: str | None = None, status: str | None = None, limit: int = 100
    ) -> list[EventView]:
        """Events, the one opened last first, each with how many operations are found under it.

        Each operation counts once: under the event that stands for its own where that was merged.
        """
        query = select(tables.event).order_by(tables.event.c.event_pk.desc()).limit(limit)
        if owner is not None:
            query = query.where(tables.event.c.owner == owner)
        if status is not None:
            query = query.where(tables.event.c.status == status)
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
            names = event_names(connection, (row.merged_into for row in rows))
            counts = _count_operations(connection, rows)
        return [event_view(row, names, counts.get(row.event_pk, 0)) for row in rows]

    def event(self, event_id: str, owner: str | None = None) -> EventView:
        """One event, without what belongs to it.

        Raises:
            EventNotFoundError: there is none.
            AmbiguousEventError: several applications have one, and `owner` does not say whose.
        """
        with self._engine.connect() as connection:
            row = find_event(connection, event_id, owner)
            return event_view(row, event_names(connection, (row.merged_into,)))

    def history(self, event_id: str, owner: str | None = None) -> EventHistory:
        """All that is found under an EventId.

        Raises:
            EventNotFoundError: there is none.
            AmbiguousEventError: several applications have one, and `owner` does not say whose.
        """
        with self._engine.connect() as connection:
            event = find_event(connection, seen(event_id), owner)
            merged = merged_into(connection, event.event_pk)
            keys = [event.event_pk, *(row.event_pk for row in merged)]
            links = links_of(connection, keys)
            operations = operations_of(connection, keys, self._files)
            op_ids = [item.op_id for item in operations]
            rows = journal_rows_of(connection, keys, op_ids)
            began = min(item.started_at for item in operations) if operations else None
            since = to_us(from_us(event.opened_at) if began is None else began)
            older = segments_since(connection, min(since, event.opened_at))
            names = event_names(connection, (row.merged_into for row in (event, *merged)))
        entries = [entry_view(row, self._dialects) for row in rows]
        absent = []
        for segment in older:
            try:
                found = list(find_rows(self._archive / segment.name, keys, op_ids))
            except ArchiveError:
                absent.append(segment.name)
            else:
                entries += (entry_view(row, self._dialects) for row in found)
        return EventHistory(
            event=event_view(event, names),
            merged=tuple(event_view(row, names) for row in merged),
            links=links,
            operations=tuple(operations),
            entries=tuple(sorted(entries, key=lambda entry: (entry.at, entry.seq))),
            absent=tuple(absent),
        )

    def list_operations(
        self, *, limit: int = 100, before: int | None = None
    ) -> list[OperationView]:
        """Operations of all events and of none, the one begun last first.

        Args:
            limit: at most so many.
            before: only those with a smaller OpId, to page on.
        """
        table = tables.operation
        query = select(table).order_by(table.c.op_id.desc()).limit(limit)
        if before is not None:
            query = query.where(table.c.op_id < before)
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
            return completed(connection, rows, self._files)

    # --- the journal -----------------------------------------------------------------------------
    def entries(self, first: int = 1, last: int | None = None) -> Iterator[EntryView]:
        """The journal from one seq to another (both included), read page by page.

        Raises:
            ArchiveError: a part of it is archived in a file that is missing or damaged.
        """
        end = sys.maxsize if last is None else last
        for row in self._rows(first, end):
            yield entry_view(row, self._dialects)

    def _rows(self, first: int, last: int) -> Iterator[JournalRow]:
        while True:
            for segment in self.segments():
                if segment.last_seq < first or segment.first_seq > last:
                    continue
                for row, _, _ in read_segment(self._archive / segment.name):
                    if first <= row.seq <= last:
                        yield row
                first = max(first, segment.last_seq + 1)
            for row, _, _ in rows_of(self._engine, first, last):
                if row.seq > first and self.anchor().seq >= first:
                    break  # what stands in between was archived while we read: begin there again
                yield row
                first = row.seq + 1
            else:
                return

    def last_entries(self, count: int) -> list[EntryView]:
        """The end of the journal, oldest first."""
        table = tables.journal
        query = select(table).order_by(table.c.seq.desc()).limit(count)
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
        return [entry_view(row, self._dialects) for row in reversed(rows)]

    def last_seq(self) -> int:
        """The seq of the newest entry; 0 where there is none."""
        with self._engine.connect() as connection:
            return connection.execute(select(func.max(tables.journal.c.seq))).scalar() or 0

    def chain(self) -> Iterator[tuple[JournalRow, bytes, bytes]]:
        """Every row in the database with its hashes, as `linkage.store.chain.breaks` wants them.

        They begin after the anchor; what stands before it is in the archive.
        """
        return rows_of(self._engine, self.anchor().seq + 1)

    def anchor(self) -> Anchor:
        """Where the journal in the database begins."""
        with self._engine.connect() as connection:
            return anchor_of(connection)

    def segments(self) -> list[Segment]:
        """The archived parts of the journal, the oldest first."""
        with self._engine.connect() as connection:
            return segments_of(connection)

    def head_problem(self, head: Head) -> str | None:
        """What contradicts a noted end of the journal (`linkage.store.journal_head`), in words."""
        with self._engine.connect() as connection:
            return head_problem(connection, head)

    # --- peers -----------------------------------------------------------------------------------
    def peers(self) -> list[PeerView]:
        """Every peer that the store knows, by id."""
        table = tables.delivery
        with self._engine.connect() as connection:
            rows = connection.execute(select(tables.peer).order_by(tables.peer.c.peer_id)).all()
            return [
                PeerView(
                    peer_id=row.peer_id,
                    role=row.role,
                    next_seq=row.next_seq,
                    open_deliveries=connection.execute(
                        select(func.count())
                        .select_from(table)
                        .where(table.c.receiver == row.peer_id, tables.is_open)
                    ).scalar_one(),
                    last_seen=time_of(row.last_seen),
                )
                for row in rows
            ]

    def alarms(self) -> dict[str, str]:
        """What is raised now: AlarmId → what it says."""
        table = tables.adapter_memory
        with self._engine.connect() as connection:
            rows = connection.execute(select(table).where(table.c.adapter == ALARMS))
            return {row.key: str(json.loads(row.value)) for row in rows}


def _count_operations(connection: Connection, events: Sequence[Any]) -> dict[int, int]:
    """How many operations are found under events: of what was merged under the one it leads to."""
    counted_under = {row.event_pk: row.event_pk for row in events if row.merged_into is None}
    wave = list(counted_under)
    while wave:
        merged = select_in(connection, tables.event.c.merged_into, wave)
        wave = [row.event_pk for row in merged]
        counted_under.update((row.event_pk, counted_under[row.merged_into]) for row in merged)
    table = tables.operation
    counts: dict[int, int] = {}
    for part in chunks(list(counted_under)):
        query = (
            select(table.c.event_pk, func.count())
            .where(table.c.event_pk.in_(part))
            .group_by(table.c.event_pk)
        )
        for event_pk, count in connection.execute(query):
            under = counted_under[event_pk]
            counts[under] = counts.get(under, 0) + count
    return counts
