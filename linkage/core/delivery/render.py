"""A journal row as a receiver sees it.

EventId and OpId filled in, ids of commands translated, mirrored for screens.

The same rendering serves the first push and every repetition, so that a repeated request has the
same body and the receiver can tell it for a duplicate.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from linkage.core.scope import Now
from linkage.store.rows import DeliveryRow, JournalRow, from_us
from protocol import messages as m
from protocol.codec import decode
from protocol.envelope import Request
from protocol.errors import InvalidMessageError
from protocol.fields import CONTROL, NULL_TOKENS
from protocol.kinds import COMMANDS
from protocol.message import Message, amended, filled
from protocol.messages import convert, refusal

DETAIL_MAX: Final = 1000

OPERATION_KIND: Final = {
    "call": m.OperationKind.CALL,
    "leg": m.OperationKind.CALL,
    "transfer": m.OperationKind.CALL,
    "member": m.OperationKind.CONFERENCE,
    "conference": m.OperationKind.CONFERENCE,
    "recording": m.OperationKind.FILE,
    "file": m.OperationKind.FILE,
    "sms": m.OperationKind.SMS,
    "mms": m.OperationKind.SMS,
    "fax": m.OperationKind.FAX,
    "mail": m.OperationKind.MAIL,
    "video": m.OperationKind.VIDEO,
    "location": m.OperationKind.GIS,
    "broadcast": m.OperationKind.CALL,
}
"""Kind of an operation → Kind of the protocol."""


def stored_message(row: JournalRow) -> Message:
    """The message of a journal row that holds a request."""
    item = decode(row.body)
    assert isinstance(item, Request)
    return item.message


def render(
    row: JournalRow,
    message: Message,
    delivery: DeliveryRow,
    command: JournalRow | None,
    now: Now,
    trace: str | None,
) -> Request:
    """The request that goes out for a delivery.

    Args:
        row: the journalled message, with what correlation found.
        message: the row's message, decoded.
        delivery: the place in the receiver's queue.
        command: the journalled command that this notice is the outcome of, or that this command
            names (216, 221, 222 …).
        now: for what is left of a command's time.
        trace: as the receiver is told of it.
    """
    fills = _fills(row, message)
    shown = filled(message, fills) if fills else message
    if command is not None or message.request_id is not None:
        own = command is not None and command.source == delivery.receiver
        reference = _reference(message, command, own=own)
        # A notice may name nothing but the command it answers: to everybody else that leads
        # nowhere, but without it the message could not be read at all.
        with suppress(InvalidMessageError):
            shown = amended(shown, request_id=reference)
    if delivery.type != message.number:
        shown = convert(shown, delivery.type) or shown
    happened_us = row.recorded_at if row.occurred_at is None else row.occurred_at
    expire_s = None
    if delivery.expires_at is not None:
        # What is left, from now on by our clock: the sender's may be off by minutes.
        expire_s = max(0, (delivery.expires_at - now.steady_us + 999_999) // 1_000_000)
        happened_us = now.utc_us
    return Request(
        id=str(row.seq),
        message=shown,
        seq=delivery.seq,
        time=now.utc if happened_us == now.utc_us else from_us(happened_us),
        expire_s=expire_s,
        resend=delivery.attempts > 0,
        repeat=row.detail is not None and row.may_repeat and message.number not in COMMANDS,
        trace=trace,
    )


def _fills(row: JournalRow, message: Message) -> dict[str, Any]:
    """The elements that correlation knows better than the sender, or that it left out."""
    fills: dict[str, Any] = {}
    if row.event_id is not None and row.event_id != message.event_id:
        fills["event_id"] = row.event_id
    if message.result is None:  # a refusal names what it names, lest it is taken for news
        if message.call_id is None and row.call_id is not None:
            fills["call_id"] = row.call_id
        if message.conference_id is None and row.conference_id is not None:
            fills["conference_id"] = row.conference_id
    if message.number not in COMMANDS and row.op_id is not None:
        fills["op_id"] = str(row.op_id)
    return fills


def _reference(message: Message, command: JournalRow | None, *, own: bool) -> str | None:
    """The RequestId as its reader knows it.

    A notice gives its command's sender the Id that the sender gave; a command that names an
    earlier one gives the platform the Id under which linkage sent that.
    """
    if command is None:
        return None
    if message.number in COMMANDS:
        return str(command.seq)
    return command.request_id if own else None


def outcome_of(command: Message, request_id: str, result: int, detail: str) -> Message:
    """The 1NN notice by which the sender of a 2NN learns that it failed.

    See docs/decisions/0002-outcome-in-notices.md: it must not read as if the thing had happened.
    """
    return refusal(command, request_id=request_id, result=result, detail=one_line(detail))


def one_line(text: str) -> str | None:
    """A detail that may quote a peer, as the element `Detail` can carry it."""
    line = CONTROL.sub(" ", text).strip()[:DETAIL_MAX].strip()
    return None if line in NULL_TOKENS else line
