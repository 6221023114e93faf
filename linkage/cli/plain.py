"""Views of the store as plain values for `--json`: stable names, ISO 8601 times, OpIds as text."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from linkage.store.read.views import (
    EntryView,
    EventHistory,
    EventView,
    OperationView,
    PeerView,
)
from protocol.fields import format_time
from protocol.message import Message
from protocol.plain import to_plain
from protocol.reasons import REASON_TEXT

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def plain_history(history: EventHistory) -> dict[str, Any]:
    """`linkage event show --json`."""
    return {
        "event": plain_event(history.event),
        "merged": [plain_event(event) for event in history.merged],
        "links": [_plain(link) for link in history.links],
        "operations": [plain_operation(operation) for operation in history.operations],
        "entries": [plain_entry(entry) for entry in history.entries],
        "absent": list(history.absent),
    }


SHOWN_AS: Final = {
    "from_num": "from",
    "to_num": "to",
    "size_bytes": "size",
    "chinese": "name_zh",
    "message": "fields",
}
"""Names here that are not those of the views."""
OP_IDS: Final = frozenset({"op_id", "parent", "root"})
"""Texts, as on the wire."""


def _plain(view: DataclassInstance) -> dict[str, Any]:
    """Every field of a view, by its name."""
    return {
        SHOWN_AS.get(field.name, field.name): _value(field.name, getattr(view, field.name))
        for field in fields(view)
    }


def _value(name: str, value: Any) -> Any:
    if name in OP_IDS:
        return None if value is None else str(value)
    match value:
        case datetime():
            return plain_time(value)
        case Path():
            return str(value)
        case Message():
            return to_plain(value)
        case tuple():
            return [_plain(item) for item in value]
    return value


def plain_event(event: EventView) -> dict[str, Any]:
    """One event; `operations`, where they were counted."""
    plain = _plain(event)
    if event.operations is None:
        del plain["operations"]
    return plain


def plain_operation(operation: OperationView) -> dict[str, Any]:
    """One operation with its bindings and files."""
    texts = {
        "reason_text": _reason(operation.reason, 0),
        "reason_text_zh": _reason(operation.reason, 1),
    }
    return _plain(operation) | texts


def plain_entry(entry: EntryView) -> dict[str, Any]:
    """One entry of the journal; `fields` are the message's elements by their names on the wire."""
    return {"seq": entry.seq, "at": plain_time(entry.at)} | _plain(entry)


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
