"""What every notice does to operations: find, make, fill in, end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from linkage.correlation.journal_entry import Entry
from linkage.ports.records import RecordsPort
from linkage.store.rows import Operation, to_us
from protocol.message import Message


def attached(records: RecordsPort, entry: Entry) -> Operation | None:
    """Notices that only tell more about an operation that is known: hold, media, queue, data."""
    native = native_of(entry.message)
    return None if native is None else records.find_operation(entry.source, native)


def native_of(message: Message) -> str | None:
    """The native key of the call, else the conference, that a message names."""
    if message.call_id is not None:
        return f"call:{message.call_id}"
    return None if message.conference_id is None else f"conf:{message.conference_id}"


def make(
    records: RecordsPort,
    entry: Entry,
    kind: str,
    native: str,
    parent: Operation | None,
    *,
    call_id: str | None,
    conference_id: str | None = None,
    to_num: str | None = None,
) -> Operation:
    """A new operation, under its parent where it has one."""
    op_id = records.next_op_id()
    entry.made += (op_id,)
    return records.add_operation(
        Operation(
            op_id=op_id,
            kind=kind,
            platform=entry.source,
            native=native,
            parent=None if parent is None else parent.op_id,
            root=op_id if parent is None else parent.root,
            started_at=entry.at,
            owner=entry.owner if parent is None else parent.owner,
            reconstructed=entry.reconstructed,
            call_id=call_id,
            conference_id=conference_id,
            to_num=to_num,
        )
    )


def fill(operation: Operation, **values: str | None) -> None:
    """Set what the notice says; what it does not say stays."""
    for name, value in values.items():
        if value is not None:
            setattr(operation, name, value)


def end(operation: Operation, at: int, outcome: str, reason: int | None) -> None:
    """It is over, at a time in microseconds; a notice without a reason leaves the one there is."""
    operation.ended_at = at
    operation.state = "ended"
    operation.outcome = outcome
    if reason is not None:
        operation.reason = int(reason)


def open_transfers(records: RecordsPort, call: Operation) -> Iterator[Operation]:
    """The transfers of a call that are not over."""
    for child in records.tree(call.root):
        if child.parent == call.op_id and child.kind == "transfer" and child.ended_at is None:
            yield child


def text_of(message: Message, name: str) -> str | None:
    """A text that not every notice has."""
    value = getattr(message, name, None)
    return value if isinstance(value, str) else None


def with_descendants(records: RecordsPort, operation: Operation) -> list[Operation]:
    """An operation and all that descend from it, each after its parent."""
    tree = records.tree(operation.root)
    found = [operation]
    for above in found:  # it grows meanwhile
        found += [each for each in tree if each.parent == above.op_id]
    return found


def us_of(moment: datetime | None) -> int | None:
    """In microseconds, where the notice says it."""
    return None if moment is None else to_us(moment)
