"""One transaction: what was collected goes to the database in a few statements, or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from operator import attrgetter, itemgetter
from typing import Any, Final

from sqlalchemy import Connection, Engine, Select, bindparam, exc, func, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from linkage.store.chain import COLUMNS, GENESIS, hash_of
from linkage.store.rows import DeliveryRow, JournalRow
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

SEEN_MAX: Final = 2048
"""Earlier requests that one look-up of a batch brings. A peer that uses few Ids again and again
would else have its whole history read for each message; of such a peer the latest are compared."""
KEY_MAX: Final = 2**63 - 1
"""The greatest number that a key can be; SQLite's driver raises on more."""
OUR_FAULT: Final = tuple(
    getattr(errors, f"{kind}Error")
    for errors in (exc, sqlite3)
    for kind in ("Data", "Integrity", "Interface", "NotSupported", "Programming")
)
"""Errors that the same message would meet again: a bug to be found, not a disk to wait for."""
FAILURE: Final = (exc.DBAPIError, sqlite3.Error)
"""Any error of the database, from SQLAlchemy or straight from the driver."""


class StoreFailedError(Exception):
    """The database took nothing: disk full, locked, gone. Everything of the batch is undone."""


class Transaction:
    """The open transaction, what is collected for it, and the end of the journal."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._driver: Driver
        self._reset()

    def _reset(self) -> None:
        """Know nothing: what is known is read from the disk again."""
        self._next: dict[str, int] = {}
        self._peers: dict[str, tuple[str, int]] = {}
        self.nonces_since = 0
        """From when on every nonce that was used is known, in microseconds; 0: from ever."""
        self._last: tuple[int, bytes] | None = None
        self.found_at: int | None = None
        """When the entry was recorded that was the newest when the store was read."""
        self._clear()

    def _clear(self) -> None:
        self._journal: list[Row] = []
        self._rows: list[JournalRow] = []
        self._deliveries: list[Row] = []
        self._delivery_states: dict[str, dict[int, tuple[str, int | None]]] = {}
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
        except FAILURE as error:
            self.rollback()
            raise StoreFailedError(str(getattr(error, "orig", error))) from None
        except BaseException:
            self.rollback()
            raise

    def begin(self) -> None:
        """Open the transaction."""
        self._connection = self._engine.connect()
        self._connection.begin()
        self._driver = Driver(self._connection)
        if self._last is None:
            self._load_position()

    def _load_position(self) -> None:
        last = self.connection.execute(
            select(tables.journal.c.seq, tables.journal.c.hash, tables.journal.c.recorded_at)
            .order_by(tables.journal.c.seq.desc())
            .limit(1)
        ).first()
        self._last = (0, GENESIS) if last is None else (last.seq, last.hash)
        self.found_at = None if last is None else last.recorded_at
        for table, column in (
            ("operation", tables.operation.c.op_id),
            ("binding", tables.binding.c.binding_id),
            ("event_link", tables.event_link.c.link_id),
        ):
            self._next[table] = (
                self.connection.execute(select(func.max(column))).scalar() or 0
            ) + 1
        floors = {row.name: row.value for row in self.connection.execute(select(tables.floor))}
        self.begin_numbers_at(floors)
        self.nonces_since = floors.get(tables.NONCES_SINCE, 0)
        for row in self.connection.execute(select(tables.peer)):
            self._peers[row.peer_id] = (row.role, row.next_seq)

    def begin_numbers_at(self, floors: Mapping[str, int]) -> None:
        """Give no number of these tables below a floor any more (`linkage.store.sql.renumber`)."""
        for table, number in self._next.items():
            self._next[table] = max(number, floors.get(table, 0))

    def commit(self) -> None:
        """Write everything that was collected and make it durable.

        On an error nothing of it happened.

        Raises:
            sqlalchemy.exc.DBAPIError, sqlite3.Error: disk full, database locked, …; call
            `rollback` then.
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
            with suppress(*FAILURE):
                connection.rollback()
            with suppress(*FAILURE):
                connection.close()

    def flush(self) -> None:
        """Send what was collected to the database, still within the transaction."""
        driver = self._driver
        driver.insert(tables.journal, JOURNAL_COLUMNS, self._journal)
        self._flush_records()
        driver.insert(tables.delivery, DELIVERY_COLUMNS, self._deliveries)
        for receiver, states in self._delivery_states.items():
            for first, last, (state, result) in _runs(states):
                driver.execute(_SETTLE, _SETTLE_ORDER, (state, result, receiver, first, last))
        if self._changed_peers:
            peers = [(peer_id, *self._peers[peer_id]) for peer_id in self._changed_peers]
            driver.execute_many(_UPSERT_PEER, ("peer_id", "role", "next_seq"), peers)
        self._clear()

    def _flush_records(self) -> None:
        """Send what was collected for the projections."""

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
        values = _hashed(row)
        body = row.body
        own = hash_of(previous, values, body)
        self._journal.append((*_stored(values), body, previous, own))
        self._rows.append(row)
        self._last = (row.seq, own)

    def find_journal(self, seq: int) -> JournalRow | None:
        """A row by its seq, written or collected."""
        if self._rows and seq >= self._rows[0].seq:
            index = seq - self._rows[0].seq
            return self._rows[index] if index < len(self._rows) else None
        if not 0 < seq <= KEY_MAX:
            return None
        found = self._driver.execute(_BY_SEQ, ("key",), (seq,))
        return _journal_row(found[0]) if found else None

    def find_requests(self, keys: Iterable[tuple[str, str]]) -> list[JournalRow]:
        """Journalled requests by (source, request Id), committed ones only.

        The persistent duplicate window; of each source the latest `SEEN_MAX`.
        """
        by_source: dict[str, list[str]] = {}
        for source, request_id in keys:
            by_source.setdefault(source, []).append(request_id)
        found: list[JournalRow] = []
        for source, ids in by_source.items():
            rows = self._driver.find_each(_by_request, ids, source)
            # With more keys than one statement takes, each of them brings so many.
            found += sorted(map(_journal_row, rows), key=attrgetter("seq"))[-SEEN_MAX:]
        return found


def _runs(
    states: dict[int, tuple[str, int | None]],
) -> Iterator[tuple[int, int, tuple[str, int | None]]]:
    """(first, last, state) of Seqs that follow one another and have the same state."""
    ordered = sorted(states.items())
    start = 0
    for index in range(1, len(ordered) + 1):
        first, state = ordered[start]
        last, _ = ordered[index - 1]
        if index == len(ordered) or ordered[index] != (last + 1, state):
            yield first, last, state
            start = index


ROW_COLUMNS: Final = in_table_order(tables.journal, columns_of(JournalRow))
JOURNAL_COLUMNS: Final = (*ROW_COLUMNS, "prev_hash", "hash")
DELIVERY_COLUMNS: Final = in_table_order(tables.delivery, columns_of(DeliveryRow))

# A row is read once, in the order of its hash, and brought into that of the table.
_hashed: Final = getter(COLUMNS)
_stored: Final = itemgetter(*[COLUMNS.index(name) for name in ROW_COLUMNS if name != "body"])
assert ROW_COLUMNS[-1] == "body", "the body stands last in the table"
_journal_row: Final = maker(tables.journal, JournalRow)

_JOURNAL: Final = select(*[tables.journal.c[name] for name in columns_of(JournalRow)])
_BY_SEQ: Final = _JOURNAL.where(tables.journal.c.seq == bindparam("key"))
_SETTLE: Final = (
    update(tables.delivery)
    .values(state=bindparam("state"), result=bindparam("result"))
    .where(
        tables.delivery.c.receiver == bindparam("of"),
        tables.delivery.c.seq.between(bindparam("first"), bindparam("last")),
    )
)
_SETTLE_ORDER: Final = ("state", "result", "of", "first", "last")
_insert_peer = upsert(tables.peer).values(
    {name: bindparam(name) for name in ("peer_id", "role", "next_seq")}
)
_UPSERT_PEER: Final = _insert_peer.on_conflict_do_update(
    ["peer_id"],
    set_={"role": _insert_peer.excluded.role, "next_seq": _insert_peer.excluded.next_seq},
)


def _by_request(keys: int) -> Select[Any]:
    journal = tables.journal
    latest = (
        select(journal.c.seq)
        .where(journal.c.request_id.in_(keys_of(keys)), journal.c.source == bindparam("more_0"))
        .order_by(journal.c.seq.desc())
    )
    return _JOURNAL.where(journal.c.seq.in_(at_most(SEEN_MAX, latest)))
