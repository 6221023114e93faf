"""How an operation is bound to an event, by what cause, and what follows it.

The only place where bindings change.
"""

from __future__ import annotations

from collections.abc import Sequence

from linkage.correlation import causes
from linkage.correlation.business_events import describe, event_of, final_event, open_event
from linkage.correlation.command_target import bind_target, targets
from linkage.correlation.journal_entry import Applied, Bound, Entry
from linkage.correlation.replies import keep_party
from linkage.ports.records import RecordsPort
from linkage.store.rows import Event, Operation
from protocol import messages as m


def bind_named(
    records: RecordsPort,
    entry: Entry,
    operation: Operation,
    named: Event,
    applied: Applied,
    *,
    is_new: bool,
) -> None:
    """Bind an operation to the event that a notice names (cause `explicit`)."""
    # A person's correction outranks the stamp that a platform goes on sending.
    if operation.cause == causes.MANUAL and operation.event_pk != named.event_pk:
        return
    if operation.event_pk != named.event_pk or operation.cause != causes.EXPLICIT:
        bind(records, entry, operation, named, causes.EXPLICIT, applied, is_new=is_new)


def of_parent(records: RecordsPort, _: Entry, operation: Operation) -> Sequence[Event]:
    """The event of what an operation stands under."""
    parent = None if operation.parent is None else records.operation(operation.parent)
    event = None if parent is None else event_of(records, parent.event_pk)
    return () if event is None else (event,)


def of_command(records: RecordsPort, entry: Entry, _: Operation) -> Sequence[Event]:
    """The event of the command that a notice is the outcome of."""
    event = event_of(records, entry.command_event)
    return () if event is None else (event,)


def named_event(
    records: RecordsPort, event_id: str, entry: Entry, operation: Operation | None
) -> Event | None:
    """The event that a notice names.

    The owner's, or the only application's that has one by this EventId.
    """
    owner = entry.owner
    if operation is not None:
        owner = operation.owner or owner
    if owner is not None:
        return records.find_event(owner, event_id) or open_event(records, entry, owner, event_id)
    found = records.find_events(event_id)
    return found[0] if len(found) == 1 else None


def derive(records: RecordsPort, entry: Entry, operation: Operation, applied: Applied) -> None:
    """The rest of the call follows: whatever of its tree has no event yet."""
    event = applied.event
    if event is None:
        return
    for other in records.tree(operation.root):
        if is_free(other):
            is_new = other.op_id in entry.made
            bind(records, entry, other, event, causes.DERIVED, applied, is_new=is_new)


def is_free(operation: Operation) -> bool:
    """Whether an operation may follow its call: it has no event, and nobody took it from one."""
    return operation.event_pk is None and operation.cause != causes.MANUAL


def followers(records: RecordsPort, operation: Operation) -> list[Operation]:
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


def create_event(records: RecordsPort, entry: Entry, message: m.CreateEvent) -> Applied:
    """201: open an event, and bind the call and the conference that it names (`created`)."""
    owner = entry.owner or entry.source
    event = records.find_event(owner, message.event_id)
    if event is None:
        event = open_event(records, entry, owner, message.event_id)
    describe(event, message)
    records.change_event(event)
    if message.parent_event_id is not None:
        parent = records.find_event(owner, message.parent_event_id)
        if parent is not None:
            records.bindings.link(event.event_pk, parent.event_pk, "parent", owner, entry.seq)
    applied = Applied(None, event)
    for target in targets(records, owner, message):
        applied.operation = applied.operation or target
        if target.event_pk != event.event_pk:
            bind(records, entry, target, event, causes.CREATED, applied, is_new=False)
        for other in records.tree(target.root):
            if is_free(other):
                bind(records, entry, other, event, causes.DERIVED, applied, is_new=False)
    return applied


def bind_by_hand(records: RecordsPort, entry: Entry, message: m.BindEvent) -> Applied:
    """281: bind, move or unbind an operation, with what follows it (`manual`)."""
    owner = entry.owner or entry.source
    event = records.find_event(owner, message.event_id)
    operation = bind_target(records, owner, message)
    applied = Applied(operation, event)
    if operation is None or event is None:
        return applied
    following = followers(records, operation)
    if message.action is m.BindAction.UNBIND:
        for bound in (operation, *following):
            of = event_of(records, bound.event_pk)
            if of is not None and final_event(records, of) is event:
                unbind(records, entry, bound)
        return applied
    bind(records, entry, operation, event, causes.MANUAL, applied, is_new=False)
    for other in following:
        bind(records, entry, other, event, causes.DERIVED, applied, is_new=False)
    return applied


def bind(
    records: RecordsPort,
    entry: Entry,
    operation: Operation,
    event: Event,
    cause: str,
    applied: Applied,
    *,
    is_new: bool,
) -> None:
    """Give an operation its event; what it was bound to before ends.

    `is_new`: its own notice will tell of it, no 101 is needed.
    """
    old = event_of(records, operation.event_pk)
    if old is not None:
        records.bindings.end(operation.op_id, entry.seq)
    records.bindings.add(operation.op_id, event.event_pk, cause, entry.source, entry.seq)
    moved = old is None or old.event_pk != event.event_pk
    operation.event_pk, operation.cause, operation.owner = event.event_pk, cause, event.owner
    records.change_operation(operation)
    keep_party(records, operation)
    if moved and not is_new:
        applied.bound.append(Bound(operation, event, old, cause))


def unbind(records: RecordsPort, entry: Entry, operation: Operation) -> None:
    """Take an operation from its event by hand; the cause stays, lest a notice undoes it."""
    records.bindings.end(operation.op_id, entry.seq)
    operation.event_pk, operation.cause = None, causes.MANUAL
    records.change_operation(operation)
