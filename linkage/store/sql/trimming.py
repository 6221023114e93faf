"""What retention takes away within the writer's transaction, in slices."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import CursorResult, Executable, delete, select, tuple_
from typing_extensions import override

from linkage.ports.store import TrimmingPort
from linkage.store.archive import Segment
from linkage.store.sql.journal_rows import anchor_of, insert_segment
from linkage.store.sql.tables import delivery, journal, nonce, peer
from linkage.store.sql.transaction import Part

NONCE_KEPT_US: Final = 900 * 1_000_000
"""Longer than any registration is valid (±300 s): after it, its Time refuses a repetition."""


class SqlTrimming(Part, TrimmingPort):
    """Deletes by key, so that a slice costs what it takes away."""

    def _execute(self, statement: Executable) -> CursorResult[Any]:
        self._tx.flush()
        return self._tx.connection.execute(statement)

    @override
    def list_segment(self, segment: Segment) -> None:
        self._execute(insert_segment(segment))

    @override
    def queue(self, receiver: str, limit: int) -> int:
        gone_to = select(peer.c.gone_to).where(peer.c.peer_id == receiver).scalar_subquery()
        mine = (delivery.c.receiver == receiver, delivery.c.seq < gone_to)
        part = select(delivery.c.seq).where(*mine).order_by(delivery.c.seq).limit(limit)
        removed = self._execute(
            delete(delivery).where(delivery.c.receiver == receiver, delivery.c.seq.in_(part))
        )
        return removed.rowcount

    @override
    def journal(self, limit: int) -> int:
        part = (
            select(journal.c.seq)
            .where(journal.c.seq <= anchor_of(self._tx.connection).seq)
            .order_by(journal.c.seq)
            .limit(limit)
        )
        return self._execute(delete(journal).where(journal.c.seq.in_(part))).rowcount

    @override
    def nonces(self, now_us: int, limit: int) -> int:
        key = tuple_(nonce.c.peer_id, nonce.c.nonce)
        part = (
            select(nonce.c.peer_id, nonce.c.nonce)
            .where(nonce.c.used_at < now_us - NONCE_KEPT_US)
            .limit(limit)
        )
        return self._execute(delete(nonce).where(key.in_(part))).rowcount
