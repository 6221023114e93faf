"""One accepted message, applied to the projections.

The only place where events and bindings change.

Deterministic: the same entries in the same order give the same rows, whoever plays them (the core
or a rebuild).
"""

from __future__ import annotations

from typing import Final

from linkage.correlation import causes
from linkage.correlation.binding import (
    bind,
    bind_by_hand,
    bind_named,
    create_event,
    derive,
    named_event,
)
from linkage.correlation.business_events import (
    close_event,
    event_of,
    open_event,
    update_event,
)
from linkage.correlation.command_target import targets
from linkage.correlation.event_links import link_event
from linkage.correlation.journal_entry import Applied, Entry
from linkage.correlation.rules import RULES, close_lost, locate
from linkage.ports.records import RecordsPort
from linkage.store.rows import Operation
from protocol import messages as m
from protocol.kinds import NOTICES

BEGINS_COMMUNICATION: Final = frozenset(
    {203, 210, 217, 218, 220, 223, 224, 230, 240, 250, 258, 259, 260}
)
"""Commands that may be the first that linkage hears of an event: naming it opens it
(docs/decisions)."""


def apply(records: RecordsPort, entry: Entry) -> Applied:
    """Change the projections by one accepted message."""
    message = entry.message
    if entry.lost is not None:
        return _apply_lost(records, entry.lost, entry)
    if message.number in NOTICES:
        return _apply_notice(records, entry)
    match message:
        case m.CreateEvent():
            applied = create_event(records, entry, message)
        case m.UpdateEvent():
            applied = update_event(records, entry, message)
        case m.CloseEvent():
            applied = close_event(records, entry, message)
        case m.BindEvent():
            applied = bind_by_hand(records, entry, message)
        case m.LinkEvent():
            applied = link_event(records, entry, message)
        case _:
            applied = _apply_command(records, entry)
    return applied


def _apply_notice(records: RecordsPort, entry: Entry) -> Applied:
    if isinstance(entry.message, m.PlatformLeave):
        return Applied()  # of the session, whatever else it names
    operation, is_new = locate(records, entry)
    named = None
    if entry.message.event_id is not None:
        named = named_event(records, entry.message.event_id, entry, operation)
    if operation is None:
        return Applied(None, named or event_of(records, entry.command_event))
    applied = Applied(operation, is_new=is_new)
    records.change_operation(operation)
    if named is not None:
        bind_named(records, entry, operation, named, applied, is_new=is_new)
    elif operation.event_pk is None:
        _bind_by_rules(records, entry, operation, applied)
    if operation.event_pk is not None:
        applied.event = event_of(records, operation.event_pk)
        derive(records, entry, operation, applied)
    return applied


def _bind_by_rules(
    records: RecordsPort, entry: Entry, operation: Operation, applied: Applied
) -> None:
    """The first rule that finds an event binds; where it finds several, they are candidates."""
    if operation.cause == causes.MANUAL:
        return  # a person said that it belongs to none
    for rule in RULES:
        if rule.kinds and operation.kind not in rule.kinds:
            continue
        found = rule.find(records, entry, operation)
        if len(found) == 1:
            is_new = applied.is_new
            bind(records, entry, operation, found[0], rule.cause, applied, is_new=is_new)
        else:
            applied.candidates = found
        if found:
            return


def _apply_lost(records: RecordsPort, op_id: int, entry: Entry) -> Applied:
    operation = records.operation(op_id)
    assert operation is not None, "what is closed was open"
    close_lost(records, entry, operation)
    return Applied(operation, event_of(records, operation.event_pk))


def _apply_command(records: RecordsPort, entry: Entry) -> Applied:
    """Any other command: it names an event, or a call that has one."""
    message = entry.message
    owner = entry.owner or entry.source
    event = None
    if message.event_id is not None:
        event = records.find_event(owner, message.event_id)
        if event is None and message.number in BEGINS_COMMUNICATION:
            event = open_event(records, entry, owner, message.event_id)
    found = targets(records, owner, message)
    operation = found[0] if found else None
    if event is None and operation is not None:
        event = event_of(records, operation.event_pk)
    return Applied(operation, event)
