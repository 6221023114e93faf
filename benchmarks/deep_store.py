"""A store with as many journal rows as you like, as linkage itself would have written them.

Every row is a call (100) of one of eight platforms with its operation; of twenty operations each
five belong to one event, and the chain of hashes holds. Written in bulk without a journal of
SQLite's own, indices last: about 100 s and 0.9 GB for a million rows on one core.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from linkage.store.chain import GENESIS, row_hash
from linkage.store.rows import Binding, DeliveryRow, Event, JournalRow, Operation, columns_of
from linkage.store.sql.driver import in_table_order
from linkage.store.sql.journal import JOURNAL_COLUMNS
from linkage.store.sql.tables import metadata
from linkage.store.sqlite.database import open_store

PLATFORMS: Final = 8
PER_EVENT: Final = 5
EVERY: Final = 4
"""Of so many groups of five operations one is an event's."""
PART: Final = 20_000
SPAN_US: Final = 1_000
"""Between two rows: a thousand a second."""


def make_store(path: Path, rows: int, open_deliveries: int, now_us: int) -> None:
    """Make a store, once: one that is there is left as it is."""
    done = path.with_suffix(f".{rows}-{open_deliveries}")
    if done.exists():
        return
    for old in path.parent.glob("linkage.*"):
        old.unlink()
    open_store(path).dispose()
    plain = sqlite3.connect(path)
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-400000"):
        plain.execute(f"PRAGMA {pragma}")
    indices = plain.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    ).fetchall()
    for name, _ in indices:
        plain.execute(f"DROP INDEX {name}")
    began_us = now_us - rows * SPAN_US
    previous = GENESIS
    for first in range(1, rows + 1, PART):
        numbers = range(first, min(first + PART, rows + 1))
        journal, previous = _journal(numbers, began_us, previous)
        _insert(plain, "journal", JOURNAL_COLUMNS, journal)
        _insert_rows(plain, "operation", Operation, (_operation(n, began_us) for n in numbers))
        heads = [n for n in numbers if _event_of(n) == n]
        _insert_rows(plain, "event", Event, (_event(n, began_us) for n in heads))
        bound = (n for n in numbers if _event_of(n) is not None)
        _insert_rows(plain, "binding", Binding, (_binding(n) for n in bound))
        plain.commit()
    waiting = range(1, open_deliveries + 1)
    _insert_rows(plain, "delivery", DeliveryRow, (_delivery(n, rows) for n in waiting))
    plain.execute(
        "INSERT INTO peer (peer_id, role, next_seq) VALUES ('desk', 'application', ?)",
        (open_deliveries + 1,),
    )
    for _, sql in indices:
        plain.execute(sql)
    plain.commit()
    plain.execute("PRAGMA journal_mode=WAL")
    plain.close()
    done.touch()


def event_id(number: int) -> str:
    """The EventId that the operation of a journal row belongs to."""
    found = _event_of(number)
    assert found is not None
    return f"E{found}"


def event_numbers(rows: int) -> range:
    """The rows that are the first of an event."""
    return range(1, rows + 1 - PER_EVENT, PER_EVENT * EVERY)


def _event_of(number: int) -> int | None:
    group = (number - 1) // PER_EVENT
    return None if group % EVERY else group * PER_EVENT + 1


def _native(number: int) -> str:
    # As platforms number their calls: a counter; as others do: something like a UUID.
    if number % 2:
        return hashlib.blake2s(str(number).encode(), digest_size=8).hexdigest()
    return f"C{number}"


def _journal(
    numbers: range, began_us: int, previous: bytes
) -> tuple[list[tuple[Any, ...]], bytes]:
    names = in_table_order(metadata.tables["journal"], columns_of(JournalRow))
    found = []
    for n in numbers:
        event = _event_of(n)
        call = _native(n)
        row = JournalRow(
            seq=n,
            recorded_at=began_us + n * SPAN_US,
            kind="Message",
            source=f"pbx{n % PLATFORMS}",
            type=100,
            request_id=call,
            owner="desk",
            event_pk=event,
            event_id=None if event is None else f"E{event}",
            op_id=n,
            call_id=call,
            result=0,
            body=(
                f'<request Id="{call}" Type="100"><CallId>{call}</CallId>'
                "<ConferenceID>NULL</ConferenceID><LoginId>23</LoginId><Type>1</Type>"
                "<PhoneNum>139123444444</PhoneNum><ToNum>2222</ToNum></request>"
            ).encode(),
        )
        own = row_hash(previous, row)
        found.append((*(getattr(row, name) for name in names), previous, own))
        previous = own
    return found, previous


def _operation(n: int, began_us: int) -> Operation:
    call = _native(n)
    event = _event_of(n)
    return Operation(
        op_id=n, kind="call", platform=f"pbx{n % PLATFORMS}", native=f"call:{call}", root=n,
        started_at=began_us + n * SPAN_US, ended_at=began_us + n * SPAN_US + 1,
        owner="desk", call_id=call, direction="in", from_num="139123444444", to_num="2222",
        login_id="23", state="ended", outcome="ended", event_pk=event,
        cause=None if event is None else "created",
    )  # fmt: skip


def _event(n: int, began_us: int) -> Event:
    at = began_us + n * SPAN_US
    return Event(event_pk=n, owner="desk", event_id=f"E{n}", opened_at=at, status="closed")


def _binding(n: int) -> Binding:
    event = _event_of(n)
    assert event is not None
    return Binding(
        binding_id=n, op_id=n, event_pk=event, cause="created", author="desk", valid_from=n
    )


def _delivery(n: int, rows: int) -> DeliveryRow:
    return DeliveryRow(receiver="desk", seq=n, journal_seq=min(n, rows), type=100)


def _insert_rows(plain: sqlite3.Connection, table: str, cls: type, rows: Iterator[Any]) -> None:
    names = in_table_order(metadata.tables[table], columns_of(cls))
    _insert(plain, table, names, [tuple(getattr(row, name) for name in names) for row in rows])


def _insert(
    plain: sqlite3.Connection, table: str, names: tuple[str, ...], rows: list[tuple[Any, ...]]
) -> None:
    marks = ", ".join("?" * len(names))
    plain.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", rows)  # noqa: S608 - names of our own tables
