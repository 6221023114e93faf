"""The unit of work: what one group commit reads and writes.

One thread owns it. Reads come from bounded caches of recent rows or from the database; writes are
collected and go to the database as a few `executemany` in one transaction. When a commit fails
everything that was collected is dropped, the caches with it, so that memory never runs ahead of
the disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import and_, bindparam, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from linkage.store.rows import DeliveryRow, JournalRow
from linkage.store.sql import tables
from linkage.store.sql.driver import columns_of, getter
from linkage.store.sql.projections import Projections
from linkage.store.sql.transaction import DELIVERY_COLUMNS, JOURNAL_COLUMNS, StoreFailedError
from protocol.kinds import COMMAND_DIRECTIONS, SIZE

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
_USE_NONCE: Final = upsert(tables.nonce).on_conflict_do_nothing()


class UnitOfWork(Projections):
    """Reads and writes of the core's thread. Call `begin`, use it, then `commit` or `rollback`."""

    # --- deliveries and peers --------------------------------------------------------------------
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
        self._deliveries.append(_values(row))
        return row

    def set_delivery(self, receiver: str, seq: int, state: str, result: int | None) -> None:
        """What became of a delivery."""
        self._delivery_states.setdefault(receiver, {})[seq] = (state, result)

    def next_delivery_seq(self, receiver: str) -> int:
        """The Seq that the receiver's next message will carry."""
        return self._peers.get(receiver, ("", 1))[1]

    def begin_queue(self, receiver: str, role: str, first_seq: int) -> bool:
        """Let a queue begin at a Seq; False where there is one."""
        if receiver in self._peers:
            return False
        self._peers[receiver] = (role, first_seq)
        self._changed_peers.add(receiver)
        return True

    def gone_to(self, receiver: str) -> int:
        """Up to which Seq nothing of a queue is kept (`tables.peer`); 0: all of it is."""
        return self.connection.execute(_GONE_TO, {"receiver": receiver}).scalar() or 0

    def set_gone_to(self, receiver: str, to_seq: int) -> None:
        """Nothing is kept of a queue up to `to_seq`; the rows before it are trimmed later."""
        self.flush()
        peers, table = tables.peer, tables.delivery
        self.connection.execute(
            update(peers).where(peers.c.peer_id == receiver).values(gone_to=to_seq)
        )
        self.connection.execute(
            delete(table).where(table.c.receiver == receiver, table.c.seq == to_seq)
        )

    def find_delivery(self, receiver: str, seq: int) -> DeliveryRow | None:
        """What stands, or stood, in a place of a queue."""
        self.flush()
        table = tables.delivery
        found = select(table).where(table.c.receiver == receiver, table.c.seq == seq)
        row = self.connection.execute(found).first()
        return None if row is None else DeliveryRow(**row._mapping)

    def put_delivery(self, row: DeliveryRow) -> None:
        """Write a delivery into a place of the queue that was given before."""
        self.flush()
        values = {name: getattr(row, name) for name in DELIVERY_COLUMNS}
        self.connection.execute(
            upsert(tables.delivery)
            .values(values)
            .on_conflict_do_update(["receiver", "seq"], set_=values)
        )

    def open_deliveries(self, receiver: str, after: int, limit: int) -> list[DeliveryRow]:
        """Deliveries that are not done, by seq, after a position."""
        self.flush()
        gone_to = self.gone_to(receiver)
        rows = self.connection.execute(
            _OPEN, {"receiver": receiver, "after": after, "gone_to": gone_to, "most": limit}
        )
        return [DeliveryRow(**row._mapping) for row in rows]

    def reopen_after(
        self, receiver: str, last_seq: int, before: int, most: int
    ) -> tuple[int, int | None]:
        """Open notices after `last_seq` again that are done: a slice of them, the last ones first.

        Args:
            receiver: whose queue.
            last_seq: what it has.
            before: from this Seq on they are open again already.
            most: how many at most, of `VISITS` times as many that are looked at.

        Returns what of `most` it cost, and the next `before`; None: there are no more.
        """
        self.flush()
        table = tables.delivery
        wanted = and_(table.c.state == "done", _IS_NOTICE)
        after = max(last_seq, self.gone_to(receiver) - 1)
        mine = table.c.receiver == receiver
        rest = (mine, table.c.seq > after, table.c.seq < before)
        rows = select(table.c.seq, wanted.label("wanted")).where(*rest)
        seen = rows.order_by(table.c.seq.desc()).limit(VISITS * most).subquery()
        found = select(seen.c.seq).where(seen.c.wanted).limit(most).subquery()
        opened, first = self.connection.execute(select(func.count(), func.min(found.c.seq))).one()
        if opened:
            self.connection.execute(
                update(table)
                .where(mine, table.c.seq.between(first, before - 1), wanted)
                .values(state="open", result=None, attempts=1)
            )
        if opened == most:
            return most, first
        last_seen = select(table.c.seq).where(*rest).order_by(table.c.seq.desc())
        further = self.connection.execute(last_seen.offset(VISITS * most - 1).limit(1)).scalar()
        return (opened, None) if further is None else (most, further)

    def settle_to(self, receiver: str, last_seq: int, most: int) -> int:
        """The receiver has what is open up to `last_seq`: a slice of it, the first ones first.

        Returns how many these are; fewer than `most`: there are no more.
        """
        self.flush()
        table = tables.delivery
        mine = (table.c.receiver == receiver, tables.is_open)
        part = select(table.c.seq).where(*mine, table.c.seq <= last_seq).order_by(table.c.seq)
        to_seq = self.connection.execute(part.offset(most - 1).limit(1)).scalar()
        settled = self.connection.execute(
            update(table)
            .where(*mine, table.c.seq <= (last_seq if to_seq is None else to_seq))
            .values(state="done", result=0)
        )
        return settled.rowcount

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
                table.c.seq > self.gone_to(receiver),
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
            select(table).where(tables.is_open, table.c.expires_at <= now_us).limit(limit)
        )
        return [DeliveryRow(**row._mapping) for row in rows]

    def saw(self, peer_id: str, role: str, now_us: int) -> None:
        """Remember when a peer was here last: as it came, and as it went."""
        self.flush()
        values = {
            "peer_id": peer_id,
            "role": role,
            "next_seq": self.next_delivery_seq(peer_id),
            "last_seen": now_us,
        }
        self.connection.execute(_SAW, values)

    def use_nonce(self, peer_id: str, nonce: str, now_us: int) -> bool:
        """Remember a nonce; False when the peer used it before."""
        values = {"peer_id": peer_id, "nonce": nonce, "used_at": now_us}
        written = self.connection.execute(_USE_NONCE, values)
        return written.rowcount == 1

    def know_nonces_since(self, now_us: int) -> None:
        """What was used before is not known: an older store was put in place."""
        values = {"name": tables.NONCES_SINCE, "value": now_us}
        self.connection.execute(
            upsert(tables.floor).values(values).on_conflict_do_update(["name"], set_=values)
        )
        self.nonces_since = now_us

    def said_later(self, row: JournalRow, before: int) -> bool:
        """Whether the sender of a request has another one after it, before a seq.

        One of the same commit does not count: when it was sent, neither was answered.
        """
        self.flush()
        table = tables.journal
        later = select(table.c.seq).where(
            table.c.source == row.source,
            table.c.type.is_not(None),
            table.c.seq > row.seq,
            table.c.seq < before,
            table.c.recorded_at > row.recorded_at,
        )
        return self.connection.execute(later.limit(1)).first() is not None

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


__all__ = ["JOURNAL_COLUMNS", "StoreFailedError", "UnitOfWork", "columns_of"]
