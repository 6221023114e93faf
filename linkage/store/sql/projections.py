"""Operations, events, bindings, links and files: read through caches, written with the commit.

These are the projections of the journal; `linkage.correlation` is what changes them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import Select, Table, bindparam, func, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from linkage.store.rows import (
    Binding,
    Event,
    EventLink,
    FileRecord,
    Operation,
    OperationKey,
)
from linkage.store.sql import tables
from linkage.store.sql.driver import (
    Driver,
    Row,
    at_most,
    columns_of,
    getter,
    in_table_order,
    keys_of,
    maker,
)
from linkage.store.sql.transaction import KEY_MAX, Transaction

CACHE_ROWS: Final = 20_000
SAME_KEY_MAX: Final = 50
SAME_ID_MAX: Final = 20
"""Operations under one id that a look-up brings: small numbers are used again and again."""

Record = TypeVar("Record")


def trim(rows: OrderedDict[Any, Any]) -> list[Any]:
    """Let go of what came first, and say of which keys; what is used again is read again."""
    return [rows.popitem(last=False)[0] for _ in range(len(rows) - CACHE_ROWS)]


class Shelf(Generic[Record]):
    """Records of one table by key: one object for each row, written as far as it changed.

    `rows` are those used lately; `new` and `changed` wait for the flush.
    """

    def __init__(self, table: Table, cls: type[Record]) -> None:
        self._table = table
        self._names = in_table_order(table, columns_of(cls))
        self._values = getter(self._names)
        self._make = maker(table, cls)
        self._on_disk: dict[int, Row] = {}
        self.rows: OrderedDict[int, Record] = OrderedDict()
        self.new: dict[int, Record] = {}
        self.changed: dict[int, Record] = {}

    def add(self, key: int, record: Record) -> Record:
        """Insert with the next flush."""
        self.new[key] = self.rows[key] = record
        return record

    def change(self, key: int, record: Record) -> None:
        """Write with the next flush; a row not yet inserted takes its changes along."""
        if key not in self.new:
            self.changed[key] = record

    def take(self, row: Row) -> Record:
        """The record of a row that was read, whose first column is the key."""
        record = self.rows.get(row[0])
        if record is None:
            record = self.rows[row[0]] = self._make(row)
            self._on_disk[row[0]] = self._values(record)
        return record

    def flush(self, driver: Driver) -> None:
        """Send what is new, and of what changed the columns that did."""
        new = list(map(self._values, self.new.values()))
        driver.insert(self._table, self._names, new)
        self._on_disk.update(zip(self.new, new, strict=True))
        for (names, values), keys in self._differences().items():
            driver.update(self._table, names, values, keys)
        self.new.clear()
        self.changed.clear()

    def _differences(self) -> dict[tuple[tuple[str, ...], Row], list[int]]:
        """Columns that changed and their values → the keys of the rows where they did.

        Within a batch many rows take the same step at the same time.
        """
        found: dict[tuple[tuple[str, ...], Row], list[int]] = {}
        for key, record in self.changed.items():
            before, now = self._on_disk.get(key), self._values(record)
            if before == now:
                continue
            differing = [
                at for at, value in enumerate(now) if before is None or value != before[at]
            ]
            names = tuple([self._names[at] for at in differing])
            values = tuple([now[at] for at in differing])
            found.setdefault((names, values), []).append(key)
            self._on_disk[key] = now
        return found

    def trim(self) -> None:
        """After a commit: let go of what was not used for longest."""
        for key in trim(self.rows):
            del self._on_disk[key]


class Projections(Transaction):
    """The records that correlation asks for and changes (`linkage.correlation.Records`)."""

    def _reset(self) -> None:
        super()._reset()
        self._operations = Shelf(tables.operation, Operation)
        self._native: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._trees: OrderedDict[int, list[int]] = OrderedDict()
        self._events = Shelf(tables.event, Event)
        self._event_keys: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._begun()

    def _begun(self) -> None:
        """What was looked up is known until the transaction ends: nobody else writes."""
        self._absent: set[tuple[str, str]] = set()
        self._same_id: dict[str, list[int]] = {}
        self._absent_events: set[tuple[str, str]] = set()

    def _clear(self) -> None:
        super()._clear()
        self._new_native: dict[str, list[int]] | None = None
        """OpIds of what is new by native key, once somebody asked for them."""
        self._bindings: list[Binding] = []
        self._valid: dict[int, Binding] = {}
        self._ended: list[Row] = []
        self._links: list[Row] = []

    def begin(self) -> None:
        """Open the transaction."""
        self._begun()
        super().begin()

    def _committed(self) -> None:
        self._operations.trim()
        self._events.trim()
        for keys in (self._native, self._trees, self._event_keys):
            trim(keys)

    def _flush_records(self) -> None:
        driver = self._driver
        self._operations.flush(driver)
        self._events.flush(driver)
        # What was valid on disk ends before what follows it is inserted.
        if self._ended:
            driver.execute_many(_END_BINDING, ("seq", "of"), self._ended)
        driver.insert(tables.binding, BINDING_COLUMNS, [_binding(row) for row in self._bindings])
        driver.insert(tables.event_link, LINK_COLUMNS, self._links)

    # --- operations ------------------------------------------------------------------------------
    def operation(self, op_id: int) -> Operation | None:
        """An operation by OpId."""
        found = self._operations.rows.get(op_id)
        if found is None and 0 < op_id <= KEY_MAX:
            return self._first_operation(_BY_OP_ID, ("key",), (op_id,))
        return found

    def find_operation(self, platform: str, native: str) -> Operation | None:
        """The latest operation of a platform with this native key."""
        key = (platform, native)
        op_id = self._native.get(key)
        if op_id is not None:
            return self.operation(op_id)
        if key in self._absent:
            return None
        found = self._first_operation(_LATEST, ("native", "platform"), (native, platform))
        return None if found is None else self._index(found)

    def prefetch(self, natives: set[tuple[str, str]]) -> None:
        """Look up in one query which of these (platform, native key) there are."""
        known, rows = self._native, self._operations.rows
        wanted = [key for key in natives if known.get(key) not in rows]
        self._absent.update(wanted)
        for row in self._driver.find_each(_by_native, sorted({native for _, native in wanted})):
            found = self._index(self._operations.take(row))
            self._absent.discard((found.platform, found.native))

    def find_calls(self, call_id: str) -> list[Operation]:
        """Calls and legs of any platform under a CallId, latest first."""
        return self.find_all(f"call:{call_id}")

    def find_conferences(self, conference_id: str) -> list[Operation]:
        """Conferences of any platform under a ConferenceID, latest first."""
        return self.find_all(f"conf:{conference_id}")

    def find_all(self, native: str) -> list[Operation]:
        """Operations of any platform with this native key, latest first."""
        found = self._same_id.get(native)
        if found is None:
            found = self._new_under(native)[::-1]
            rows = self._driver.execute(_SAME_ID, ("native",), (native,))
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
        rows = self._driver.execute(statement, order, values)
        return self._operations.take(rows[0]) if rows else None

    def _index(self, operation: Operation) -> Operation:
        """Keep which operation is the latest with its native key; only for one known to be so."""
        self._native[operation.platform, operation.native] = operation.op_id
        return operation

    def _all(self, op_ids: Iterable[int]) -> list[Operation]:
        return [found for op_id in op_ids if (found := self.operation(op_id)) is not None]

    def tree(self, root: int) -> list[Operation]:
        """An operation that is a root, and all that descend from it, by OpId."""
        members = self._trees.get(root)
        if members is None:
            members = [row[0] for row in self._driver.execute(_TREE, ("root",), (root,))]
            new = self._operations.new
            members += [op_id for op_id, operation in new.items() if operation.root == root]
            self._trees[root] = members
        return self._all(members)

    def next_op_id(self) -> int:
        """A fresh OpId."""
        return self._take("operation")

    def add_operation(self, operation: Operation) -> Operation:
        """Insert."""
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

    def change_operation(self, operation: Operation) -> None:
        """Write a changed operation with the next flush."""
        self._operations.change(operation.op_id, operation)

    def graft(self, operation: Operation, parent: Operation) -> None:
        """Put a root, with all that descends from it, under an operation of another tree."""
        old_root = operation.root
        for member in self.tree(old_root):
            member.root = parent.root
            self.change_operation(member)
        operation.parent = parent.op_id
        self._trees.pop(old_root, None)
        self._trees.pop(parent.root, None)
        self.flush()  # trees are read from the disk

    def add_key(self, row: OperationKey) -> None:
        """Another name of an operation; no error where it has it already."""
        self._driver.execute_many(_PUT_KEY, KEY_COLUMNS, [_key(row)])

    def find_by_key(self, platform: str, kind: str, key: str) -> list[Operation]:
        """Operations of a platform that have this name, latest first, `SAME_KEY_MAX` at most."""
        rows = self._driver.execute(_BY_KEY, ("kind", "key", "platform"), (kind, key, platform))
        return self._all(row[0] for row in rows)

    # --- events ----------------------------------------------------------------------------------
    def event(self, event_pk: int) -> Event | None:
        """An event by key."""
        found = self._events.rows.get(event_pk)
        return found or self._first_event(_BY_EVENT_PK, ("key",), (event_pk,))

    def find_event(self, owner: str, event_id: str) -> Event | None:
        """An application's event by its EventId."""
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

    def find_events(self, event_id: str) -> list[Event]:
        """Every application's event with this EventId."""
        rows = self._driver.execute(_EVENTS, ("event_id",), (event_id,))
        found = [self._remember_event(self._events.take(row)) for row in rows]
        return found + [new for new in self._events.new.values() if new.event_id == event_id]

    def _first_event(
        self, statement: Select[Any], order: tuple[str, ...], values: Row
    ) -> Event | None:
        rows = self._driver.execute(statement, order, values)
        return self._remember_event(self._events.take(rows[0])) if rows else None

    def _remember_event(self, event: Event) -> Event:
        self._event_keys[event.owner, event.event_id] = event.event_pk
        return event

    def add_event(self, event: Event) -> Event:
        """Insert."""
        return self._remember_event(self._events.add(event.event_pk, event))

    def change_event(self, event: Event) -> None:
        """Write a changed event with the next flush."""
        self._events.change(event.event_pk, event)

    # --- bindings, links, files ------------------------------------------------------------------
    def add_binding(self, op_id: int, event_pk: int, cause: str, author: str, seq: int) -> None:
        """A binding that is valid from the journal seq on."""
        row = Binding(
            binding_id=self._take("binding"), op_id=op_id, event_pk=event_pk, cause=cause,
            author=author, valid_from=seq,
        )  # fmt: skip
        self._bindings.append(row)
        self._valid[op_id] = row

    def end_binding(self, op_id: int, seq: int) -> None:
        """End the valid binding of an operation."""
        valid = self._valid.pop(op_id, None)
        if valid is not None:
            valid.valid_to = seq
        else:
            self._ended.append((seq, op_id))

    def add_link(self, event_pk: int, other_pk: int, kind: str, author: str, seq: int) -> None:
        """A link between events that is valid from the journal seq on."""
        row = EventLink(
            link_id=self._take("event_link"), event_pk=event_pk, other_pk=other_pk, kind=kind,
            author=author, valid_from=seq,
        )  # fmt: skip
        self._links.append(_link(row))

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
        self._driver.execute_many(_PUT_FILE, FILE_COLUMNS, [_file(row)])

    def find_file(self, platform: str, file_id: str) -> FileRecord | None:
        """A platform's file."""
        rows = self._driver.execute(_FILE, ("file_id", "platform"), (file_id, platform))
        return make_file(rows[0]) if rows else None

    def find_files(self, file_id: str) -> list[FileRecord]:
        """Files of any platform under a FileId."""
        return [make_file(row) for row in self._driver.execute(_FILES, ("file_id",), (file_id,))]

    # --- small things ----------------------------------------------------------------------------
    def _take(self, table: str) -> int:
        taken = self._next[table]
        self._next[table] = taken + 1
        return taken


BINDING_COLUMNS: Final = in_table_order(tables.binding, columns_of(Binding))
LINK_COLUMNS: Final = in_table_order(tables.event_link, columns_of(EventLink))
KEY_COLUMNS: Final = in_table_order(tables.operation_key, columns_of(OperationKey))
FILE_COLUMNS: Final = in_table_order(tables.file, columns_of(FileRecord))
_binding: Final = getter(BINDING_COLUMNS)
_link: Final = getter(LINK_COLUMNS)
_key: Final = getter(KEY_COLUMNS)
_file: Final = getter(FILE_COLUMNS)
make_file: Final = maker(tables.file, FileRecord)

_operation: Final = tables.operation.c
_OPERATION: Final = select(*[_operation[name] for name in columns_of(Operation)])
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
_EVENT: Final = select(*[_event[name] for name in columns_of(Event)])
_BY_EVENT_PK: Final = _EVENT.where(_event.event_pk == bindparam("key"))
_BY_EVENT_ID: Final = _EVENT.where(
    _event.owner == bindparam("owner"), _event.event_id == bindparam("event_id")
)
_EVENTS: Final = at_most(
    50, _EVENT.where(_event.event_id == bindparam("event_id")).order_by(_event.event_pk)
)
_END_BINDING: Final = (
    update(tables.binding)
    .values(valid_to=bindparam("seq"))
    .where(tables.binding.c.op_id == bindparam("of"), tables.binding.c.valid_to.is_(None))
)
_put_file = upsert(tables.file).values({name: bindparam(name) for name in FILE_COLUMNS})
_PUT_FILE: Final = _put_file.on_conflict_do_update(
    ["platform", "file_id"],
    set_={name: _put_file.excluded[name] for name in FILE_COLUMNS},
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
_file_column: Final = tables.file.c
_FILES: Final = at_most(
    SAME_ID_MAX,
    select(*[_file_column[name] for name in columns_of(FileRecord)])
    .where(_file_column.file_id == bindparam("file_id"))
    .order_by(_file_column.platform),
)
_FILE: Final = _FILES.where(_file_column.platform == bindparam("platform"))
