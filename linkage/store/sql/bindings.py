"""Bindings of operations to events, and links between events (`tables.binding`, `event_link`)."""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, func, select, update
from typing_extensions import override

from linkage.ports.records import BindingsPort
from linkage.store.rows import Binding, EventLink, columns_of
from linkage.store.sql import tables
from linkage.store.sql.driver import Row, SqlDriver, getter, in_table_order
from linkage.store.sql.transaction import Part


class SqlBindings(Part, BindingsPort):
    """Collected until the flush; what ends within the same one is written with its end."""

    @override
    def forget(self) -> None:
        self._next_binding = self._next_link = 1
        self._clear()

    def _clear(self) -> None:
        self._bindings: list[Binding] = []
        self._valid: dict[int, Binding] = {}
        self._ended: list[Row] = []
        self._links: list[Row] = []

    @override
    def read_position(self) -> None:
        last_binding, last_link = (
            self._tx.connection.execute(select(func.max(key))).scalar() or 0
            for key in (tables.binding.c.binding_id, tables.event_link.c.link_id)
        )
        self._next_binding, self._next_link = last_binding + 1, last_link + 1

    @override
    def write(self, driver: SqlDriver) -> None:
        # What was valid on disk ends before what follows it is inserted.
        if self._ended:
            driver.execute_many(_END, ("seq", "of"), self._ended)
        driver.insert(tables.binding, COLUMNS, [_values(row) for row in self._bindings])
        driver.insert(tables.event_link, LINK_COLUMNS, self._links)
        self._clear()

    @override
    def add(self, op_id: int, event_pk: int, cause: str, author: str, seq: int) -> None:
        row = Binding(
            binding_id=self._next_binding, op_id=op_id, event_pk=event_pk, cause=cause,
            author=author, valid_from=seq,
        )  # fmt: skip
        self._next_binding += 1
        self._bindings.append(row)
        self._valid[op_id] = row

    @override
    def end(self, op_id: int, seq: int) -> None:
        valid = self._valid.pop(op_id, None)
        if valid is not None:
            valid.valid_to = seq
        else:
            self._ended.append((seq, op_id))

    @override
    def link(self, event_pk: int, other_pk: int, kind: str, author: str, seq: int) -> None:
        row = EventLink(
            link_id=self._next_link, event_pk=event_pk, other_pk=other_pk, kind=kind,
            author=author, valid_from=seq,
        )  # fmt: skip
        self._next_link += 1
        self._links.append(_link_values(row))

    @override
    def unlink(self, event_pk: int, other_pk: int, kinds: tuple[str, ...], seq: int) -> None:
        self._tx.flush()
        table = tables.event_link
        self._tx.connection.execute(
            update(table)
            .where(
                table.c.event_pk == event_pk,
                table.c.other_pk == other_pk,
                table.c.kind.in_(kinds),
                table.c.valid_to.is_(None),
            )
            .values(valid_to=seq)
        )

    @override
    def linked(self, event_pk: int, other_pk: int, kinds: tuple[str, ...]) -> bool:
        self._tx.flush()
        table = tables.event_link
        found = self._tx.connection.execute(
            select(table.c.link_id)
            .where(
                table.c.event_pk == event_pk,
                table.c.other_pk == other_pk,
                table.c.kind.in_(kinds),
                table.c.valid_to.is_(None),
            )
            .limit(1)
        )
        return found.first() is not None


COLUMNS: Final = in_table_order(tables.binding, columns_of(Binding))
LINK_COLUMNS: Final = in_table_order(tables.event_link, columns_of(EventLink))
_values: Final = getter(COLUMNS)
_link_values: Final = getter(LINK_COLUMNS)
_END: Final = (
    update(tables.binding)
    .values(valid_to=bindparam("seq"))
    .where(tables.binding.c.op_id == bindparam("of"), tables.binding.c.valid_to.is_(None))
)
