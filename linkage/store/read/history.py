"""All that belongs to one event, part by part: what an `EventHistory` is made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from linkage.store.read.from_rows import columns_in, file_view, operation_view
from linkage.store.read.views import BindingView, FileView, LinkView, OperationView
from linkage.store.rows import BindingColumns, LinkColumns, from_us
from linkage.store.sql import tables
from linkage.store.sql.batched import CHUNK, event_names, select_in
from linkage.store.sql.journal_rows import anchor_of


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


def find_event(connection: Connection, event_id: str, owner: str | None) -> Any:
    """The row of an event.

    Raises:
        EventNotFoundError: there is none.
        AmbiguousEventError: several applications have one, and `owner` does not say whose.
    """
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


def merged_into(connection: Connection, event_pk: int) -> list[Any]:
    """The events that were merged into one, and those merged into these, by the link index."""
    link = tables.event_link
    found: list[Any] = []
    seen, wave = {event_pk}, [event_pk]
    while wave:
        sources = [
            row.event_pk
            for row in select_in(connection, link.c.other_pk, wave)
            if row.kind == "merge" and row.valid_to is None and row.event_pk not in seen
        ]
        wave = sorted(set(sources))
        seen.update(wave)
        found += select_in(connection, tables.event.c.event_pk, wave)
    return found


def links_of(connection: Connection, keys: list[int]) -> tuple[LinkView, ...]:
    """How these events are tied to others, and others to them."""
    table = tables.event_link
    rows = select_in(connection, table.c.event_pk, keys)
    rows += select_in(connection, table.c.other_pk, keys)
    unique = sorted({row.link_id: row for row in rows}.items())
    names = event_names(
        connection, (key for _, row in unique for key in (row.event_pk, row.other_pk))
    )
    return tuple(
        LinkView(
            event_id=names[row.event_pk][1],
            other_event_id=names[row.other_pk][1],
            **columns_in(LinkColumns, row),
        )
        for _, row in unique
    )


def operations_of(
    connection: Connection, keys: list[int], folder: Path | None
) -> list[OperationView]:
    """The operations of these events with their bindings and files, the oldest first."""
    rows = select_in(connection, tables.operation.c.event_pk, keys)
    rows.sort(key=lambda row: int(row.op_id))
    return completed(connection, rows, folder)


def completed(
    connection: Connection, rows: Sequence[Any], folder: Path | None
) -> list[OperationView]:
    """Rows of operations, each with its bindings and files."""
    ids = [row.op_id for row in rows]
    bindings = _bindings_of(connection, ids)
    files = _files_of(connection, ids, folder)
    names = event_names(connection, (row.event_pk for row in rows))
    return [
        operation_view(row, names, bindings.get(row.op_id, ()), files.get(row.op_id, ()))
        for row in rows
    ]


def _bindings_of(connection: Connection, op_ids: list[int]) -> dict[int, tuple[BindingView, ...]]:
    rows = select_in(connection, tables.binding.c.op_id, op_ids)
    rows.sort(key=lambda row: int(row.binding_id))
    names = event_names(connection, (row.event_pk for row in rows))
    seqs = {row.valid_from for row in rows} | {row.valid_to for row in rows if row.valid_to}
    times = {
        row.seq: from_us(row.occurred_at or row.recorded_at)
        for row in select_in(connection, tables.journal.c.seq, sorted(seqs))
    }
    found: dict[int, tuple[BindingView, ...]] = {}
    for row in rows:
        owner, event_id = names[row.event_pk]
        view = BindingView(
            event_id=event_id,
            owner=owner,
            **columns_in(BindingColumns, row),
            since=times.get(row.valid_from),
            until=None if row.valid_to is None else times.get(row.valid_to),
        )
        found[row.op_id] = (*found.get(row.op_id, ()), view)
    return found


def _files_of(
    connection: Connection, op_ids: list[int], folder: Path | None
) -> dict[int, tuple[FileView, ...]]:
    found: dict[int, tuple[FileView, ...]] = {}
    rows = select_in(connection, tables.file.c.op_id, op_ids)
    for row in sorted(rows, key=lambda row: (row.created_at, row.file_id)):
        found[row.op_id] = (*found.get(row.op_id, ()), file_view(row, folder))
    return found


def journal_rows_of(connection: Connection, keys: list[int], op_ids: list[int]) -> list[Any]:
    """Rows of the journal that are of these events or operations, and not in the archive."""
    table = tables.journal
    rows = select_in(connection, table.c.event_pk, keys)
    rows += select_in(connection, table.c.op_id, op_ids)
    archived = anchor_of(connection).seq  # these may still be there, and are in a segment
    return list({row.seq: row for row in rows if row.seq > archived}.values())
