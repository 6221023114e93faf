"""The journal within the transaction: its end is in memory, its rows are hashed as they come."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from operator import attrgetter, itemgetter
from typing import Any, Final

from sqlalchemy import Select, bindparam, func, select
from typing_extensions import override

from linkage.ports.store import JournalPort, UnreadableError
from linkage.store.chain import COLUMNS, GENESIS, hash_of
from linkage.store.rows import KEY_MAX, JournalRow, columns_of
from linkage.store.sql import tables
from linkage.store.sql.dialect import FAILURE, OUR_FAULT
from linkage.store.sql.driver import (
    Row,
    SqlDriver,
    at_most,
    getter,
    in_table_order,
    keys_of,
    maker,
    select_rows,
)
from linkage.store.sql.transaction import Part

COMMANDS_MAX: Final = 1024
"""Commands whose entries are kept in memory: most of what is heard of one comes soon after it."""
COMMAND_BYTES_MAX: Final = 4096
COMMAND_KEPT_US: Final = 600_000_000
"""Well before what is old is deleted."""
SEEN_MAX: Final = 2048
"""Earlier requests that one look-up of a batch brings. A peer that uses few Ids again and again
would else have its whole history read for each message; of such a peer the latest are compared."""


class SqlJournal(Part, JournalPort):
    """`found_at` is when the row was recorded that was the newest when the store was read."""

    @override
    def forget(self) -> None:
        self._last: tuple[int, bytes] | None = None
        self._found_at: int | None = None
        self._commands: OrderedDict[int, JournalRow] = OrderedDict()
        self._newest_at = 0
        self._clear()

    def _clear(self) -> None:
        self._journal: list[Row] = []
        self._rows: list[JournalRow] = []

    @override
    def read_position(self) -> None:
        journal = tables.journal.c
        newest = select(journal.seq, journal.hash, journal.recorded_at)
        last = self._tx.connection.execute(newest.order_by(journal.seq.desc()).limit(1)).first()
        self._last = (0, GENESIS) if last is None else (last.seq, last.hash)
        self._found_at = None if last is None else last.recorded_at

    @override
    def write(self, driver: SqlDriver) -> None:
        driver.insert(tables.journal, JOURNAL_COLUMNS, self._journal)
        self._clear()

    @property
    @override
    def found_at(self) -> int | None:
        return self._found_at

    @property
    @override
    def next_seq(self) -> int:
        assert self._last is not None
        return self._last[0] + 1

    @override
    def append(self, row: JournalRow) -> None:
        assert self._last is not None
        seq, previous = self._last
        assert row.seq == seq + 1
        values = _hashed(row)
        body = row.body
        own = hash_of(previous, values, body)
        self._journal.append((*_stored(values), body, previous, own))
        self._rows.append(row)
        self._last = (row.seq, own)
        self._newest_at = row.recorded_at
        if row.target is not None and len(body) <= COMMAND_BYTES_MAX:
            self._commands[row.seq] = row
            if len(self._commands) > COMMANDS_MAX:
                self._commands.popitem(last=False)

    @override
    def find(self, seq: int) -> JournalRow | None:
        if self._rows and seq >= self._rows[0].seq:
            index = seq - self._rows[0].seq
            return self._rows[index] if index < len(self._rows) else None
        kept = self._commands.get(seq)
        if kept is not None and abs(self._newest_at - kept.recorded_at) < COMMAND_KEPT_US:
            return kept
        if not 0 < seq <= KEY_MAX:
            return None
        try:
            found = self._tx.driver.execute(_BY_SEQ, ("key",), (seq,))
        except OUR_FAULT:
            raise
        except FAILURE as error:
            raise UnreadableError(str(error)) from error
        return _journal_row(found[0]) if found else None

    @override
    def find_requests(
        self, keys: Iterable[tuple[str, str]], *, also_new: bool = False
    ) -> list[JournalRow]:
        if also_new:
            self._tx.flush()
        by_source: dict[str, list[str]] = {}
        for source, request_id in keys:
            by_source.setdefault(source, []).append(request_id)
        found: list[JournalRow] = []
        for source, ids in by_source.items():
            rows = self._tx.driver.find_each(_by_request, ids, source)
            # With more keys than one statement takes, each of them brings so many.
            found += sorted(map(_journal_row, rows), key=attrgetter("seq"))[-SEEN_MAX:]
        return found

    @override
    def said_later(self, row: JournalRow, before: int) -> bool:
        self._tx.flush()
        table = tables.journal
        later = select(table.c.seq).where(
            table.c.source == row.source,
            table.c.type.is_not(None),
            table.c.seq > row.seq,
            table.c.seq < before,
            table.c.recorded_at > row.recorded_at,
        )
        return self._tx.connection.execute(later.limit(1)).first() is not None

    @override
    def last_heard(self, op_id: int, platform: str) -> int | None:
        self._tx.flush()
        journal = tables.journal.c
        mine = (journal.op_id == op_id, journal.source == platform)
        return self._tx.connection.execute(
            select(func.max(journal.recorded_at)).where(*mine)
        ).scalar()

    @override
    def first_trace(self, op_id: int) -> str | None:
        journal = tables.journal.c
        return self._tx.connection.execute(
            select(journal.trace)
            .where(journal.op_id == op_id, journal.trace.is_not(None))
            .order_by(journal.seq)
            .limit(1)
        ).scalar()


ROW_COLUMNS: Final = in_table_order(tables.journal, columns_of(JournalRow))
JOURNAL_COLUMNS: Final = (*ROW_COLUMNS, "prev_hash", "hash")

# A row is read once, in the order of its hash, and brought into that of the table.
_hashed: Final = getter(COLUMNS)
_stored: Final = itemgetter(*[COLUMNS.index(name) for name in ROW_COLUMNS if name != "body"])
assert ROW_COLUMNS[-1] == "body", "the body stands last in the table"
_journal_row: Final = maker(tables.journal, JournalRow)

_JOURNAL: Final = select_rows(tables.journal, JournalRow)
_BY_SEQ: Final = _JOURNAL.where(tables.journal.c.seq == bindparam("key"))


def _by_request(keys: int) -> Select[Any]:
    journal = tables.journal
    latest = (
        select(journal.c.seq)
        .where(journal.c.request_id.in_(keys_of(keys)), journal.c.source == bindparam("more_0"))
        .order_by(journal.c.seq.desc())
    )
    return _JOURNAL.where(journal.c.seq.in_(at_most(SEEN_MAX, latest)))
