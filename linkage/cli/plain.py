"""Views of the store as plain values for `--json`: stable names, ISO 8601 times, OpIds as text."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from linkage.store.read.views import (
    BindingView,
    EntryView,
    EventHistory,
    EventView,
    FileView,
    OperationView,
    PeerView,
)
from protocol.fields import format_time
from protocol.plain import to_plain
from protocol.reasons import REASON_TEXT


def plain_history(history: EventHistory) -> dict[str, Any]:
    """`linkage event show --json`."""
    return {
        "event": plain_event(history.event),
        "merged": [plain_event(event) for event in history.merged],
        "links": [
            {
                "event_id": link.event_id,
                "other_event_id": link.other_event_id,
                "kind": link.kind,
                "author": link.author,
                "valid_from": link.valid_from,
                "valid_to": link.valid_to,
            }
            for link in history.links
        ],
        "operations": [plain_operation(operation) for operation in history.operations],
        "entries": [plain_entry(entry) for entry in history.entries],
        "absent": list(history.absent),
    }


def plain_event(event: EventView) -> dict[str, Any]:
    """One event."""
    plain = {
        "event_id": event.event_id,
        "owner": event.owner,
        "status": event.status,
        "event_type": event.event_type,
        "title": event.title,
        "level": event.level,
        "address": event.address,
        "lon": event.lon,
        "lat": event.lat,
        "summary": event.summary,
        "opened_at": plain_time(event.opened_at),
        "closed_at": plain_time(event.closed_at),
        "merged_into": event.merged_into,
    }
    if event.operations is not None:
        plain["operations"] = event.operations
    return plain


def plain_operation(operation: OperationView) -> dict[str, Any]:
    """One operation with its bindings and files; OpIds are texts, as on the wire."""
    return {
        "op_id": str(operation.op_id),
        "kind": operation.kind,
        "event_id": operation.event_id,
        "cause": operation.cause,
        "author": operation.author,
        "platform": operation.platform,
        "native": operation.native,
        "owner": operation.owner,
        "call_id": operation.call_id,
        "conference_id": operation.conference_id,
        "parent": None if operation.parent is None else str(operation.parent),
        "root": str(operation.root),
        "direction": operation.direction,
        "from": operation.from_num,
        "to": operation.to_num,
        "login_id": operation.login_id,
        "state": operation.state,
        "started_at": plain_time(operation.started_at),
        "answered_at": plain_time(operation.answered_at),
        "ended_at": plain_time(operation.ended_at),
        "outcome": operation.outcome,
        "reason": operation.reason,
        "reason_text": _reason(operation.reason, 0),
        "reason_text_zh": _reason(operation.reason, 1),
        "content": operation.content,
        "reconstructed": operation.reconstructed,
        "bindings": [plain_binding(binding) for binding in operation.bindings],
        "files": [plain_file(file) for file in operation.files],
    }


def plain_binding(binding: BindingView) -> dict[str, Any]:
    """One entry of an operation's binding history."""
    return {
        "event_id": binding.event_id,
        "owner": binding.owner,
        "cause": binding.cause,
        "author": binding.author,
        "valid_from": binding.valid_from,
        "valid_to": binding.valid_to,
        "since": plain_time(binding.since),
        "until": plain_time(binding.until),
    }


def plain_file(file: FileView) -> dict[str, Any]:
    """One file; `path` where linkage keeps it."""
    return {
        "file_id": file.file_id,
        "platform": file.platform,
        "name": file.name,
        "path": None if file.path is None else str(file.path),
        "url": file.url,
        "format": file.format,
        "size": file.size_bytes,
        "sha256": file.sha256,
        "duration_s": file.duration_s,
        "created_at": plain_time(file.created_at),
    }


def plain_entry(entry: EntryView) -> dict[str, Any]:
    """One entry of the journal; `fields` are the message's elements by their names on the wire."""
    return {
        "seq": entry.seq,
        "at": plain_time(entry.at),
        "recorded_at": plain_time(entry.recorded_at),
        "occurred_at": plain_time(entry.occurred_at),
        "kind": entry.kind,
        "type": entry.type,
        "name": entry.name,
        "name_zh": entry.chinese,
        "source": entry.source,
        "target": entry.target,
        "request_id": entry.request_id,
        "owner": entry.owner,
        "event_id": entry.event_id,
        "op_id": None if entry.op_id is None else str(entry.op_id),
        "call_id": entry.call_id,
        "conference_id": entry.conference_id,
        "command_seq": entry.command_seq,
        "trace": entry.trace,
        "result": entry.result,
        "detail": entry.detail,
        "reconstructed": entry.reconstructed,
        "fields": None if entry.message is None else to_plain(entry.message),
        "body": entry.body,
    }


def plain_peer(peer: PeerView) -> dict[str, Any]:
    """One peer's queue."""
    return {
        "id": peer.peer_id,
        "role": peer.role,
        "next_seq": peer.next_seq,
        "open_deliveries": peer.open_deliveries,
        "last_seen": plain_time(peer.last_seen),
    }


def plain_time(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC with milliseconds."""
    return None if moment is None else format_time(moment)


def _reason(code: int | None, language: int) -> str | None:
    texts = REASON_TEXT.get(code) if code is not None else None
    return None if texts is None else texts[language]
