"""What is kept by key within the transaction: adapters' memory, and nonces that were used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import bindparam, delete, select
from typing_extensions import override

from linkage.ports.store import MemoryPort, NoncesPort
from linkage.store.sql import tables
from linkage.store.sql.dialect import upsert
from linkage.store.sql.renumber import floor_of
from linkage.store.sql.transaction import Part

_INSERT: Final = upsert(tables.adapter_memory)
_KEEP: Final = _INSERT.values(
    adapter=bindparam("adapter"), key=bindparam("key"), value=bindparam("value")
).on_conflict_do_update(["adapter", "key"], set_={"value": _INSERT.excluded.value})
_DROP: Final = delete(tables.adapter_memory).where(
    tables.adapter_memory.c.adapter == bindparam("owner"),
    tables.adapter_memory.c.key == bindparam("name"),
)
_USE_NONCE: Final = upsert(tables.nonce).on_conflict_do_nothing()


class SqlMemory(Part, MemoryPort):
    """`tables.adapter_memory`."""

    @override
    def save(self, owner: str, key: str, value: str | None) -> None:
        self.save_all(owner, {key: value})

    @override
    def save_all(self, owner: str, values: Mapping[str, str | None]) -> None:
        # Two statements for all: each lets go of the interpreter's lock, and must get it back.
        kept = [(owner, key, value) for key, value in values.items() if value is not None]
        gone = [(owner, key) for key, value in values.items() if value is None]
        driver = self._tx.driver
        if kept:
            driver.execute_many(_KEEP, ("adapter", "key", "value"), kept)
        if gone:
            driver.execute_many(_DROP, ("owner", "name"), gone)

    @override
    def load(self, owner: str) -> dict[str, str]:
        table = tables.adapter_memory
        rows = self._tx.connection.execute(
            select(table.c.key, table.c.value).where(table.c.adapter == owner)
        )
        return {row.key: row.value for row in rows}


class SqlNonces(Part, NoncesPort):
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
