"""The rows that say whose each file is (`tables.file`)."""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam
from typing_extensions import override

from linkage.ports.records import FileRecordsPort
from linkage.store.rows import FileRecord, columns_of
from linkage.store.sql import tables
from linkage.store.sql.dialect import upsert
from linkage.store.sql.driver import at_most, getter, in_table_order, maker, select_rows
from linkage.store.sql.transaction import Part

SAME_ID_MAX: Final = 20
"""Platforms with a file of the same id that a look-up brings."""


class SqlFileRecords(Part, FileRecordsPort):
    """Written at once: a file is seldom."""

    @override
    def put(self, row: FileRecord) -> None:
        self._tx.driver.execute_many(_PUT, COLUMNS, [_values(row)])

    @override
    def find(self, platform: str, file_id: str) -> FileRecord | None:
        rows = self._tx.driver.execute(_ONE, ("file_id", "platform"), (file_id, platform))
        return _record(rows[0]) if rows else None

    @override
    def find_all(self, file_id: str) -> list[FileRecord]:
        return [_record(row) for row in self._tx.driver.execute(_ALL, ("file_id",), (file_id,))]


COLUMNS: Final = in_table_order(tables.file, columns_of(FileRecord))
_values: Final = getter(COLUMNS)
_record: Final = maker(tables.file, FileRecord)

_file: Final = tables.file.c
_put = upsert(tables.file).values({name: bindparam(name) for name in COLUMNS})
_PUT: Final = _put.on_conflict_do_update(
    ["platform", "file_id"], set_={name: _put.excluded[name] for name in COLUMNS}
)
_ALL: Final = at_most(
    SAME_ID_MAX,
    select_rows(tables.file, FileRecord)
    .where(_file.file_id == bindparam("file_id"))
    .order_by(_file.platform),
)
_ONE: Final = _ALL.where(_file.platform == bindparam("platform"))
