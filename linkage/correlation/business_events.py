"""Events: opened, described, closed, merged and linked (201, 282, 283, 284)."""

from __future__ import annotations

from linkage.correlation.journal_entry import Applied, Entry
from linkage.ports.records import RecordsPort
from linkage.store.rows import Event
from protocol import messages as m


def open_event(records: RecordsPort, entry: Entry, owner: str, event_id: str) -> Event:
    """A new event; its key is the place in the journal that opens it."""
    return records.add_event(
        Event(event_pk=entry.seq, owner=owner, event_id=event_id, opened_at=entry.at)
    )


def describe(event: Event, message: m.CreateEvent | m.UpdateEvent) -> None:
    """Write down what a message says of an event."""
    for name in ("event_type", "title", "level", "address", "lon", "lat"):
        value = getattr(message, name)
        if value is not None:
            setattr(event, name, value)


def event_of(records: RecordsPort, event_pk: int | None) -> Event | None:
    """The event of a key; None for none."""
    return None if event_pk is None else records.event(event_pk)


def final_event(records: RecordsPort, event: Event) -> Event:
    """Where an event's merges lead: itself, or the one that stands for it now."""
    while event.merged_into is not None:
        target = records.event(event.merged_into)
        assert target is not None, "events are merged into events"
        event = target
    return event


def update_event(records: RecordsPort, entry: Entry, message: m.UpdateEvent) -> Applied:
    """282: change what is known of an event."""
    event = records.find_event(entry.owner or entry.source, message.event_id)
    if event is not None:
        describe(event, message)
        if message.status is not None:
            event.status = message.status
        records.change_event(event)
    return Applied(None, event)


def close_event(records: RecordsPort, entry: Entry, message: m.CloseEvent) -> Applied:
    """284: close an event, or open it again."""
    event = records.find_event(entry.owner or entry.source, message.event_id)
    if event is not None:
        closes = message.action is m.CloseAction.CLOSE
        event.status = "closed" if closes else "open"
        event.closed_at = entry.at if closes else None
        event.summary = message.summary or event.summary
        records.change_event(event)
    return Applied(None, event)


def link_event(records: RecordsPort, entry: Entry, message: m.LinkEvent) -> Applied:
    """283: merge or link events, or undo that."""
    owner = entry.owner or entry.source
    event = records.find_event(owner, message.event_id)
    other = records.find_event(owner, message.other_event_id)
    if event is None or other is None:
        return Applied(None, event)
    match message.action:
        case m.LinkAction.MERGE:
            event.merged_into = other.event_pk
            records.bindings.link(event.event_pk, other.event_pk, "merge", owner, entry.seq)
        case m.LinkAction.UNMERGE:
            event.merged_into = None
            records.bindings.unlink(event.event_pk, other.event_pk, ("merge",), entry.seq)
        case m.LinkAction.LINK_PARENT:
            records.bindings.link(event.event_pk, other.event_pk, "parent", owner, entry.seq)
        case m.LinkAction.LINK_CHILD:
            records.bindings.link(other.event_pk, event.event_pk, "parent", owner, entry.seq)
        case m.LinkAction.LINK:
            records.bindings.link(event.event_pk, other.event_pk, "related", owner, entry.seq)
        case _:
            records.bindings.unlink(
                event.event_pk, other.event_pk, ("parent", "related"), entry.seq
            )
            records.bindings.unlink(
                other.event_pk, event.event_pk, ("parent", "related"), entry.seq
            )
    records.change_event(event)
    return Applied(None, event)
