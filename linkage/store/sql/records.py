"""Operations, events, bindings, links and files: read through caches, written with the commit."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import Select, bindparam, func, select
from typing_extensions import override

from linkage.ports.records import BindingsPort, FileRecordsPort, RecordsPort
from linkage.store.rows import (
    KEY_MAX,
    Event,
    Operation,
    OperationKey,
    columns_of,
)
from linkage.store.sql import tables
from linkage.store.sql.bindings import SqlBindings
from linkage.store.sql.dialect import upsert
from linkage.store.sql.driver import (
    Row,
    SqlDriver,
    at_most,
    getter,
    in_table_order,
    keys_of,
    select_rows,
)
from linkage.store.sql.file_records import SqlFileRecords
from linkage.store.sql.renumber import OPERATION, floor_of
from linkage.store.sql.shelf import Shelf, trim
from linkage.store.sql.transaction import Part, Transaction

SAME_KEY_MAX: Final = 50
SAME_ID_MAX: Final = 20
"""Operations under one id that a look-up brings: small numbers are used again and again."""


class SqlRecords(Part, RecordsPort):
    """Operations and events; with what belongs to them."""

    def __init__(self, tx: Transaction) -> None:
        super().__init__(tx)
        self.bindings: BindingsPort = SqlBindings(tx)
        self.files: FileRecordsPort = SqlFileRecords(tx)

    @override
    def forget(self) -> None:
        self._next_op_id = 1
        self._operations = Shelf(tables.operation, Operation)
        self._native: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._trees: OrderedDict[int, list[int]] = OrderedDict()
        self._events = Shelf(tables.event, Event)
        self._event_keys: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._new_native: dict[str, list[int]] | None = None
        """OpIds of what is new by native key, once somebody asked for them."""
        self.begun()

    @override
    def begun(self) -> None:
        # What was looked up is known until the transaction ends: nobody else writes. What is in
        # `_native` is found all the same.
        self._absent: set[tuple[str, str]] = set()
        self._same_id: dict[str, list[int]] = {}
        self._absent_events: set[tuple[str, str]] = set()

    @override
    def read_position(self) -> None:
        self._next_op_id = self.newest_op_id() + 1
        self.begin_op_ids_at(floor_of(self._tx.connection, OPERATION))

    def begin_op_ids_at(self, op_id: int) -> None:
        """Give no OpId below this one any more (`linkage.store.sql.renumber`)."""
        self._next_op_id = max(self._next_op_id, op_id)

    @override
    def write(self, driver: SqlDriver) -> None:
        self._operations.flush(driver)
        self._events.flush(driver)
        self._new_native = None

    @override
    def committed(self) -> None:
        self._operations.trim()
        self._events.trim()
        for keys in (self._native, self._trees, self._event_keys):
            trim(keys)

    # --- operations ------------------------------------------------------------------------------
    @override
    def operation(self, op_id: int) -> Operation | None:
        found = self._operations.rows.get(op_id)
        if found is None and 0 < op_id <= KEY_MAX:
            return self._first_operation(_BY_OP_ID, ("key",), (op_id,))
        return found

    @override
    def find_operation(self, platform: str, native: str) -> Operation | None:
        key = (platform, native)
        op_id = self._native.get(key)
        if op_id is not None:
            return self.operation(op_id)
        if key in self._absent:
            return None
        found = self._first_operation(_LATEST, ("native", "platform"), (native, platform))
        return None if found is None else self._index(found)

    @override
    def prefetch(self, natives: set[tuple[str, str]]) -> None:
        known, rows = self._native, self._operations.rows
        wanted = [key for key in natives if known.get(key) not in rows]
        self._absent.update(wanted)
        for row in self._tx.driver.find_each(_by_native, sorted({native for _, native in wanted})):
            self._index(self._operations.take(row))

    @override
    def find_calls(self, call_id: str) -> list[Operation]:
        return self.find_all(f"call:{call_id}")

    @override
    def find_conferences(self, conference_id: str) -> list[Operation]:
        return self.find_all(f"conf:{conference_id}")

    @override
    def find_all(self, native: str) -> list[Operation]:
        found = self._same_id.get(native)
        if found is None:
            found = self._new_under(native)[::-1]
            rows = self._tx.driver.execute(_SAME_ID, ("native",), (native,))
            found += [self._operations.take(row).op_id for row in rows]
            self._same_id[native] = found
        return self._all(found[:SAME_ID_MAX])

    def _new_under(self, native: str) -> list[int]:
        """OpIds of what is not flushed yet: commands ask for them, notices seldom do."""
        if self._new_native is None:
            self._new_native = {}
            for op_id, operation in self._operations.new.items():
                self._new_native.setdefault(operation.native, []).append(op_id)
        return self._new_native.get(native, [])

    def _first_operation(
        self, statement: Select[Any], order: tuple[str, ...], values: Row
    ) -> Operation | None:
        rows = self._tx.driver.execute(statement, order, values)
        return self._operations.take(rows[0]) if rows else None

    def _index(self, operation: Operation) -> Operation:
        """Keep which operation is the latest with its native key; only for one known to be so."""
        self._native[operation.platform, operation.native] = operation.op_id
        return operation

    def _all(self, op_ids: Iterable[int]) -> list[Operation]:
        return [found for op_id in op_ids if (found := self.operation(op_id)) is not None]

    @override
    def tree(self, root: int) -> list[Operation]:
        members = self._trees.get(root)
        if members is None:
            members = [row[0] for row in self._tx.driver.execute(_TREE, ("root",), (root,))]
            new = self._operations.new
            members += [op_id for op_id, operation in new.items() if operation.root == root]
            self._trees[root] = members
        return self._all(members)

    @override
    def next_op_id(self) -> int:
        taken = self._next_op_id
        self._next_op_id = taken + 1
        return taken

    @override
    def newest_op_id(self) -> int:
        op_id = tables.operation.c.op_id
        return self._tx.connection.execute(select(func.max(op_id))).scalar() or 0

    @override
    def add_operation(self, operation: Operation) -> Operation:
        op_id, root = operation.op_id, operation.root
        if root == op_id:
            self._trees[root] = [op_id]
        else:
            members = self._trees.get(root)
            if members is not None:
                members.append(op_id)
        if self._new_native is not None:
            self._new_native.setdefault(operation.native, []).append(op_id)
        if operation.native in self._same_id:
            self._same_id[operation.native].insert(0, op_id)
        return self._index(self._operations.add(op_id, operation))

    @override
    def change_operation(self, operation: Operation) -> None:
        self._operations.change(operation.op_id, operation)

    @override
    def graft(self, operation: Operation, parent: Operation) -> None:
        old_root = operation.root
        for member in self.tree(old_root):
            member.root = parent.root
            self.change_operation(member)
        operation.parent = parent.op_id
        self._trees.pop(old_root, None)
        self._trees.pop(parent.root, None)
        self._tx.flush()  # trees are read from the disk

    @override
    def add_key(self, row: OperationKey) -> None:
        self._tx.driver.execute_many(_PUT_KEY, KEY_COLUMNS, [_key(row)])

    @override
    def find_by_key(self, platform: str, kind: str, key: str) -> list[Operation]:
        rows = self._tx.driver.execute(_BY_KEY, ("kind", "key", "platform"), (kind, key, platform))
        return self._all(row[0] for row in rows)

    @override
    def find_by_key_anywhere(self, kind: str, key: str) -> list[Operation]:
        rows = self._tx.driver.execute(_BY_KEY_ANYWHERE, ("kind", "key"), (kind, key))
        return self._all(row[0] for row in rows)

    # --- events ----------------------------------------------------------------------------------
    @override
    def event(self, event_pk: int) -> Event | None:
        found = self._events.rows.get(event_pk)
        return found or self._first_event(_BY_EVENT_PK, ("key",), (event_pk,))

    @override
    def find_event(self, owner: str, event_id: str) -> Event | None:
        key = (owner, event_id)
        event_pk = self._event_keys.get(key)
        if event_pk is not None:
            return self.event(event_pk)
        if key in self._absent_events:
            return None
        found = self._first_event(_BY_EVENT_ID, ("owner", "event_id"), key)
        if found is None:
            self._absent_events.add(key)
        return found

    @override
    def find_events(self, event_id: str) -> list[Event]:
        rows = self._tx.driver.execute(_EVENTS, ("event_id",), (event_id,))
        found = [self._remember_event(self._events.take(row)) for row in rows]
        return found + [new for new in self._events.new.values() if new.event_id == event_id]

    def _first_event(
        self, statement: Select[Any], order: tuple[str, ...], values: Row
    ) -> Event | None:
        rows = self._tx.driver.execute(statement, order, values)
        return self._remember_event(self._events.take(rows[0])) if rows else None

    def _remember_event(self, event: Event) -> Event:
        self._event_keys[event.owner, event.event_id] = event.event_pk
        return event

    @override
    def add_event(self, event: Event) -> Event:
        return self._remember_event(self._events.add(event.event_pk, event))

    @override
    def change_event(self, event: Event) -> None:
        self._events.change(event.event_pk, event)


KEY_COLUMNS: Final = in_table_order(tables.operation_key, columns_of(OperationKey))
_key: Final = getter(KEY_COLUMNS)

_operation: Final = tables.operation.c
_OPERATION: Final = select_rows(tables.operation, Operation)
_BY_OP_ID: Final = _OPERATION.where(_operation.op_id == bindparam("key"))
_SAME_NATIVE: Final = _OPERATION.where(_operation.native == bindparam("native")).order_by(
    _operation.op_id.desc()
)
_SAME_ID: Final = at_most(SAME_ID_MAX, _SAME_NATIVE)
_LATEST: Final = at_most(1, _SAME_NATIVE.where(_operation.platform == bindparam("platform")))
_TREE: Final = (
    select(_operation.op_id).where(_operation.root == bindparam("root")).order_by(_operation.op_id)
)


def _by_native(keys: int) -> Select[Any]:
    """The latest only: small numbers such as `conf:2` are used again thousands of times."""
    latest = (
        select(func.max(_operation.op_id))
        .where(_operation.native.in_(keys_of(keys)))
        .group_by(_operation.native, _operation.platform)
    )
    return _OPERATION.where(_operation.op_id.in_(latest))


_event: Final = tables.event.c
_EVENT: Final = select_rows(tables.event, Event)
_BY_EVENT_PK: Final = _EVENT.where(_event.event_pk == bindparam("key"))
_BY_EVENT_ID: Final = _EVENT.where(
    _event.owner == bindparam("owner"), _event.event_id == bindparam("event_id")
)
_EVENTS: Final = at_most(
    50, _EVENT.where(_event.event_id == bindparam("event_id")).order_by(_event.event_pk)
)
_PUT_KEY: Final = (
    upsert(tables.operation_key)
    .values({name: bindparam(name) for name in KEY_COLUMNS})
    .on_conflict_do_nothing()
)
_key_column: Final = tables.operation_key.c
_BY_KEY: Final = at_most(
    SAME_KEY_MAX,
    select(_key_column.op_id)
    .where(
        _key_column.kind == bindparam("kind"),
        _key_column.key == bindparam("key"),
        _key_column.platform == bindparam("platform"),
    )
    .order_by(_key_column.op_id.desc()),
)
_BY_KEY_ANYWHERE: Final = at_most(
    SAME_KEY_MAX,
    select(_key_column.op_id)
    .where(_key_column.kind == bindparam("kind"), _key_column.key == bindparam("key"))
    .order_by(_key_column.op_id.desc()),
)
