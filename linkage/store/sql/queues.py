"""Queues and peers within the transaction: where each queue ends is in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy import and_, bindparam, delete, func, select, update
from typing_extensions import override

from linkage.ports.store import QueuesPort
from linkage.store.rows import DeliveryRow, columns_of
from linkage.store.sql import renumber, tables
from linkage.store.sql.dialect import upsert
from linkage.store.sql.driver import Row, SqlDriver, getter, in_table_order
from linkage.store.sql.transaction import Part, Transaction
from protocol.kinds import COMMAND_DIRECTIONS, SIZE

DELIVERY_COLUMNS: Final = in_table_order(tables.delivery, columns_of(DeliveryRow))
VISITS: Final = 4
"""Rows that are looked at in the time that one is opened again."""
_values: Final = getter(DELIVERY_COLUMNS)
_IS_NOTICE: Final = ~(tables.delivery.c.type // SIZE).in_(sorted(map(int, COMMAND_DIRECTIONS)))

# What every registration asks, made once: to build a statement costs more than to run it.
_GONE_TO: Final = select(tables.peer.c.gone_to).where(
    tables.peer.c.peer_id == bindparam("receiver")
)
_OPEN: Final = (
    select(tables.delivery)
    .where(
        tables.delivery.c.receiver == bindparam("receiver"),
        tables.is_open,
        tables.delivery.c.seq > bindparam("after"),
        tables.delivery.c.seq >= bindparam("gone_to"),
    )
    .order_by(tables.delivery.c.seq)
    .limit(bindparam("most"))
)
_SAW: Final = upsert(tables.peer).on_conflict_do_update(
    ["peer_id"], set_={"last_seen": upsert(tables.peer).excluded.last_seen}
)


class SqlQueues(Part, QueuesPort):
    """`tables.delivery` and `tables.peer`."""

    def __init__(self, tx: Transaction) -> None:
        self._put: set[tuple[str, int]] = set()
        """Places that were given to another entry: receiver and Seq. They alone are settled with a
        look at which one stands there; what an earlier process pushed nobody answers to this."""
        super().__init__(tx)

    @override
    def forget(self) -> None:
        self._peers: dict[str, tuple[str, int]] = {}
        self._clear()

    def _clear(self) -> None:
        self._deliveries: list[Row] = []
        self._delivery_states: dict[str, dict[int, tuple[str, int | None]]] = {}
        self._changed_peers: set[str] = set()

    @override
    def read_position(self) -> None:
        for row in self._tx.connection.execute(select(tables.peer)):
            self._peers[row.peer_id] = (row.role, row.next_seq)

    @override
    def write(self, driver: SqlDriver) -> None:
        driver.insert(tables.delivery, DELIVERY_COLUMNS, self._deliveries)
        for receiver, states in self._delivery_states.items():
            for first, last, (state, result) in _runs(states):
                driver.execute(_SETTLE, _SETTLE_ORDER, (state, result, receiver, first, last))
        if self._changed_peers:
            peers = [(peer_id, *self._peers[peer_id]) for peer_id in self._changed_peers]
            driver.execute_many(_UPSERT_PEER, ("peer_id", "role", "next_seq"), peers)
        self._clear()

    @override
    def enqueue(
        self, receiver: str, role: str, journal_seq: int, type_: int, expires_at: int | None = None
    ) -> DeliveryRow:
        _, seq = self._peers.get(receiver, (role, 1))
        self._peers[receiver] = (role, seq + 1)
        self._changed_peers.add(receiver)
        row = DeliveryRow(
            receiver=receiver, seq=seq, journal_seq=journal_seq, type=type_, expires_at=expires_at
        )
        self._deliveries.append(_values(row))
        return row

    @override
    def settle(
        self, receiver: str, seq: int, journal_seq: int, state: str, result: int | None
    ) -> None:
        if self._put and (receiver, seq) in self._put:
            self._tx.flush()
            values = (state, result, receiver, seq, journal_seq)
            self._tx.driver.execute(_SETTLE_PUT, _SETTLE_PUT_ORDER, values)
            return
        self._delivery_states.setdefault(receiver, {})[seq] = (state, result)

    @override
    def next_seq(self, receiver: str) -> int:
        return self._peers.get(receiver, ("", 1))[1]

    @override
    def begin_at(self, receiver: str, role: str, first_seq: int) -> bool:
        if receiver in self._peers:
            return False
        self._peers[receiver] = (role, first_seq)
        self._changed_peers.add(receiver)
        return True

    @override
    def gone_to(self, receiver: str) -> int:
        return self._tx.connection.execute(_GONE_TO, {"receiver": receiver}).scalar() or 0

    @override
    def set_gone_to(self, receiver: str, to_seq: int) -> None:
        self._tx.flush()
        self._put = {place for place in self._put if place[0] != receiver or place[1] >= to_seq}
        peers, table = tables.peer, tables.delivery
        self._tx.connection.execute(
            update(peers).where(peers.c.peer_id == receiver).values(gone_to=to_seq)
        )
        self._tx.connection.execute(
            delete(table).where(table.c.receiver == receiver, table.c.seq == to_seq)
        )

    @override
    def find(self, receiver: str, seq: int) -> DeliveryRow | None:
        self._tx.flush()
        table = tables.delivery
        found = select(table).where(table.c.receiver == receiver, table.c.seq == seq)
        row = self._tx.connection.execute(found).first()
        return None if row is None else DeliveryRow(**row._mapping)

    @override
    def put(self, row: DeliveryRow) -> None:
        self._tx.flush()
        self._put.add((row.receiver, row.seq))
        values = {name: getattr(row, name) for name in DELIVERY_COLUMNS}
        self._tx.connection.execute(
            upsert(tables.delivery)
            .values(values)
            .on_conflict_do_update(["receiver", "seq"], set_=values)
        )

    @override
    def open(self, receiver: str, after: int, limit: int) -> list[DeliveryRow]:
        self._tx.flush()
        gone_to = self.gone_to(receiver)
        rows = self._tx.connection.execute(
            _OPEN, {"receiver": receiver, "after": after, "gone_to": gone_to, "most": limit}
        )
        return [DeliveryRow(**row._mapping) for row in rows]

    @override
    def reopen_after(
        self, receiver: str, last_seq: int, before: int, most: int
    ) -> tuple[int, int | None]:
        self._tx.flush()
        table = tables.delivery
        wanted = and_(table.c.state == "done", _IS_NOTICE)
        after = max(last_seq, self.gone_to(receiver) - 1)
        mine = table.c.receiver == receiver
        rest = (mine, table.c.seq > after, table.c.seq < before)
        rows = select(table.c.seq, wanted.label("wanted")).where(*rest)
        seen = rows.order_by(table.c.seq.desc()).limit(VISITS * most).subquery()
        found = select(seen.c.seq).where(seen.c.wanted).limit(most).subquery()
        opened, first = self._tx.connection.execute(
            select(func.count(), func.min(found.c.seq))
        ).one()
        if opened:
            self._tx.connection.execute(
                update(table)
                .where(mine, table.c.seq.between(first, before - 1), wanted)
                .values(state="open", result=None, attempts=1)
            )
        if opened == most:
            return most, first
        last_seen = select(table.c.seq).where(*rest).order_by(table.c.seq.desc())
        further = self._tx.connection.execute(
            last_seen.offset(VISITS * most - 1).limit(1)
        ).scalar()
        return (opened, None) if further is None else (most, further)

    @override
    def settle_to(self, receiver: str, last_seq: int, most: int) -> int:
        self._tx.flush()
        table = tables.delivery
        mine = (table.c.receiver == receiver, tables.is_open)
        part = select(table.c.seq).where(*mine, table.c.seq <= last_seq).order_by(table.c.seq)
        to_seq = self._tx.connection.execute(part.offset(most - 1).limit(1)).scalar()
        settled = self._tx.connection.execute(
            update(table)
            .where(*mine, table.c.seq <= (last_seq if to_seq is None else to_seq))
            .values(state="done", result=0)
        )
        return settled.rowcount

    @override
    def reopen(self, receiver: str, from_seq: int, to_seq: int, types: Sequence[int]) -> int:
        self._tx.flush()
        table = tables.delivery
        wanted = [table.c.type.in_(types)] if types else []
        changed = self._tx.connection.execute(
            update(table)
            .where(
                table.c.receiver == receiver,
                table.c.seq.between(from_seq, to_seq),
                table.c.seq > self.gone_to(receiver),
                _IS_NOTICE,
                *wanted,
            )
            .values(state="open", result=None, attempts=1)
        )
        return changed.rowcount

    @override
    def expired(self, now_us: int, limit: int) -> list[DeliveryRow]:
        self._tx.flush()
        table = tables.delivery
        rows = self._tx.connection.execute(
            select(table).where(tables.is_open, table.c.expires_at <= now_us).limit(limit)
        )
        return [DeliveryRow(**row._mapping) for row in rows]

    @override
    def saw(self, peer_id: str, role: str, now_us: int) -> None:
        self._tx.flush()
        values = {
            "peer_id": peer_id,
            "role": role,
            "next_seq": self.next_seq(peer_id),
            "last_seen": now_us,
        }
        self._tx.connection.execute(_SAW, values)

    @override
    def take_gaps(self) -> dict[str, int]:
        self._tx.flush()
        return renumber.take_gaps(self._tx.connection)


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


_SETTLE: Final = (
    update(tables.delivery)
    .values(state=bindparam("state"), result=bindparam("result"))
    .where(
        tables.delivery.c.receiver == bindparam("of"),
        tables.delivery.c.seq.between(bindparam("first"), bindparam("last")),
    )
)
_SETTLE_ORDER: Final = ("state", "result", "of", "first", "last")
_SETTLE_PUT: Final = (
    update(tables.delivery)
    .values(state=bindparam("state"), result=bindparam("result"))
    .where(
        tables.delivery.c.receiver == bindparam("of"),
        tables.delivery.c.seq == bindparam("at"),
        tables.delivery.c.journal_seq == bindparam("entry"),
    )
)
_SETTLE_PUT_ORDER: Final = ("state", "result", "of", "at", "entry")
_insert_peer = upsert(tables.peer).values(
    {name: bindparam(name) for name in ("peer_id", "role", "next_seq")}
)
_UPSERT_PEER: Final = _insert_peer.on_conflict_do_update(
    ["peer_id"],
    set_={"role": _insert_peer.excluded.role, "next_seq": _insert_peer.excluded.next_seq},
)
