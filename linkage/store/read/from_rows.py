"""What stands in a row, as the read side hands it out (`linkage.store.read.views`)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from linkage.files.layout import find_file
from linkage.store.read.views import BindingView, EntryView, EventView, FileView, OperationView
from linkage.store.rows import from_us
from protocol.codec import decode
from protocol.dialect import DEFAULT, Dialect
from protocol.envelope import Request
from protocol.errors import RemoteProtocolError
from protocol.message import Message
from protocol.messages import message_class


def event_view(
    row: Any, names: Mapping[int, tuple[str, str]], operations: int | None = None
) -> EventView:
    """An event; `names` has what it was merged into."""
    return EventView(
        owner=row.owner,
        event_id=row.event_id,
        status=row.status,
        opened_at=from_us(row.opened_at),
        event_type=row.event_type,
        title=row.title,
        level=row.level,
        address=row.address,
        lon=row.lon,
        lat=row.lat,
        summary=row.summary,
        closed_at=time_of(row.closed_at),
        merged_into=None if row.merged_into is None else names[row.merged_into][1],
        operations=operations,
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
        op_id=row.op_id,
        kind=row.kind,
        platform=row.platform,
        native=row.native,
        owner=row.owner,
        event_id=None if row.event_pk is None else names[row.event_pk][1],
        call_id=row.call_id,
        conference_id=row.conference_id,
        parent=row.parent,
        root=row.root,
        direction=row.direction,
        from_num=row.from_num,
        to_num=row.to_num,
        login_id=row.login_id,
        state=row.state,
        started_at=from_us(row.started_at),
        answered_at=time_of(row.answered_at),
        ended_at=time_of(row.ended_at),
        outcome=row.outcome,
        reason=row.reason,
        content=row.content,
        cause=row.cause,
        author=None if valid is None else valid.author,
        reconstructed=row.reconstructed,
        bindings=bindings,
        files=files,
    )


def file_view(row: Any, folder: Path | None) -> FileView:
    """A file; `folder` is where linkage keeps them, None: `path` stays empty."""
    return FileView(
        file_id=row.file_id,
        platform=row.platform,
        name=row.name,
        url=row.url,
        format=row.format,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        duration_s=row.duration_s,
        created_at=from_us(row.created_at),
        path=None if folder is None else find_file(folder, row.file_id),
    )


def entry_view(row: Any, dialects: Mapping[str, Dialect]) -> EntryView:
    """A row of the journal; `dialects` are how peers write, for what stands there as it came."""
    cls = None if row.type is None else message_class(row.type)
    dialect = dialects.get(row.source, DEFAULT)
    return EntryView(
        seq=row.seq,
        kind=row.kind,
        name=row.kind if cls is None else cls.english,
        chinese="" if cls is None else cls.chinese,
        source=row.source,
        target=row.target,
        recorded_at=from_us(row.recorded_at),
        occurred_at=time_of(row.occurred_at),
        type=row.type,
        request_id=row.request_id,
        owner=row.owner,
        event_id=row.event_id,
        op_id=row.op_id,
        call_id=row.call_id,
        conference_id=row.conference_id,
        command_seq=row.command_seq,
        trace=row.trace,
        result=row.result,
        detail=row.detail,
        reconstructed=row.reconstructed,
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
