"""Whether two events may be merged, linked or split (283): every refusal of it."""

from __future__ import annotations

from typing import Final

from linkage.core.rights.refusal import RefusedError
from linkage.correlation.business_events import final_event
from linkage.correlation.command_target import may_use
from linkage.correlation.event_links import is_linked, split_operations
from linkage.ports.records import RecordsPort
from linkage.store.rows import Event
from protocol import messages as m
from protocol.results import Result

NEW_LINKS: Final = frozenset(
    {m.LinkAction.LINK_PARENT, m.LinkAction.LINK_CHILD, m.LinkAction.LINK}
)


def check_link(
    records: RecordsPort, message: m.LinkEvent, owner: str, event: Event | None
) -> None:
    """Whether an application may tie, or untie, two of its events.

    Raises:
        RefusedError: 2, they are linked so already; 102, a split names no operations; 103, 203,
        300, 301, 306, 308, 312 as of protocol.md#results.
    """
    assert event is not None, "a LinkEvent names an event that exists"
    other = _other(records, message, owner)
    if message.other_event_id == event.event_id:
        raise RefusedError(Result.BAD_VALUE, "an event cannot be linked to itself")
    if message.action is m.LinkAction.SPLIT:
        _check_split(records, message, owner, event, other)
        return
    assert other is not None, "only a split may open the other event"
    if message.action is m.LinkAction.MERGE:
        _check_merge(event, other)
    elif message.action is m.LinkAction.UNMERGE:
        _check_unmerge(records, event, other)
    else:
        _check_tie(records, message.action, event, other)


def _other(records: RecordsPort, message: m.LinkEvent, owner: str) -> Event | None:
    other = records.find_event(owner, message.other_event_id)
    if other is None and message.action is not m.LinkAction.SPLIT:
        known = records.find_events(message.other_event_id)
        result = Result.OTHER_TENANT if known else Result.NO_EVENT
        raise RefusedError(result, f"OtherEventId {message.other_event_id} is not yours")
    return other


def _check_merge(event: Event, other: Event) -> None:
    if event.merged_into is not None or other.merged_into is not None:
        raise RefusedError(Result.WRONG_STATE, "one of them is merged already")


def _check_unmerge(records: RecordsPort, event: Event, other: Event) -> None:
    if event.merged_into == other.event_pk:
        return
    into = None if event.merged_into is None else records.event(event.merged_into)
    hint = "" if into is None else f": {event.event_id} is merged into {into.event_id}"
    raise RefusedError(Result.WRONG_STATE, f"they are not merged{hint}")


def _check_tie(records: RecordsPort, action: m.LinkAction, event: Event, other: Event) -> None:
    linked = is_linked(records, action, event, other)
    if action not in NEW_LINKS:
        if not linked:
            raise RefusedError(Result.WRONG_STATE, "they are not linked")
        return
    _stands_for_itself(records, event)
    _stands_for_itself(records, other)
    if linked:
        raise RefusedError(Result.DUPLICATE, "they are linked so already")


def _check_split(
    records: RecordsPort, message: m.LinkEvent, owner: str, event: Event, other: Event | None
) -> None:
    if not message.op_ids:
        raise RefusedError(Result.MISSING_FIELD, "OpId: name the operations that are taken out")
    _stands_for_itself(records, event)
    if other is not None:
        _stands_for_itself(records, other)
        if other.status == "closed":
            raise RefusedError(
                Result.EVENT_CLOSED, f"EventId {other.event_id} is closed; 284 reopens it"
            )
    found = {str(each.op_id): each for each in split_operations(records, message)}
    for op_id in message.op_ids:
        operation = found.get(op_id)
        if operation is None:
            raise RefusedError(Result.NO_CALL, f"OpId {op_id} is not known")
        if not may_use(owner, operation):
            raise RefusedError(Result.OTHER_TENANT, f"OpId {op_id} belongs to another application")
        at = None if operation.event_pk is None else records.event(operation.event_pk)
        if at is None or final_event(records, at) is not event:
            raise RefusedError(
                Result.WRONG_STATE, f"OpId {op_id} is not of EventId {event.event_id}"
            )


def _stands_for_itself(records: RecordsPort, event: Event) -> None:
    if event.merged_into is not None:
        raise RefusedError(Result.EVENT_MERGED, final_event(records, event).event_id)
