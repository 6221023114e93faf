"""Operations, events, bindings, links and files: read through caches, written with the commit.

These are the projections of the journal; `linkage.correlation` is what changes them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from linkage.store import tables
from linkage.store.bulk import columns_of
from linkage.store.rows import Binding, Event, EventLink, FileRecord, Operation
from linkage.store.transaction import KEY_MAX, Transaction

CACHE_ROWS: Final = 20_000
PREFETCH_MAX: Final = 500
"""Keys of one look-up: below what every SQLite takes as parameters."""

Record = TypeVar("Record")


class Cache(Generic[Record]):
    """The rows used last, by key; rows that wait to be written are not thrown out."""

    def __init__(self) -> None:
        self.rows: OrderedDict[Any, Record] = OrderedDict()

    def get(self, key: Any) -> Record | None:
        """The row of a key, which is now the one used last."""
        row = self.rows.get(key)
        if row is not None:
            self.rows.move_to_end(key)
        return row

    def trim(self) -> None:
        """Let go of what was not used for longest."""
        while len(self.rows) > CACHE_ROWS:
            self.rows.popitem(last=False)


class Projections(Transaction):
    """The records that correlation asks for and changes (`linkage.correlation.Records`)."""

    def _reset(self) -> None:
        super()._reset()
        self._operations: Cache[Operation] = Cache()
        self._native: Cache[int] = Cache()
        self._trees: Cache[list[int]] = Cache()
        self._events: Cache[Event] = Cache()
        self._event_keys: Cache[int] = Cache()
        self._absent: set[tuple[str, str]] = set()

    def begin(self) -> None:
        """Open the transaction."""
        self._absent = set()
        super().begin()

    def _committed(self) -> None:
        for rows in (self._operations, self._native, self._trees, self._events, self._event_keys):
            rows.trim()

    # --- operations ------------------------------------------------------------------------------
    def operation(self, op_id: int) -> Operation | None:
        """An operation by OpId."""
        found = self._operations.get(op_id)
        if found is None and 0 < op_id <= KEY_MAX:
            found = self._load_operation(_OPERATION.where(tables.operation.c.op_id == op_id))
        return found

    def find_operation(self, platform: str, native: str) -> Operation | None:
        """The latest operation of a platform with this native key."""
        op_id = self._native.get((platform, native))
        if op_id is not None:
            return self.operation(op_id)
        if (platform, native) in self._absent:
            return None
        found = self._load_operation(
            _OPERATION.where(
                tables.operation.c.platform == platform, tables.operation.c.native == native
            )
            .order_by(tables.operation.c.op_id.desc())
            .limit(1)
        )
        return None if found is None else self._index(found)

    def prefetch(self, natives: set[tuple[str, str]]) -> None:
        """Look up in one query which of these (platform, native key) there are.

        Until the transaction ends, what was not found is known to be absent: nobody else writes.
        """
        wanted = [key for key in natives if key not in self._native.rows]
        self._absent.update(wanted)
        for start in range(0, len(wanted), PREFETCH_MAX):
            part = wanted[start : start + PREFETCH_MAX]
            rows = self.connection.execute(
                _BY_NATIVE, {"natives": sorted({native for _, native in part})}
            )
            for row in rows:
                self._absent.discard((row.platform, row.native))
                found = self._operations.get(row.op_id)
                self._index(found or self._remember(Operation(**row._mapping)))

    def find_calls(self, call_id: str) -> list[Operation]:
        """Calls and legs of any platform under a CallId, latest first.

        The database's view flushed before.
        """
        return self._find_native(f"call:{call_id}")

    def find_conferences(self, conference_id: str) -> list[Operation]:
        """Conferences of any platform under a ConferenceID, latest first."""
        return self._find_native(f"conf:{conference_id}")

    def _find_native(self, native: str) -> list[Operation]:
        self.flush()
        rows = self.connection.execute(
            select(tables.operation.c.op_id)
            .where(tables.operation.c.native == native)
            .order_by(tables.operation.c.op_id.desc())
            .limit(20)
        )
        return self._all(row.op_id for row in rows)

    def _load_operation(self, statement: Any) -> Operation | None:
        row = self.connection.execute(statement).first()
        if row is None:
            return None
        cached = self._operations.get(row.op_id)
        return cached or self._remember(Operation(**row._mapping))

    def _remember(self, operation: Operation) -> Operation:
        self._operations.rows[operation.op_id] = operation
        return operation

    def _index(self, operation: Operation) -> Operation:
        """Keep which operation is the latest with its native key; only for one known to be so."""
        self._native.rows[operation.platform, operation.native] = operation.op_id
        return operation

    def _all(self, op_ids: Iterable[int]) -> list[Operation]:
        return [found for op_id in op_ids if (found := self.operation(op_id)) is not None]

    def tree(self, root: int) -> list[Operation]:
        """An operation that is a root, and all that descend from it, by OpId."""
        members = self._trees.get(root)
        if members is None:
            self.flush()
            members = [
                row.op_id
                for row in self.connection.execute(
                    select(tables.operation.c.op_id)
                    .where(tables.operation.c.root == root)
                    .order_by(tables.operation.c.op_id)
                )
            ]
            self._trees.rows[root] = members
        return self._all(members)

    def next_op_id(self) -> int:
        """A fresh OpId."""
        return self._take("operation")

    def add_operation(self, operation: Operation) -> Operation:
        """Insert."""
        self._new.setdefault("operation", []).append(operation)
        self._fresh.add(("operation", operation.op_id))
        if operation.root == operation.op_id:
            self._trees.rows[operation.root] = [operation.op_id]
        else:
            members = self._trees.get(operation.root)
            if members is not None:
                members.append(operation.op_id)
        return self._index(self._remember(operation))

    def change_operation(self, operation: Operation) -> None:
        """Write a changed operation with the next flush."""
        self._change("operation", operation.op_id, operation)

    def graft(self, operation: Operation, parent: Operation) -> None:
        """Put a root, with all that descends from it, under an operation of another tree."""
        old_root = operation.root
        for member in self.tree(old_root):
            member.root = parent.root
            self.change_operation(member)
        operation.parent = parent.op_id
        self._trees.rows.pop(old_root, None)
        self._trees.rows.pop(parent.root, None)

    # --- events ----------------------------------------------------------------------------------
    def event(self, event_pk: int) -> Event | None:
        """An event by key."""
        found = self._events.get(event_pk)
        if found is None:
            found = self._load_event(_EVENT.where(tables.event.c.event_pk == event_pk))
        return found

    def find_event(self, owner: str, event_id: str) -> Event | None:
        """An application's event by its EventId."""
        event_pk = self._event_keys.get((owner, event_id))
        if event_pk is not None:
            return self.event(event_pk)
        return self._load_event(
            _EVENT.where(tables.event.c.owner == owner, tables.event.c.event_id == event_id)
        )

    def find_events(self, event_id: str) -> list[Event]:
        """Every application's event with this EventId."""
        self.flush()
        rows = self.connection.execute(
            select(tables.event.c.event_pk)
            .where(tables.event.c.event_id == event_id)
            .order_by(tables.event.c.event_pk)
            .limit(50)
        )
        return [found for row in rows if (found := self.event(row.event_pk)) is not None]

    def _load_event(self, statement: Any) -> Event | None:
        row = self.connection.execute(statement).first()
        if row is None:
            return None
        cached = self._events.get(row.event_pk)
        return cached or self._remember_event(Event(**row._mapping))

    def _remember_event(self, event: Event) -> Event:
        self._events.rows[event.event_pk] = event
        self._event_keys.rows[event.owner, event.event_id] = event.event_pk
        return event

    def add_event(self, event: Event) -> Event:
        """Insert."""
        self._new.setdefault("event", []).append(event)
        self._fresh.add(("event", event.event_pk))
        return self._remember_event(event)

    def change_event(self, event: Event) -> None:
        """Write a changed event with the next flush."""
        self._change("event", event.event_pk, event)

    # --- bindings, links, files ------------------------------------------------------------------
    def add_binding(self, op_id: int, event_pk: int, cause: str, author: str, seq: int) -> None:
        """A binding that is valid from the journal seq on."""
        row = Binding(
            binding_id=self._take("binding"), op_id=op_id, event_pk=event_pk, cause=cause,
            author=author, valid_from=seq,
        )  # fmt: skip
        self._new.setdefault("binding", []).append(row)

    def end_binding(self, op_id: int, seq: int) -> None:
        """End the valid binding of an operation."""
        self.flush()
        self.connection.execute(
            update(tables.binding)
            .where(tables.binding.c.op_id == op_id, tables.binding.c.valid_to.is_(None))
            .values(valid_to=seq)
        )

    def add_link(self, event_pk: int, other_pk: int, kind: str, author: str, seq: int) -> None:
        """A link between events that is valid from the journal seq on."""
        row = EventLink(
            link_id=self._take("event_link"), event_pk=event_pk, other_pk=other_pk, kind=kind,
            author=author, valid_from=seq,
        )  # fmt: skip
        self._new.setdefault("event_link", []).append(row)

    def end_link(self, event_pk: int, other_pk: int, kinds: tuple[str, ...], seq: int) -> None:
        """End the valid links of these kinds from one event to another."""
        self.flush()
        table = tables.event_link
        self.connection.execute(
            update(table)
            .where(
                table.c.event_pk == event_pk,
                table.c.other_pk == other_pk,
                table.c.kind.in_(kinds),
                table.c.valid_to.is_(None),
            )
            .values(valid_to=seq)
        )

    def put_file(self, row: FileRecord) -> None:
        """Insert or replace a file's row."""
        values = asdict(row)
        self.connection.execute(
            upsert(tables.file)
            .values(values)
            .on_conflict_do_update(["platform", "file_id"], set_=values)
        )

    # --- small things ----------------------------------------------------------------------------
    def _take(self, table: str) -> int:
        taken = self._next[table]
        self._next[table] = taken + 1
        return taken

    def _change(self, table: str, key: int, row: Any) -> None:
        if (table, key) not in self._fresh:  # a row not yet inserted takes its changes along
            self._changed.setdefault(table, {})[key] = row


_OPERATION: Final = select(*[tables.operation.c[name] for name in columns_of(Operation)])
_BY_NATIVE: Final = _OPERATION.where(
    tables.operation.c.op_id.in_(
        select(func.max(tables.operation.c.op_id))
        .where(tables.operation.c.native.in_(bindparam("natives", expanding=True)))
        .group_by(tables.operation.c.native, tables.operation.c.platform)
    )
)
"""The latest only: small numbers such as `conf:2` are used again thousands of times."""
_EVENT: Final = select(*[tables.event.c[name] for name in columns_of(Event)])
