"""283: events are merged, linked and split, and that is undone.

Merging redirects. What belongs to an event stays bound to it, and so does what comes of that
later: its readers hear of the event that stands for both. Un-merging ends the redirection and
changes nothing else, so that each of the two has its own again (docs/decisions/0139).
"""

from __future__ import annotations

from typing import Final

from linkage.correlation import causes
from linkage.correlation.binding import bind, followers
from linkage.correlation.business_events import open_event
from linkage.correlation.journal_entry import Applied, Entry
from linkage.ports.records import RecordsPort
from linkage.store.rows import Event, Operation
from protocol import messages as m

MERGE: Final = "merge"
PARENT: Final = "parent"
RELATED: Final = "related"
SPLIT: Final = "split"
TIES: Final = (PARENT, RELATED)
"""What 283 Action 6 undoes; a split is undone by moving back what was taken out."""


def link_event(records: RecordsPort, entry: Entry, message: m.LinkEvent) -> Applied:
    """Merge, link or split two events of an application, or undo that."""
    owner = entry.owner or entry.source
    event = records.find_event(owner, message.event_id)
    other = records.find_event(owner, message.other_event_id)
    if event is None:
        return Applied()
    if message.action is m.LinkAction.SPLIT:
        other = other or open_event(records, entry, owner, message.other_event_id)
        return _split(records, entry, message, event, other)
    if other is not None:
        _tie(records, entry, message.action, event, other)
    return Applied(None, event)


def _tie(
    records: RecordsPort, entry: Entry, action: m.LinkAction, event: Event, other: Event
) -> None:
    def link(one: Event, another: Event, kind: str) -> None:
        records.bindings.link(one.event_pk, another.event_pk, kind, event.owner, entry.seq)

    def unlink(one: Event, another: Event, *kinds: str) -> None:
        records.bindings.unlink(one.event_pk, another.event_pk, kinds, entry.seq)

    match action:
        case m.LinkAction.MERGE:
            event.merged_into = other.event_pk
            link(event, other, MERGE)
        case m.LinkAction.UNMERGE:
            event.merged_into = None
            unlink(event, other, MERGE)
        case m.LinkAction.LINK_PARENT:
            link(event, other, PARENT)
        case m.LinkAction.LINK_CHILD:
            link(other, event, PARENT)
        case m.LinkAction.LINK:
            link(event, other, RELATED)
        case _:
            unlink(event, other, *TIES)
            unlink(other, event, *TIES)
    records.change_event(event)


def is_linked(records: RecordsPort, action: m.LinkAction, event: Event, other: Event) -> bool:
    """Whether two events are tied already as an action would tie them.

    Of one that unties (6): whether there is a tie to undo.
    """
    linked = records.bindings.linked
    one, another = event.event_pk, other.event_pk
    match action:
        case m.LinkAction.LINK_PARENT:
            return linked(one, another, (PARENT,))
        case m.LinkAction.LINK_CHILD:
            return linked(another, one, (PARENT,))
        case m.LinkAction.LINK:
            return linked(one, another, (RELATED,)) or linked(another, one, (RELATED,))
        case _:
            return linked(one, another, TIES) or linked(another, one, TIES)


def _split(
    records: RecordsPort, entry: Entry, message: m.LinkEvent, event: Event, other: Event
) -> Applied:
    """Take operations out of an event into another, each with what follows it (`manual`)."""
    records.bindings.link(other.event_pk, event.event_pk, SPLIT, event.owner, entry.seq)
    applied = Applied(None, event)
    named = split_operations(records, message)
    by_hand = {operation.op_id for operation in named}
    for operation in named:
        following = [each for each in followers(records, operation) if each.op_id not in by_hand]
        bind(records, entry, operation, other, causes.MANUAL, applied, is_new=False)
        for each in following:
            bind(records, entry, each, other, causes.DERIVED, applied, is_new=False)
    return applied


def split_operations(records: RecordsPort, message: m.LinkEvent) -> list[Operation]:
    """The operations that a split names, as far as they are known, each once."""
    op_ids = dict.fromkeys(int(each) for each in message.op_ids if each.isdecimal())
    found = (records.operation(op_id) for op_id in op_ids)
    return [operation for operation in found if operation is not None]
