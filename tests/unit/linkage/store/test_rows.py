"""Each table is declared once: what else knows its columns follows from the class of its rows."""

from __future__ import annotations

from dataclasses import fields

import pytest

from linkage.cli.shared.json_views import NAMES, plain
from linkage.store import chain
from linkage.store.archive import Segment
from linkage.store.read.from_rows import operation_view
from linkage.store.read.views import OperationView
from linkage.store.rows import (
    Binding,
    DeliveryRow,
    Event,
    EventLink,
    FileRecord,
    JournalRow,
    Operation,
    OperationColumns,
    OperationKey,
)
from linkage.store.sql import tables
from linkage.store.sql.driver import maker


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("journal", JournalRow), ("event", Event), ("event_link", EventLink),
        ("operation", Operation), ("operation_key", OperationKey), ("binding", Binding),
        ("file", FileRecord), ("delivery", DeliveryRow), ("archive", Segment),
    ],
)  # fmt: skip
def test_a_table_has_the_fields_of_its_rows(name: str, cls: type) -> None:
    of_the_chain = {"prev_hash", "hash"} if name == "journal" else set()
    columns = {column.name for column in tables.metadata.tables[name].columns}
    assert columns == {field.name for field in fields(cls)} | of_the_chain


def test_what_is_hashed_is_every_field_of_an_entry() -> None:
    assert {*chain.COLUMNS, "body"} == {field.name for field in fields(JournalRow)}


def test_a_column_of_an_operation_goes_from_its_declaration_to_the_last_reader() -> None:
    names = [field.name for field in fields(OperationColumns)]
    values = {column.name: None for column in tables.operation.columns}
    texts = {
        column.name: f"<{column.name}>"
        for column in tables.operation.columns
        if str(column.type) == "TEXT"
    }
    row = maker(tables.operation, Operation)(
        tuple({**values, **texts, "op_id": 1, "root": 1, "started_at": 0}.values())
    )
    view = operation_view(row, {}, (), ())
    assert {field.name for field in fields(OperationView)} >= set(names)
    made = plain(view)
    assert made.keys() >= {NAMES.get(name, name) for name in names}
    assert {name: made[NAMES.get(name, name)] for name in texts} == texts
