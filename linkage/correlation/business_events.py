"""Events: opened, described, closed (201, 282, 284); 283 is `event_links`."""

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
