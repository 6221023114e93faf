"""What a received SMS, MMS, fax or mail answers: by what it names, else by the number it is from.

| what it says | what it answers |
|---|---|
| InReplyTo of 120: a SmsId | the SMS that was sent under that id |
| InReplyTo of 140: Message-IDs | the mail with one of them, sent or received |
| a Message-ID in it with `+EventId` before its `@` | the event itself |
| nothing of these | what went to the sender's number, in the same way and by the same platform |
| and | calls from and to that number that have an event, at whatever platform |

It holds for 24 hours around when the answered one began, and only of events that are open: clocks
differ, but what came in days before, and was held back, answers nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from linkage.correlation.business_events import final_event
from linkage.correlation.journal_entry import Entry
from linkage.correlation.operations import text_of
from linkage.correlation.reused_ids import SUBSCRIBER_DIGITS, digits_of, is_same_party
from linkage.ports.records import RecordsPort
from linkage.store.rows import MICROSECONDS, Event, Operation, OperationKey
from protocol import messages as m

WITHIN_US: Final = 24 * 3600 * MICROSECONDS
"""How far from a message something that comes in may be its answer (protocol.md#bindings)."""
CLOSED: Final = "closed"

# Kinds of the keys by which messages are found (`operation_key`).
MESSAGE_ID: Final = "message-id"
"""The Message-ID of a mail, without its angle brackets."""
NUMBER: Final = "number"
"""The last digits of the number that a message was sent to."""
COMMAND: Final = "command"
"""The journal seq of the command that a message came of."""
COMMANDED: Final = "commanded"
"""The OpId of a message that came of a command."""

PARTY: Final = "party"
"""The last digits of the number of who called, or was called, for an event."""

WITH_A_PARTY: Final = frozenset({"call", "member"})
"""Kinds of what is spoken with somebody outside; legs are of dispatchers."""
BY_NUMBER: Final = frozenset({"sms", "mms", "fax"})
"""Kinds whose answers come from the number that was written to."""
_ID: Final = re.compile(r"<([^<>\s]{1,400})>")
_IDS_MAX: Final = 20
"""Message-IDs of one thread that are looked up; a thread names the answered one first or last."""


def keep_thread(records: RecordsPort, entry: Entry, operation: Operation) -> None:
    """Note by which names an answer to this message will find it."""
    message_ids = ids_in(text_of(entry.message, "message_id"))
    for message_id in message_ids[:1]:
        _keep(records, operation, MESSAGE_ID, message_id)
    if operation.kind in BY_NUMBER and operation.direction == "out" and operation.to_num:
        _keep(records, operation, NUMBER, tail_of(operation.to_num))


def keep_party(records: RecordsPort, operation: Operation) -> None:
    """Note of a call, or a member of a conference, that has an event, whose messages follow it."""
    number = party_of(operation)
    if number is not None:
        _keep(records, operation, PARTY, tail_of(number))


def party_of(operation: Operation) -> str | None:
    """The number of who called from outside, or was called there; None: there is none."""
    if operation.kind not in WITH_A_PARTY:
        return None
    calls_in = operation.kind == "call" and operation.direction == "in"
    number = operation.from_num if calls_in else operation.to_num
    is_outside = number is not None and len(digits_of(number)) >= SUBSCRIBER_DIGITS
    return number if is_outside else None


def _keep(records: RecordsPort, operation: Operation, kind: str, key: str) -> None:
    row = OperationKey(platform=operation.platform, kind=kind, key=key, op_id=operation.op_id)
    records.add_key(row)


def ids_in(header: str | None) -> list[str]:
    """The Message-IDs in a header, in its order; a single one may lack its angle brackets."""
    if header is None:
        return []
    return _ID.findall(header)[:_IDS_MAX] or [header.strip("<> ")]


def tail_of(number: str) -> str:
    """The digits that a number has with every prefix, by which it is looked up."""
    return digits_of(number)[-SUBSCRIBER_DIGITS:]


# --- what is answered ----------------------------------------------------------------------------
def of_named(records: RecordsPort, entry: Entry, _: Operation) -> Sequence[Event]:
    """The open events of what a received message says that it answers."""
    answered = [each for each in _named(records, entry) if _is_recent(entry, each)]
    if any(each.event_pk is not None for each in answered):
        # Where it is now: a person may have moved it since its Message-ID was made.
        return _open_events(records, entry, answered, ())
    return _open_events(records, entry, (), _tagged(records, entry))


def of_number(records: RecordsPort, entry: Entry, _: Operation) -> Sequence[Event]:
    """The open events for which the number that a message came from was written or spoken to.

    Whose number it came to is known: only the events of that application.
    """
    if _threads(entry) and _named(records, entry):
        return ()  # it says what it answers, and that one has no event that fits
    answered = [*_sent_to_sender(records, entry), *_calls_with(records, entry)]
    found = _open_events(records, entry, answered, ())
    return [event for event in found if entry.owner in {None, event.owner}]


def owner_of(records: RecordsPort, entry: Entry) -> str | None:
    """The only application that has what a received message answers, whatever its events."""
    owners = owners_of(records, entry)
    return owners[0] if len(owners) == 1 else None


def owners_of(records: RecordsPort, entry: Entry) -> list[str]:
    """The applications that have what a received message answers."""
    answered = _named(records, entry) or [
        *_sent_to_sender(records, entry),
        *_calls_with(records, entry),
    ]
    found = (each.owner for each in answered if _is_recent(entry, each))
    owners = [*found, *(event.owner for event in _tagged(records, entry))]
    return list(dict.fromkeys(owner for owner in owners if owner is not None))


def _threads(entry: Entry) -> list[str]:
    """What a message names as answered: a SmsId, or Message-IDs."""
    named = text_of(entry.message, "in_reply_to")
    if named is None:
        return []
    return ids_in(named) if isinstance(entry.message, m.MailReceivedNotice) else [named]


def _named(records: RecordsPort, entry: Entry) -> list[Operation]:
    found: list[Operation] = []
    for thread in _threads(entry):
        if isinstance(entry.message, m.MailReceivedNotice):
            found += records.find_by_key(entry.source, MESSAGE_ID, thread)
            continue
        sent = records.find_operation(entry.source, f"sms:{thread}")
        if sent is not None:
            found.append(_receivers_part(records, sent, entry))
    return found


def _receivers_part(records: RecordsPort, sent: Operation, entry: Entry) -> Operation:
    """Of a message to several the operation of the one who answers."""
    sender = text_of(entry.message, "phone_num") or text_of(entry.message, "sender")
    parts = records.tree(sent.root)
    if sender is None or len(parts) == 1:
        return sent
    fits = (each for each in parts if each.to_num and is_same_party(each.to_num, sender))
    return next(fits, sent)


def _sent_to_sender(records: RecordsPort, entry: Entry) -> list[Operation]:
    message = entry.message
    sender = text_of(message, "phone_num") or text_of(message, "sender")
    kind = KIND_BY_NUMBER.get(message.number)
    if sender is None or kind is None:
        return []
    return sent_to(records, entry.source, kind, sender)


def sent_to(records: RecordsPort, platform: str, kind: str, number: str) -> list[Operation]:
    """What a platform sent to a number, with whatever prefix, the latest first."""
    return [
        each
        for each in records.find_by_key(platform, NUMBER, tail_of(number))
        if each.kind == kind and each.to_num and is_same_party(each.to_num, number)
    ]


def _calls_with(records: RecordsPort, entry: Entry) -> list[Operation]:
    """The calls with an event that the sender of a message made or was in."""
    sender = text_of(entry.message, "phone_num") or text_of(entry.message, "sender")
    if sender is None or entry.message.number not in KIND_BY_NUMBER:
        return []
    return [
        each
        for each in records.find_by_key_anywhere(PARTY, tail_of(sender))
        if any(number and is_same_party(number, sender) for number in (each.from_num, each.to_num))
    ]


KIND_BY_NUMBER: Final = {120: "sms", 123: "mms", 130: "fax"}
"""What a notice may answer by the number that it comes from."""


def _tagged(records: RecordsPort, entry: Entry) -> list[Event]:
    """The events whose EventId the Message-IDs that a mail answers carry.

    Of several applications' that of the one whose address it came to, where that is known.
    """
    found: list[Event] = []
    for thread in _threads(entry):
        local, at, _ = thread.partition("@")
        _, plus, event_id = local.rpartition("+")
        found += records.find_events(event_id) if plus and at else []
    return [event for event in found if event.owner == entry.owner] or found


def _is_recent(entry: Entry, operation: Operation) -> bool:
    return abs(entry.at - operation.started_at) <= WITHIN_US


def _open_events(
    records: RecordsPort, entry: Entry, answered: Iterable[Operation], tagged: Iterable[Event]
) -> list[Event]:
    events = [
        event
        for each in answered
        if _is_recent(entry, each) and each.event_pk is not None
        for event in [records.event(each.event_pk)]
        if event is not None
    ]
    found: dict[int, Event] = {}
    for event in (*events, *tagged):
        final = final_event(records, event)
        if final.status == CLOSED:
            continue
        # To the very event whose message is answered, so that it goes with it where a merge is
        # undone; where several that are merged have one, to that which stands for them.
        known = found.setdefault(final.event_pk, event)
        if known is not event:
            found[final.event_pk] = final
    finals = [final_event(records, event) for event in found.values()]
    return list(found.values()) if len(finals) == 1 else finals
