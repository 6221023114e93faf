"""What is kept by key within the transaction: adapters' memory, and nonces that were used."""

from __future__ import annotations

from typing import Final

from sqlalchemy import delete, select
from typing_extensions import override

from linkage.ports.store import Memory, Nonces
from linkage.store.sql import tables
from linkage.store.sql.dialect import upsert
from linkage.store.sql.renumber import floor_of
from linkage.store.sql.transaction import Part

_USE_NONCE: Final = upsert(tables.nonce).on_conflict_do_nothing()


class SqlMemory(Part, Memory):
    """`tables.adapter_memory`."""

    @override
    def save(self, owner: str, key: str, value: str | None) -> None:
        table = tables.adapter_memory
        if value is None:
            mine = (table.c.adapter == owner, table.c.key == key)
            self._tx.connection.execute(delete(table).where(*mine))
            return
        values = {"adapter": owner, "key": key, "value": value}
        self._tx.connection.execute(
            upsert(table).values(values).on_conflict_do_update(["adapter", "key"], set_=values)
        )

    @override
    def load(self, owner: str) -> dict[str, str]:
        table = tables.adapter_memory
        rows = self._tx.connection.execute(
            select(table.c.key, table.c.value).where(table.c.adapter == owner)
        )
        return {row.key: row.value for row in rows}


class SqlNonces(Part, Nonces):
    """`tables.nonce`."""

    @override
    def forget(self) -> None:
        self._known_since_us = 0

    @override
    def read_position(self) -> None:
        self._known_since_us = floor_of(self._tx.connection, tables.NONCES_SINCE)

    @property
    @override
    def known_since_us(self) -> int:
        return self._known_since_us

    @override
    def use(self, peer_id: str, nonce: str, now_us: int) -> bool:
        values = {"peer_id": peer_id, "nonce": nonce, "used_at": now_us}
        written = self._tx.connection.execute(_USE_NONCE, values)
        return written.rowcount == 1

    @override
    def know_since(self, now_us: int) -> None:
        values = {"name": tables.NONCES_SINCE, "value": now_us}
        self._tx.connection.execute(
            upsert(tables.floor).values(values).on_conflict_do_update(["name"], set_=values)
        )
        self._known_since_us = now_us
