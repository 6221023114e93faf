"""One accepted message, applied to the projections.

The only place where events and bindings change.

Deterministic: the same entries in the same order give the same rows, whoever plays them (the core
or a rebuild).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from linkage.correlation import entry as causes
from linkage.correlation.command_target import by_op_id, called, convened, fitting
from linkage.correlation.entry import Bound, Entry, Records
from linkage.correlation.rules import close_lost, locate
from linkage.store.rows import Event, Operation
from protocol import messages as m
from protocol.message import Message

NOTICES: Final = range(100, 200)
BEGINS_COMMUNICATION: Final = frozenset(
    {203, 210, 217, 218, 220, 223, 224, 230, 240, 250, 258, 259, 260}
)
"""Commands that may be the first that linkage hears of an event: naming it opens it
(docs/decisions)."""


@dataclass(slots=True)
class Applied:
    """What an entry concerned and changed.

    `bound` lists operations from before that now belong to another event.
    """

    operation: Operation | None = None
    event: Event | None = None
    bound: list[Bound] = field(default_factory=list)


def apply(records: Records, entry: Entry) -> Applied:
    """Change the projections by one accepted message."""
    message = entry.message
    if entry.lost is not None:
        return _apply_lost(records, entry.lost, entry)
    if message.number in NOTICES:
        return _apply_notice(records, entry)
    match message:
        case m.CreateEvent():
            applied = _apply_create(records, entry, message)
        case m.UpdateEvent():
            applied = _apply_update(records, entry, message)
        case m.CloseEvent():
            applied = _apply_close(records, entry, message)
        case m.BindEvent():
            applied = _apply_bind(records, entry, message)
        case m.LinkEvent():
            applied = _apply_link(records, entry, message)
        case _:
            applied = _apply_command(records, entry)
    return applied


# --- notices -------------------------------------------------------------------------------------
# ------------------
def _apply_notice(records: Records, entry: Entry) -> Applied:
    if isinstance(entry.message, m.PlatformLeave):
        return Applied()  # of the session, whatever else it names
    operation, is_new = locate(records, entry)
    named = None
    if entry.message.event_id is not None:
        named = _named_event(records, entry.message.event_id, entry, operation)
    if operation is None:
        return Applied(None, named or _event(records, entry.command_event))
    applied = Applied(operation)
    records.change_operation(operation)
    if named is not None:
        _bind_named(records, entry, operation, named, applied, is_new=is_new)
    elif operation.event_pk is None:
        _inherit(records, entry, operation, applied, is_new=is_new)
    if operation.event_pk is not None:
        applied.event = _event(records, operation.event_pk)
        _derive(records, entry, operation, applied)
    return applied


def _apply_lost(records: Records, op_id: int, entry: Entry) -> Applied:
    operation = records.operation(op_id)
    assert operation is not None, "what is closed was open"
    close_lost(records, entry, operation)
    return Applied(operation, _event(records, operation.event_pk))


def _named_event(
    records: Records, event_id: str, entry: Entry, operation: Operation | None
) -> Event | None:
    """The event that a notice names.

    The owner's, or the only application's that has one by this EventId.
    """
    owner = entry.owner
    if operation is not None:
        bound = _event(records, operation.event_pk)
        owner = bound.owner if bound is not None else operation.owner or owner
    if owner is not None:
        return records.find_event(owner, event_id) or _open(records, entry, owner, event_id)
    found = records.find_events(event_id)
    return found[0] if len(found) == 1 else None


def _bind_named(
    records: Records,
    entry: Entry,
    operation: Operation,
    named: Event,
    applied: Applied,
    *,
    is_new: bool,
) -> None:
    # A person's correction outranks the stamp that a platform goes on sending.
    if operation.cause == causes.MANUAL and operation.event_pk != named.event_pk:
        return
    if operation.event_pk != named.event_pk or operation.cause != causes.EXPLICIT:
        _bind(records, entry, operation, named, causes.EXPLICIT, applied, is_new=is_new)


def _inherit(
    records: Records, entry: Entry, operation: Operation, applied: Applied, *, is_new: bool
) -> None:
    if operation.cause == causes.MANUAL:
        return  # a person said that it belongs to none
    parent = None if operation.parent is None else records.operation(operation.parent)
    if parent is not None and parent.event_pk is not None:
        event, cause = _event(records, parent.event_pk), causes.DERIVED
    else:
        event, cause = _event(records, entry.command_event), causes.COMMAND
    if event is not None:
        _bind(records, entry, operation, event, cause, applied, is_new=is_new)


def _derive(records: Records, entry: Entry, operation: Operation, applied: Applied) -> None:
    """The rest of the call follows: whatever of its tree has no event yet."""
    event = applied.event
    if event is None:
        return
    for other in records.tree(operation.root):
        if _is_free(other):
            is_new = other.op_id in entry.made
            _bind(records, entry, other, event, causes.DERIVED, applied, is_new=is_new)


def _is_free(operation: Operation) -> bool:
    """Whether an operation may follow its call: it has no event, and nobody took it from one."""
    return operation.event_pk is None and operation.cause != causes.MANUAL


# --- commands ------------------------------------------------------------------------------------
# ------------------
def _apply_create(records: Records, entry: Entry, message: m.CreateEvent) -> Applied:
    owner = entry.owner or entry.source
    event = records.find_event(owner, message.event_id)
    if event is None:
        event = _open(records, entry, owner, message.event_id)
    _describe(event, message)
    records.change_event(event)
    if message.parent_event_id is not None:
        parent = records.find_event(owner, message.parent_event_id)
        if parent is not None:
            records.add_link(event.event_pk, parent.event_pk, "parent", owner, entry.seq)
    applied = Applied(None, event)
    for target in targets(records, owner, message):
        applied.operation = applied.operation or target
        if target.event_pk != event.event_pk:
            _bind(records, entry, target, event, causes.CREATED, applied, is_new=False)
        for other in records.tree(target.root):
            if _is_free(other):
                _bind(records, entry, other, event, causes.DERIVED, applied, is_new=False)
    return applied


def targets(records: Records, owner: str, message: Message) -> list[Operation]:
    """The call and the conference that an application's command means, of those it may use."""
    if message.call_id is None and message.conference_id is None:
        named = by_op_id(records, message)
        return [] if named is None or not may_use(records, owner, named) else [named]
    found: list[Operation] = []
    for candidates in (called(records, message), convened(records, message)):
        mine = [operation for operation in candidates if may_use(records, owner, operation)]
        fits = fitting(records, message, mine)
        found += fits if len(fits) == 1 else []
    return found


def may_use(records: Records, owner: str, operation: Operation) -> bool:
    """Whether an application may name an operation.

    Its event's owner, else the one it was routed to, else anyone.
    """
    event = _event(records, operation.event_pk)
    holder = event.owner if event is not None else operation.owner
    return holder is None or holder == owner


def _apply_update(records: Records, entry: Entry, message: m.UpdateEvent) -> Applied:
    event = records.find_event(entry.owner or entry.source, message.event_id)
    if event is not None:
        _describe(event, message)
        if message.status is not None:
            event.status = message.status
        records.change_event(event)
    return Applied(None, event)


def _apply_close(records: Records, entry: Entry, message: m.CloseEvent) -> Applied:
    event = records.find_event(entry.owner or entry.source, message.event_id)
    if event is not None:
        closes = message.action is m.CloseAction.CLOSE
        event.status = "closed" if closes else "open"
        event.closed_at = entry.at if closes else None
        event.summary = message.summary or event.summary
        records.change_event(event)
    return Applied(None, event)


def _apply_bind(records: Records, entry: Entry, message: m.BindEvent) -> Applied:
    owner = entry.owner or entry.source
    event = records.find_event(owner, message.event_id)
    operation = bind_target(records, owner, message)
    applied = Applied(operation, event)
    if operation is None or event is None:
        return applied
    followers = _followers(records, operation)
    if message.action is m.BindAction.UNBIND:
        for bound in (operation, *followers):
            if bound.event_pk == event.event_pk:
                _unbind(records, entry, bound)
        return applied
    _bind(records, entry, operation, event, causes.MANUAL, applied, is_new=False)
    for other in followers:
        _bind(records, entry, other, event, causes.DERIVED, applied, is_new=False)
    return applied


def _followers(records: Records, operation: Operation) -> list[Operation]:
    """What descends from an operation and follows it.

    What a message or a person bound on its own stays, with what follows that.
    """
    tree = records.tree(operation.root)
    found: list[Operation] = []
    above = [operation.op_id]
    while above:
        parent = above.pop()
        follow = [
            other
            for other in tree
            if other.parent == parent and (other.event_pk is None or other.cause == causes.DERIVED)
        ]
        found += follow
        above += [other.op_id for other in follow]
    return found


def bind_target(records: Records, owner: str, message: m.BindEvent) -> Operation | None:
    """The operation that a 281 names, by OpId or by CallId."""
    if message.op_id is not None:
        return by_op_id(records, message)
    found = targets(records, owner, message)
    return found[0] if found else None


def _apply_link(records: Records, entry: Entry, message: m.LinkEvent) -> Applied:
    owner = entry.owner or entry.source
    event = records.find_event(owner, message.event_id)
    other = records.find_event(owner, message.other_event_id)
    if event is None or other is None:
        return Applied(None, event)
    match message.action:
        case m.LinkAction.MERGE:
            event.merged_into = other.event_pk
            records.add_link(event.event_pk, other.event_pk, "merge", owner, entry.seq)
        case m.LinkAction.UNMERGE:
            event.merged_into = None
            records.end_link(event.event_pk, other.event_pk, ("merge",), entry.seq)
        case m.LinkAction.LINK_PARENT:
            records.add_link(event.event_pk, other.event_pk, "parent", owner, entry.seq)
        case m.LinkAction.LINK_CHILD:
            records.add_link(other.event_pk, event.event_pk, "parent", owner, entry.seq)
        case m.LinkAction.LINK:
            records.add_link(event.event_pk, other.event_pk, "related", owner, entry.seq)
        case _:
            records.end_link(event.event_pk, other.event_pk, ("parent", "related"), entry.seq)
            records.end_link(other.event_pk, event.event_pk, ("parent", "related"), entry.seq)
    records.change_event(event)
    return Applied(None, event)


def _apply_command(records: Records, entry: Entry) -> Applied:
    """Any other command: it names an event, or a call that has one."""
    message = entry.message
    owner = entry.owner or entry.source
    event = None
    if message.event_id is not None:
        event = records.find_event(owner, message.event_id)
        if event is None and message.number in BEGINS_COMMUNICATION:
            event = _open(records, entry, owner, message.event_id)
    found = targets(records, owner, message)
    operation = found[0] if found else None
    if event is None and operation is not None:
        event = _event(records, operation.event_pk)
    return Applied(operation, event)


# --- the elements of it
# --------------------------------------------------------------------------------------------
def _open(records: Records, entry: Entry, owner: str, event_id: str) -> Event:
    return records.add_event(
        Event(event_pk=entry.seq, owner=owner, event_id=event_id, opened_at=entry.at)
    )


def _describe(event: Event, message: m.CreateEvent | m.UpdateEvent) -> None:
    for name in ("event_type", "title", "level", "address", "lon", "lat"):
        value = getattr(message, name)
        if value is not None:
            setattr(event, name, value)


def final_event(records: Records, event: Event) -> Event:
    """Where an event's merges lead: itself, or the one that stands for it now."""
    while event.merged_into is not None:
        target = records.event(event.merged_into)
        assert target is not None, "events are merged into events"
        event = target
    return event


def _event(records: Records, event_pk: int | None) -> Event | None:
    return None if event_pk is None else records.event(event_pk)


def _bind(
    records: Records,
    entry: Entry,
    operation: Operation,
    event: Event,
    cause: str,
    applied: Applied,
    *,
    is_new: bool,
) -> None:
    old = _event(records, operation.event_pk)
    if old is not None:
        records.end_binding(operation.op_id, entry.seq)
    records.add_binding(operation.op_id, event.event_pk, cause, entry.source, entry.seq)
    moved = old is None or old.event_pk != event.event_pk
    operation.event_pk, operation.cause, operation.owner = event.event_pk, cause, event.owner
    records.change_operation(operation)
    if moved and not is_new:
        applied.bound.append(Bound(operation, event, old, cause))


def _unbind(records: Records, entry: Entry, operation: Operation) -> None:
    """Take an operation from its event by hand; the cause stays, lest a notice undoes it."""
    records.end_binding(operation.op_id, entry.seq)
    operation.event_pk, operation.cause = None, causes.MANUAL
    records.change_operation(operation)
