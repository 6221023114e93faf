"""Views of the store as plain values for `--json`: stable names, ISO 8601 times, OpIds as text.

A view is written field by field, under the names of its fields but for those of `NAMES`.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from linkage.store.read.views import EntryView, EventView, OperationView
from protocol.fields import format_time
from protocol.message import Message
from protocol.plain import to_plain
from protocol.reasons import REASON_TEXT

NAMES: Final = {
    "chinese": "name_zh",
    "from_num": "from",
    "message": "fields",
    "size_bytes": "size",
    "to_num": "to",
}
NUMBERS_AS_TEXT: Final = frozenset({"op_id", "parent", "root"})
"""As on the wire."""


def plain(view: Any) -> dict[str, Any]:
    """A view, with those that it holds."""
    made = {}
    for field in fields(view):
        value = getattr(view, field.name)
        if field.name in NUMBERS_AS_TEXT and value is not None:
            value = str(value)
        made[NAMES.get(field.name, field.name)] = _value(value)
    match view:
        case EntryView():
            made["at"] = plain_time(view.at)
        case OperationView():
            texts = REASON_TEXT.get(view.reason) if view.reason is not None else None
            made["reason_text"], made["reason_text_zh"] = texts or (None, None)
        case EventView(operations=None):
            del made["operations"]
    return made


def plain_time(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC with milliseconds."""
    return None if moment is None else format_time(moment)


def _value(value: Any) -> Any:
    match value:
        case datetime():
            return format_time(value)
        case Message():
            return to_plain(value)
        case Path():
            return str(value)
        case tuple():
            return [_value(each) for each in value]
        case _:
            return plain(value) if is_dataclass(value) else value
