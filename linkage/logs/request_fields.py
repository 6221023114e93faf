"""What lines of the log share."""

from __future__ import annotations

from typing import Any

from protocol.envelope import Request


def fields_of(request: Request) -> dict[str, Any]:
    """What a line of the log about a request names of it (`extra=`); what it lacks is left out."""
    message = request.message
    fields = {
        "id": request.id,
        "type": request.type,
        "event_id": message.event_id,
        "op_id": message.op_id,
        "call_id": message.call_id,
        "trace": request.trace,
    }
    return {name: value for name, value in fields.items() if value is not None}
