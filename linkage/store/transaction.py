"""One transaction: what was collected goes to the database in a few statements, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from sqlalchemy import Connection, Engine, Table, bindparam, func, select
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
from linkage.store.bulk import (
    Row,
    columns_of,
    getter,
    in_table_order,
    insert_rows,
    tuples,
    update_rows,
)
from linkage.store.chain import GENESIS, row_hash
from linkage.store.rows import DeliveryRow, JournalRow

SEEN_MAX: Final = 2048
"""Earlier requests that one look-up of a batch brings. A peer that uses few Ids again and again
would else have its whole history read for each message; of such a peer the latest are compared."""
KEY_MAX: Final = 2**63 - 1
"""The greatest number that a key can be; SQLite's driver raises on more."""
OUR_FAULT: Final = (
    DataError,
    IntegrityError,
    InterfaceError,
    NotSupportedError,
    ProgrammingError,
)
"""Errors that the same message would meet again: a bug to be found, not a disk to wait for."""


class StoreFailedError(Exception):
    """The database took nothing: disk full, locked, gone. Everything of the batch is undone."""


class Transaction:
    """The open transaction, what is collected for it, and the end of the journal."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._reset()

    def _reset(self) -> None:
        """Know nothing: what is known is read from the disk again."""
        self._next: dict[str, int] = {}
        self._peers: dict[str, tuple[str, int]] = {}
        self._last: tuple[int, bytes] | None = None
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

    def _committed(self) -> None:
        """A commit was made: the time to let go of what was kept for it."""

    # --- the transaction -------------------------------------------------------------------------
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
        self._committed()

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
_insert_peer = upsert(tables.peer)
_UPSERT_PEER: Final = _insert_peer.on_conflict_do_update(
    ["peer_id"],
    set_={"role": _insert_peer.excluded.role, "next_seq": _insert_peer.excluded.next_seq},
)
