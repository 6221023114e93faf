"""The read side: events with all that belongs to them, the journal, the peers.

Works beside a serving linkage: WAL readers never wait for the writer, nor the writer for them.
Every query goes by an index, so that the timeline of one EventID costs the same among a thousand
operations and among ten million.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from sqlalchemy import Column, Connection, Engine, bindparam, func, select

from linkage.store import tables
from linkage.store.archive import (
    Anchor,
    ArchiveError,
    Segment,
    anchor_of,
    find_rows,
    read_segment,
    rows_of,
    segments_of,
    segments_since,
)
from linkage.store.database import open_for_reading
from linkage.store.head import Head, head_problem
from linkage.store.rows import JournalRow, from_us, to_us
from linkage.store.views import (
    BindingView,
    EntryView,
    EventHistory,
    EventView,
    FileView,
    LinkView,
    OperationView,
    PeerView,
)
from protocol.codec import decode
from protocol.dialect import DEFAULT, Dialect
from protocol.envelope import Request
from protocol.errors import RemoteProtocolError
from protocol.message import Message
from protocol.messages import message_class

CHUNK: Final = 500
"""Keys in one `IN (…)`: below what SQLite takes, and one query for an ordinary event."""
FILE_ID: Final = re.compile("[A-Za-z0-9_-]{2,64}", re.ASCII)
"""What the id of a file that linkage keeps looks like; no path, no pattern."""


class EventNotFoundError(Exception):
    """No event has this EventId (of this owner); the text is for people."""


class AmbiguousEventError(Exception):
    """Several applications have an event by this EventId. `owners` are their ids."""

    def __init__(self, event_id: str, owners: Sequence[str]) -> None:
        super().__init__(
            f"EventId {event_id} belongs to several applications: "
            f"{', '.join(owners)}; say whose by --owner"
        )
        self.owners = tuple(owners)


class StoreReader:
    """Reads the store. Use it as a context manager, or `close` it.

    Args:
        engine: from `linkage.store.database.open_for_reading`.
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
        """Events, the one opened last first, each with how many operations are bound to it."""
        query = select(tables.event).order_by(tables.event.c.event_pk.desc()).limit(limit)
        if owner is not None:
            query = query.where(tables.event.c.owner == owner)
        if status is not None:
            query = query.where(tables.event.c.status == status)
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
            names = _event_names(connection, (row.merged_into for row in rows))
            counts = _count_operations(connection, [row.event_pk for row in rows])
        return [_event_view(row, names, counts.get(row.event_pk, 0)) for row in rows]

    def history(self, event_id: str, owner: str | None = None) -> EventHistory:
        """All that is found under an EventId.

        Raises:
            EventNotFoundError: there is none.
            AmbiguousEventError: several applications have one, and `owner` does not say whose.
        """
        with self._engine.connect() as connection:
            event = _find_event(connection, event_id, owner)
            merged = _merged_into(connection, event.event_pk)
            keys = [event.event_pk, *(row.event_pk for row in merged)]
            links = _links_of(connection, keys)
            operations = self._operations_of(connection, keys)
            op_ids = [item.op_id for item in operations]
            entries = self._entries_of(connection, keys, op_ids)
            began = min(item.started_at for item in operations) if operations else None
            since = to_us(from_us(event.opened_at) if began is None else began)
            older = segments_since(connection, min(since, event.opened_at))
            names = _event_names(connection, (row.merged_into for row in (event, *merged)))
        absent = []
        for segment in older:
            try:
                rows = list(find_rows(self._archive / segment.name, keys, op_ids))
            except ArchiveError:
                absent.append(segment.name)
            else:
                entries += map(self._entry_view, rows)
        return EventHistory(
            event=_event_view(event, names),
            merged=tuple(_event_view(row, names) for row in merged),
            links=links,
            operations=tuple(operations),
            entries=tuple(sorted(entries, key=lambda entry: (entry.at, entry.seq))),
            absent=tuple(absent),
        )

    def _operations_of(self, connection: Connection, keys: list[int]) -> list[OperationView]:
        table = tables.operation
        rows = _select_in(connection, table.c.event_pk, keys)
        rows.sort(key=lambda row: int(row.op_id))
        ids = [row.op_id for row in rows]
        bindings = _bindings_of(connection, ids)
        files = self._files_of(connection, ids)
        names = _event_names(connection, keys)
        return [
            _operation_view(row, names, bindings.get(row.op_id, ()), files.get(row.op_id, ()))
            for row in rows
        ]

    def _files_of(
        self, connection: Connection, op_ids: list[int]
    ) -> dict[int, tuple[FileView, ...]]:
        found: dict[int, tuple[FileView, ...]] = {}
        rows = _select_in(connection, tables.file.c.op_id, op_ids)
        for row in sorted(rows, key=lambda row: (row.created_at, row.file_id)):
            view = FileView(
                file_id=row.file_id,
                platform=row.platform,
                name=row.name,
                url=row.url,
                format=row.format,
                size_bytes=row.size_bytes,
                sha256=row.sha256,
                duration_s=row.duration_s,
                created_at=from_us(row.created_at),
                path=None if self._files is None else find_file(self._files, row.file_id),
            )
            found[row.op_id] = (*found.get(row.op_id, ()), view)
        return found

    # --- the journal -----------------------------------------------------------------------------
    def _entries_of(
        self, connection: Connection, keys: list[int], op_ids: list[int]
    ) -> list[EntryView]:
        table = tables.journal
        rows = _select_in(connection, table.c.event_pk, keys)
        rows += _select_in(connection, table.c.op_id, op_ids)
        archived = anchor_of(connection).seq  # these may still be there, and are in a segment
        found = {row.seq: row for row in rows if row.seq > archived}
        return [self._entry_view(row) for row in found.values()]

    def entries(self, first: int = 1, last: int | None = None) -> Iterator[EntryView]:
        """The journal from one seq to another (both included), read page by page.

        Raises:
            ArchiveError: a part of it is archived in a file that is missing or damaged.
        """
        with self._engine.connect() as connection:
            segments = segments_of(connection)
        end = sys.maxsize if last is None else last
        for segment in segments:
            if segment.last_seq < first or segment.first_seq > end:
                continue
            for row, _, _ in read_segment(self._archive / segment.name):
                if first <= row.seq <= end:
                    yield self._entry_view(row)
        anchor = segments[-1].last_seq if segments else 0
        for row, _, _ in rows_of(self._engine, max(first, anchor + 1), last):
            yield self._entry_view(row)

    def last_entries(self, count: int) -> list[EntryView]:
        """The end of the journal, oldest first."""
        table = tables.journal
        query = select(table).order_by(table.c.seq.desc()).limit(count)
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
        return [self._entry_view(row) for row in reversed(rows)]

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
        """What contradicts a noted end of the journal (`linkage.store.head`), in words."""
        with self._engine.connect() as connection:
            return head_problem(connection, head)

    def _entry_view(self, row: Any) -> EntryView:
        cls = None if row.type is None else message_class(row.type)
        dialect = self._dialects.get(row.source, DEFAULT)
        return EntryView(
            seq=row.seq,
            kind=row.kind,
            name=row.kind if cls is None else cls.english,
            chinese="" if cls is None else cls.chinese,
            source=row.source,
            target=row.target,
            recorded_at=from_us(row.recorded_at),
            occurred_at=_time(row.occurred_at),
            type=row.type,
            request_id=row.request_id,
            owner=row.owner,
            event_id=row.event_id,
            op_id=row.op_id,
            call_id=row.call_id,
            conference_id=row.conference_id,
            command_seq=row.command_seq,
            trace=row.trace,
            result=row.result,
            detail=row.detail,
            reconstructed=row.reconstructed,
            message=_decoded(row.body, dialect),
            body=_body_text(row.body, dialect),
        )

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
                    last_seen=_time(row.last_seen),
                )
                for row in rows
            ]

    def alarms(self) -> dict[str, str]:
        """What is raised now: AlarmId → what it says."""
        table = tables.adapter_memory
        with self._engine.connect() as connection:
            rows = connection.execute(select(table).where(table.c.adapter == tables.ALARMS))
            return {row.key: str(json.loads(row.value)) for row in rows}


def find_file(folder: Path, file_id: str) -> Path | None:
    """Where a file of ours lies, None where it is not here. A FileId is a platform's: hostile."""
    if FILE_ID.fullmatch(file_id) is None:
        return None
    # linkage.app.DirectoryFiles: the first two of the id, the id, and an ending.
    for path in sorted((folder / file_id[:2]).glob(f"{file_id}.*")):
        if path.suffix != ".part" and path.is_file():
            return path
    plain = folder / file_id[:2] / file_id
    return plain if plain.is_file() else None


def _decoded(body: bytes, dialect: Dialect) -> Message | None:
    """The message, whether it stands there as linkage writes or as the peer wrote."""
    for tried in (DEFAULT, dialect) if body else ():
        try:
            item = decode(body, tried)
        except RemoteProtocolError:
            continue
        return item.message if isinstance(item, Request) else None
    return None


def _body_text(body: bytes, dialect: Dialect) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.decode(dialect.encoding, "replace")


def _find_event(connection: Connection, event_id: str, owner: str | None) -> Any:
    query = select(tables.event).where(tables.event.c.event_id == event_id)
    if owner is not None:
        query = query.where(tables.event.c.owner == owner)
    rows = connection.execute(query.order_by(tables.event.c.owner).limit(CHUNK)).all()
    if not rows:
        whose = "" if owner is None else f" of {owner}"
        raise EventNotFoundError(f"no event{whose} has the EventId {event_id}")
    if len(rows) > 1:
        raise AmbiguousEventError(event_id, [row.owner for row in rows])
    return rows[0]


def _merged_into(connection: Connection, event_pk: int) -> list[Any]:
    """The events that were merged into one, and those merged into these, by the link index."""
    link = tables.event_link
    found: list[Any] = []
    seen, wave = {event_pk}, [event_pk]
    while wave:
        sources = [
            row.event_pk
            for row in _select_in(connection, link.c.other_pk, wave)
            if row.kind == "merge" and row.valid_to is None and row.event_pk not in seen
        ]
        wave = sorted(set(sources))
        seen.update(wave)
        found += _select_in(connection, tables.event.c.event_pk, wave)
    return found


def _links_of(connection: Connection, keys: list[int]) -> tuple[LinkView, ...]:
    table = tables.event_link
    rows = _select_in(connection, table.c.event_pk, keys)
    rows += _select_in(connection, table.c.other_pk, keys)
    unique = sorted({row.link_id: row for row in rows}.items())
    names = _event_names(
        connection, (key for _, row in unique for key in (row.event_pk, row.other_pk))
    )
    return tuple(
        LinkView(
            event_id=names[row.event_pk][1],
            other_event_id=names[row.other_pk][1],
            kind=row.kind,
            author=row.author,
            valid_from=row.valid_from,
            valid_to=row.valid_to,
        )
        for _, row in unique
    )


def _bindings_of(connection: Connection, op_ids: list[int]) -> dict[int, tuple[BindingView, ...]]:
    rows = _select_in(connection, tables.binding.c.op_id, op_ids)
    rows.sort(key=lambda row: int(row.binding_id))
    names = _event_names(connection, (row.event_pk for row in rows))
    seqs = {row.valid_from for row in rows} | {row.valid_to for row in rows if row.valid_to}
    times = {
        row.seq: from_us(row.occurred_at or row.recorded_at)
        for row in _select_in(connection, tables.journal.c.seq, sorted(seqs))
    }
    found: dict[int, tuple[BindingView, ...]] = {}
    for row in rows:
        owner, event_id = names[row.event_pk]
        view = BindingView(
            event_id=event_id,
            owner=owner,
            cause=row.cause,
            author=row.author,
            valid_from=row.valid_from,
            valid_to=row.valid_to,
            since=times.get(row.valid_from),
            until=None if row.valid_to is None else times.get(row.valid_to),
        )
        found[row.op_id] = (*found.get(row.op_id, ()), view)
    return found


def _event_names(connection: Connection, keys: Iterable[int | None]) -> dict[int, tuple[str, str]]:
    """Key → (owner, EventId)."""
    wanted = sorted({key for key in keys if key is not None})
    table = tables.event
    return {
        row.event_pk: (row.owner, row.event_id)
        for row in _select_in(connection, table.c.event_pk, wanted)
    }


def _count_operations(connection: Connection, keys: list[int]) -> dict[int, int]:
    table = tables.operation
    counts: dict[int, int] = {}
    for part in _chunks(keys):
        query = (
            select(table.c.event_pk, func.count())
            .where(table.c.event_pk.in_(part))
            .group_by(table.c.event_pk)
        )
        counts.update((row[0], row[1]) for row in connection.execute(query))
    return counts


def _select_in(connection: Connection, column: Column[Any], keys: Sequence[Any]) -> list[Any]:
    """Every row of the column's table that has one of the keys."""
    rows: list[Any] = []
    for part in _chunks(keys):
        rows += connection.execute(_in_statement(column), {"keys": part})
    return rows


@cache
def _in_statement(column: Column[Any]) -> Any:
    # Built once: building and hashing a statement costs more than running it.
    return select(column.table).where(column.in_(bindparam("keys", expanding=True)))


def _chunks(keys: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(keys), CHUNK):
        yield keys[start : start + CHUNK]


def _event_view(
    row: Any, names: Mapping[int, tuple[str, str]], operations: int | None = None
) -> EventView:
    return EventView(
        event_pk=row.event_pk,
        owner=row.owner,
        event_id=row.event_id,
        status=row.status,
        opened_at=from_us(row.opened_at),
        event_type=row.event_type,
        title=row.title,
        level=row.level,
        address=row.address,
        lon=row.lon,
        lat=row.lat,
        summary=row.summary,
        closed_at=_time(row.closed_at),
        merged_into=None if row.merged_into is None else names[row.merged_into][1],
        operations=operations,
    )


def _operation_view(
    row: Any,
    names: Mapping[int, tuple[str, str]],
    bindings: tuple[BindingView, ...],
    files: tuple[FileView, ...],
) -> OperationView:
    valid = next((item for item in reversed(bindings) if item.valid_to is None), None)
    return OperationView(
        op_id=row.op_id,
        kind=row.kind,
        platform=row.platform,
        native=row.native,
        owner=row.owner,
        event_id=None if row.event_pk is None else names[row.event_pk][1],
        call_id=row.call_id,
        conference_id=row.conference_id,
        parent=row.parent,
        root=row.root,
        direction=row.direction,
        from_num=row.from_num,
        to_num=row.to_num,
        login_id=row.login_id,
        state=row.state,
        started_at=from_us(row.started_at),
        answered_at=_time(row.answered_at),
        ended_at=_time(row.ended_at),
        outcome=row.outcome,
        reason=row.reason,
        content=row.content,
        cause=row.cause,
        author=None if valid is None else valid.author,
        reconstructed=row.reconstructed,
        bindings=bindings,
        files=files,
    )


def _time(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else from_us(microseconds)
