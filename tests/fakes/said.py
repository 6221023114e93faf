"""Messages that many tests say."""

from __future__ import annotations

from protocol import messages as m
from protocol.message import Message


def incoming(call_id: str = "C1", **fields: object) -> Message:
    values: dict[str, object] = {
        "call_id": call_id,
        "direction": m.CallDirection.IN,
        "login_id": "23",
        "phone_num": "139123444444",
        "to_num": "2222",
        **fields,
    }
    return m.IncomingCallNotice(**values)  # type: ignore[arg-type]  # one dict for all fields


def hangup(call_id: str = "C1", **fields: object) -> Message:
    return m.HangupNotice(call_id=call_id, reason=100, **fields)  # type: ignore[arg-type]  # the same


def create(event_id: str = "E1", call_id: str | None = "C1", **fields: object) -> Message:
    return m.CreateEvent(event_id=event_id, call_id=call_id, **fields)  # type: ignore[arg-type]  # the same


def transfer(call_id: str = "C1", **fields: object) -> Message:
    return m.Transfer(
        call_id=call_id,
        to_login_id="13",
        mode=m.TransferMode.BLIND,
        **fields,  # type: ignore[arg-type]  # the same
    )


def call_out(event_id: str | None = "E1", number: str = "13912344444") -> Message:
    person = m.Staff(staff_name="领导", phone_nums=(m.Phone(number=number),))
    group = m.Group(call_mode=m.CallMode.ALL, staff=(person,))
    return m.CallOut(event_id=event_id, login_id="13", groups=(group,))
