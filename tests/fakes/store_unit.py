"""Rows of a store, made by its unit of work."""

from __future__ import annotations

from linkage.store.rows import Operation
from linkage.store.sql.unit import UnitOfWork


def operation(unit: UnitOfWork, native: str = "call:C1", **values: object) -> Operation:
    op_id = unit.records.next_op_id()
    fields: dict[str, object] = {"root": op_id, **values}
    return unit.records.add_operation(
        Operation(op_id=op_id, kind="call", platform="pbx", native=native, started_at=1, **fields)  # type: ignore[arg-type]  # one dict for all fields
    )
