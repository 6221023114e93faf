"""What stands in a row, as the read side hands it out (`linkage.store.read.views`)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from linkage.files.layout import find_file
from linkage.store.read.views import BindingView, EntryView, EventView, FileView, OperationView
from linkage.store.rows import (
    BindingColumns,
    EntryColumns,
    EventColumns,
    FileColumns,
    LinkColumns,
    OperationColumns,
    columns_of,
    from_us,
)
from protocol.codec import decode
from protocol.dialect import DEFAULT, Dialect
from protocol.envelope import Request
from protocol.errors import RemoteProtocolError
from protocol.message import Message
from protocol.messages import message_class

_NAMES: Final[Mapping[type, tuple[str, ...]]] = {
    cls: columns_of(cls)
    for cls in (
        BindingColumns,
        EntryColumns,
        EventColumns,
        FileColumns,
        LinkColumns,
        OperationColumns,
    )
}


def columns_in(cls: type, row: Any) -> dict[str, Any]:
    """Of a row what a class of columns has, times as a view has them."""
    values = {name: getattr(row, name) for name in _NAMES[cls]}
    return {
        name: time_of(value) if name.endswith("_at") else value for name, value in values.items()
    }


def event_view(
    row: Any, names: Mapping[int, tuple[str, str]], operations: int | None = None
) -> EventView:
    """An event; `names` has what it was merged into."""
    merged_into = None if row.merged_into is None else names[row.merged_into][1]
    return EventView(
        **columns_in(EventColumns, row), merged_into=merged_into, operations=operations
    )


def operation_view(
    row: Any,
    names: Mapping[int, tuple[str, str]],
    bindings: tuple[BindingView, ...],
    files: tuple[FileView, ...],
) -> OperationView:
    """An operation with what belongs to it."""
    valid = next((item for item in reversed(bindings) if item.valid_to is None), None)
    return OperationView(
        **columns_in(OperationColumns, row),
        event_id=None if row.event_pk is None else names[row.event_pk][1],
        author=None if valid is None else valid.author,
        bindings=bindings,
        files=files,
    )


def file_view(row: Any, folder: Path | None) -> FileView:
    """A file; `folder` is where linkage keeps them, None: `path` stays empty."""
    path = None if folder is None else find_file(folder, row.file_id)
    return FileView(**columns_in(FileColumns, row), path=path)


def entry_view(row: Any, dialects: Mapping[str, Dialect]) -> EntryView:
    """A row of the journal; `dialects` are how peers write, for what stands there as it came."""
    cls = None if row.type is None else message_class(row.type)
    dialect = dialects.get(row.source, DEFAULT)
    return EntryView(
        **columns_in(EntryColumns, row),
        name=row.kind if cls is None else cls.english,
        chinese="" if cls is None else cls.chinese,
        message=_decoded(row.body, dialect),
        body=_body_text(row.body, dialect),
    )


def _decoded(body: bytes, dialect: Dialect) -> Message | None:
    """The message, whether it stands there as linkage writes or as the peer wrote."""
    for tried in (DEFAULT, dialect) if body else ():
        try:
            item = decode(body, tried)
        except RemoteProtocolError:
            continue
        return item.message if isinstance(item, Request) else None
    return None


def _body_text(body: bytes, dialect: Dialect) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.decode(dialect.encoding, "replace")


def time_of(microseconds: int | None) -> datetime | None:
    """A point in time, where there is one."""
    return None if microseconds is None else from_us(microseconds)
