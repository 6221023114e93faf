"""The unit of work: what one group commit reads and writes.

One thread owns it. Reads come from bounded caches of recent rows or from the database; writes are
collected and go to the database as a few `executemany` in one transaction. When a commit fails
everything that was collected is dropped, the caches with it, so that memory never runs ahead of
the disk.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, fields
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import Connection, Engine, Table, bindparam, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    NotSupportedError,
    ProgrammingError,
)

from linkage.store import tables
from linkage.store.bulk import Row, getter, in_table_order, insert_rows, tuples, update_rows
from linkage.store.chain import GENESIS, row_hash
from linkage.store.rows import (
    Binding,
    DeliveryRow,
    Event,
    EventLink,
    FileRecord,
    JournalRow,
    Operation,
)

CACHE_ROWS: Final = 20_000
PREFETCH_MAX: Final = 500
"""Keys of one look-up: below what every SQLite takes as parameters."""
SEEN_MAX: Final = 2048
"""Earlier requests that one look-up of a batch brings. A peer that uses few Ids again and again
would else have its whole history read for each message; of such a peer the latest are compared."""
KEY_MAX: Final = 2**63 - 1
"""The greatest number that a key can be; SQLite's driver raises on more."""
NONCE_KEPT_US: Final = 900 * 1_000_000
COMMAND_DIGITS: Final = (2, 4, 6)
OUR_FAULT: Final = (
    DataError,
    IntegrityError,
    InterfaceError,
    NotSupportedError,
    ProgrammingError,
)
"""Errors that the same message would meet again: a bug to be found, not a disk to wait for."""

Record = TypeVar("Record")


class StoreFailedError(Exception):
    """The database took nothing: disk full, locked, gone. Everything of the batch is undone."""


def columns_of(row: type) -> tuple[str, ...]:
    """The columns of a record class, in order."""
    return tuple(field.name for field in fields(row))


class _Cache(Generic[Record]):
    """The rows used last, by key; rows that wait to be written are not thrown out."""

    def __init__(self) -> None:
        self.rows: OrderedDict[Any, Record] = OrderedDict()

    def get(self, key: Any) -> Record | None:
        row = self.rows.get(key)
        if row is not None:
            self.rows.move_to_end(key)
        return row

    def trim(self) -> None:
        while len(self.rows) > CACHE_ROWS:
            self.rows.popitem(last=False)


class UnitOfWork:
    """Reads and writes of the core's thread. Call `begin`, use it, then `commit` or `rollback`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._reset()

    def _reset(self) -> None:
        self._operations: _Cache[Operation] = _Cache()
        self._native: _Cache[int] = _Cache()
        self._trees: _Cache[list[int]] = _Cache()
        self._events: _Cache[Event] = _Cache()
        self._event_keys: _Cache[int] = _Cache()
        self._next: dict[str, int] = {}
        self._peers: dict[str, tuple[str, int]] = {}
        self._last: tuple[int, bytes] | None = None
        self._absent: set[tuple[str, str]] = set()
        self._clear()

    def _clear(self) -> None:
        self._journal: list[Row] = []
        self._rows: list[JournalRow] = []
        self._new: dict[str, list[Any]] = {}
        self._fresh: set[tuple[str, int]] = set()
        self._changed: dict[str, dict[int, Any]] = {}
        self._deliveries: list[Row] = []
        self._delivery_states: list[Row] = []
        self._changed_peers: set[str] = set()

    # --- the transaction
    # --------------------------------------------------------------------------------------------
    @property
    def connection(self) -> Connection:
        """The open connection; only between `begin` and `commit`."""
        assert self._connection is not None, "begin() was not called"
        return self._connection

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing: what is done inside is on disk afterwards, or undone.

        Raises:
            StoreFailedError: the database took nothing; the caches are dropped too.
        """
        try:
            self.begin()
            yield
            self.commit()
        except OUR_FAULT:
            self.rollback()
            raise
        except DBAPIError as error:
            self.rollback()
            raise StoreFailedError(str(error.orig)) from None
        except BaseException:
            self.rollback()
            raise

    def begin(self) -> None:
        """Open the transaction."""
        self._absent = set()
        self._connection = self._engine.connect()
        if self._last is None:
            self._load_position()

    def _load_position(self) -> None:
        last = self.connection.execute(
            select(tables.journal.c.seq, tables.journal.c.hash)
            .order_by(tables.journal.c.seq.desc())
            .limit(1)
        ).first()
        self._last = (0, GENESIS) if last is None else (last.seq, last.hash)
        for table, column in (
            ("operation", tables.operation.c.op_id),
            ("binding", tables.binding.c.binding_id),
            ("event_link", tables.event_link.c.link_id),
        ):
            self._next[table] = (
                self.connection.execute(select(func.max(column))).scalar() or 0
            ) + 1
        for row in self.connection.execute(select(tables.peer)):
            self._peers[row.peer_id] = (row.role, row.next_seq)

    def commit(self) -> None:
        """Write everything that was collected and make it durable.

        On an error nothing of it happened.

        Raises:
            sqlalchemy.exc.DBAPIError: disk full, database locked, …; call `rollback` then.
        """
        self.flush()
        self.connection.commit()
        self.connection.close()
        self._connection = None
        for rows in (self._operations, self._native, self._trees, self._events, self._event_keys):
            rows.trim()

    def rollback(self) -> None:
        """Forget what was collected, and the caches."""
        connection, self._connection = self._connection, None
        self._reset()
        if connection is not None:
            # A disk that took nothing may not even take that; SQLite then has undone it already.
            with suppress(DBAPIError):
                connection.rollback()
            with suppress(DBAPIError):
                connection.close()

    def flush(self) -> None:
        """Send what was collected to the database, still within the transaction."""
        connection = self.connection
        insert_rows(connection, tables.journal, JOURNAL_COLUMNS, self._journal)
        for name, rows in self._new.items():
            table = tables.metadata.tables[name]
            names = in_table_order(table, columns_of(type(rows[0])))
            insert_rows(connection, table, names, tuples(names, rows))
        for name, changed in self._changed.items():
            self._update(tables.metadata.tables[name], list(changed.values()))
        insert_rows(connection, tables.delivery, DELIVERY_COLUMNS, self._deliveries)
        update_rows(
            connection,
            tables.delivery,
            ("state", "result"),
            ("receiver", "seq"),
            self._delivery_states,
        )
        for peer_id in self._changed_peers:
            role, next_seq = self._peers[peer_id]
            values = {"peer_id": peer_id, "role": role, "next_seq": next_seq}
            connection.execute(_UPSERT_PEER, values)
        self._clear()

    def _update(self, table: Table, rows: list[Any]) -> None:
        (key,) = table.primary_key.columns
        names = in_table_order(table, columns_of(type(rows[0])))
        names = tuple(name for name in names if name != key.name)
        update_rows(self.connection, table, names, (key.name,), tuples((*names, key.name), rows))

    # --- journal ---------------------------------------------------------------------------------
    # -------------------
    @property
    def next_seq(self) -> int:
        """The seq that the next journal row must carry."""
        assert self._last is not None
        return self._last[0] + 1

    def append(self, row: JournalRow) -> None:
        """Add a row to the journal; its seq is `next_seq`."""
        assert self._last is not None
        seq, previous = self._last
        assert row.seq == seq + 1
        own = row_hash(previous, row)
        self._journal.append((*getter(ROW_COLUMNS)(row), previous, own))
        self._rows.append(row)
        self._last = (row.seq, own)

    def find_journal(self, seq: int) -> JournalRow | None:
        """A row by its seq, written or collected."""
        if self._rows and seq >= self._rows[0].seq:
            index = seq - self._rows[0].seq
            return self._rows[index] if index < len(self._rows) else None
        if not 0 < seq <= KEY_MAX:
            return None
        row = self.connection.execute(_JOURNAL.where(tables.journal.c.seq == seq)).first()
        return None if row is None else JournalRow(**row._mapping)

    def find_requests(self, keys: Iterable[tuple[str, str]]) -> list[JournalRow]:
        """Journalled requests by (source, request Id), committed ones only.

        The persistent duplicate window; of each source the latest `SEEN_MAX`.
        """
        by_source: dict[str, list[str]] = {}
        for source, request_id in keys:
            by_source.setdefault(source, []).append(request_id)
        found: list[JournalRow] = []
        for source, ids in by_source.items():
            found += [
                JournalRow(**row._mapping)
                for row in self.connection.execute(_BY_REQUEST, {"source": source, "ids": ids})
            ]
        return found

    # --- operations ------------------------------------------------------------------------------
    # -------------------
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
    # -------------------
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

    # --- bindings, links, files
    # -------------------------------------------------------------------------------------
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

    # --- deliveries and peers
    # ---------------------------------------------------------------------------------------
    def enqueue(
        self, receiver: str, role: str, journal_seq: int, type_: int, expires_at: int | None = None
    ) -> DeliveryRow:
        """Give a receiver's queue one more message."""
        _, seq = self._peers.get(receiver, (role, 1))
        self._peers[receiver] = (role, seq + 1)
        self._changed_peers.add(receiver)
        row = DeliveryRow(
            receiver=receiver, seq=seq, journal_seq=journal_seq, type=type_, expires_at=expires_at
        )
        self._deliveries.append(getter(DELIVERY_COLUMNS)(row))
        return row

    def set_delivery(self, receiver: str, seq: int, state: str, result: int | None) -> None:
        """What became of a delivery."""
        self._delivery_states.append((state, result, receiver, seq))

    def next_delivery_seq(self, receiver: str) -> int:
        """The Seq that the receiver's next message will carry."""
        return self._peers.get(receiver, ("", 1))[1]

    def open_deliveries(self, receiver: str, after: int, limit: int) -> list[DeliveryRow]:
        """Deliveries that are not done, by seq, after a position."""
        self.flush()
        rows = self.connection.execute(
            select(tables.delivery)
            .where(
                tables.delivery.c.receiver == receiver,
                tables.delivery.c.state == "open",
                tables.delivery.c.seq > after,
            )
            .order_by(tables.delivery.c.seq)
            .limit(limit)
        )
        return [DeliveryRow(**row._mapping) for row in rows]

    def resume_at(self, receiver: str, last_seq: int) -> None:
        """The receiver has everything up to `last_seq`, and nothing of the notices after it."""
        self.flush()
        table = tables.delivery
        mine = table.c.receiver == receiver
        self.connection.execute(
            update(table)
            .where(mine, table.c.seq <= last_seq, table.c.state == "open")
            .values(state="done", result=0)
        )
        self.connection.execute(
            update(table)
            .where(mine, table.c.seq > last_seq, table.c.state == "done", _IS_NOTICE)
            .values(state="open", result=None, attempts=1)
        )

    def reopen(self, receiver: str, from_seq: int, to_seq: int, types: Sequence[int]) -> int:
        """Open notices of the queue once more, for a replay; commands are never repeated.

        `types` narrows it to these; none: all. Returns how many there are.
        """
        self.flush()
        table = tables.delivery
        wanted = [table.c.type.in_(types)] if types else []
        changed = self.connection.execute(
            update(table)
            .where(
                table.c.receiver == receiver,
                table.c.seq.between(from_seq, to_seq),
                _IS_NOTICE,
                *wanted,
            )
            .values(state="open", result=None, attempts=1)
        )
        return changed.rowcount

    def expired(self, now_us: int, limit: int) -> list[DeliveryRow]:
        """Open deliveries whose time is over."""
        self.flush()
        table = tables.delivery
        rows = self.connection.execute(
            select(table).where(table.c.state == "open", table.c.expires_at <= now_us).limit(limit)
        )
        return [DeliveryRow(**row._mapping) for row in rows]

    def use_nonce(self, peer_id: str, nonce: str, now_us: int) -> bool:
        """Remember a nonce; False when the peer used it before."""
        table = tables.nonce
        self.connection.execute(delete(table).where(table.c.used_at < now_us - NONCE_KEPT_US))
        values = {"peer_id": peer_id, "nonce": nonce, "used_at": now_us}
        written = self.connection.execute(upsert(table).values(values).on_conflict_do_nothing())
        return written.rowcount == 1

    # --- adapters' memory ------------------------------------------------------------------------
    def remember(self, adapter: str, key: str, value: str | None) -> None:
        """Write one key of an adapter's memory; None deletes it."""
        table = tables.adapter_memory
        if value is None:
            mine = (table.c.adapter == adapter, table.c.key == key)
            self.connection.execute(delete(table).where(*mine))
            return
        values = {"adapter": adapter, "key": key, "value": value}
        self.connection.execute(
            upsert(table).values(values).on_conflict_do_update(["adapter", "key"], set_=values)
        )

    def recall(self, adapter: str) -> dict[str, str]:
        """All of an adapter's memory."""
        table = tables.adapter_memory
        rows = self.connection.execute(
            select(table.c.key, table.c.value).where(table.c.adapter == adapter)
        )
        return {row.key: row.value for row in rows}

    # --- small things ----------------------------------------------------------------------------
    # -------------------
    def _take(self, table: str) -> int:
        taken = self._next[table]
        self._next[table] = taken + 1
        return taken

    def _change(self, table: str, key: int, row: Any) -> None:
        if (table, key) not in self._fresh:  # a row not yet inserted takes its changes along
            self._changed.setdefault(table, {})[key] = row


ROW_COLUMNS: Final = in_table_order(tables.journal, columns_of(JournalRow))
JOURNAL_COLUMNS: Final = (*ROW_COLUMNS, "prev_hash", "hash")
DELIVERY_COLUMNS: Final = in_table_order(tables.delivery, columns_of(DeliveryRow))

_JOURNAL: Final = select(*[tables.journal.c[name] for name in columns_of(JournalRow)])
_BY_REQUEST: Final = _JOURNAL.where(
    tables.journal.c.seq.in_(
        select(tables.journal.c.seq)
        .where(
            tables.journal.c.source == bindparam("source"),
            tables.journal.c.request_id.in_(bindparam("ids", expanding=True)),
        )
        .order_by(tables.journal.c.seq.desc())
        .limit(SEEN_MAX)
    )
)
_IS_NOTICE: Final = ~(tables.delivery.c.type // 100).in_(COMMAND_DIGITS)
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
_insert_peer = upsert(tables.peer)
_UPSERT_PEER: Final = _insert_peer.on_conflict_do_update(
    ["peer_id"],
    set_={"role": _insert_peer.excluded.role, "next_seq": _insert_peer.excluded.next_seq},
)
