"""What is no call: SMS, MMS, fax and mail, video, broadcasts, and where somebody is.

A message that was sent is one operation for each receiver, so that what became of it at one of
them is told beside what became of it at the others. The first is `sms:<SmsId>`; the further ones
stand under it: `sms:<SmsId>/<receiver>`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from linkage.correlation import files, replies
from linkage.correlation.journal_entry import Entry
from linkage.correlation.operations import attached, end, fill, make, text_of
from linkage.correlation.reused_ids import content_of, digits_of, is_another_message, is_same_party
from linkage.ports.records import RecordsPort
from linkage.store.rows import MICROSECONDS, Operation, OperationKey
from protocol.message import Message

RECEIVED_DIRECTION: Final = "in"
SENT_DIRECTION: Final = "out"
REUSED_AFTER_US: Final = 24 * 3600 * MICROSECONDS
"""A first result so long after a message of the same id began is another message's."""
NUMBER_DIGITS: Final = 11
"""Digits by which a receiver's operation is named: a number with and without its country code."""
ACCEPTED: Final = "accepted"


@dataclass(frozen=True, slots=True)
class Names:
    """How a notice names its message.

    `kind` of the operation, the field with its id, and the field with the other side: who sent it,
    or one of those whom it went to.
    """

    kind: str
    id: str
    party: str | None = None

    def native(self, message: Message) -> str | None:
        """The native key of the operation; None: the notice has no id."""
        own_id = getattr(message, self.id)
        return None if own_id is None else f"{self.kind}:{own_id}"

    def party_of(self, message: Message) -> str | None:
        """The other side, as far as the notice says it."""
        return None if self.party is None else text_of(message, self.party)


RECEIVED: Final[Mapping[int, Names]] = {
    120: Names("sms", "sms_id", "phone_num"),
    123: Names("mms", "msg_id", "sender"),
    130: Names("fax", "fax_id", "phone_num"),
    140: Names("mail", "mail_id", "sender"),
}
"""Messages that came in."""
RESULT: Final[Mapping[int, Names]] = {
    121: Names("sms", "sms_id", "phone_num"),
    131: Names("fax", "fax_id", "phone_num"),
    141: Names("mail", "mail_id", "recipient"),
}
"""What became of sending a message to one receiver: the first that is heard of it."""
REPORT: Final[Mapping[int, Names]] = {
    122: Names("sms", "sms_id", "phone_num"),
    132: Names("fax", "fax_id"),
    142: Names("mail", "mail_id", "recipient"),
}
"""What is heard of a sent message later."""
SESSION: Final[Mapping[int, Names]] = {
    118: Names("broadcast", "broadcast_id"),
    150: Names("video", "video_id"),
}
SENT: Final = {**RESULT, **REPORT}
NAMED: Final = {**RECEIVED, **SENT, **SESSION}


def message_received(records: RecordsPort, entry: Entry) -> tuple[Operation | None, bool]:
    """120, 123, 130, 140: a message came in; without an id it is one of its own all the same."""
    message, names = entry.message, RECEIVED[entry.message.number]
    native = names.native(message)
    operation = None
    if native is not None:
        operation = _find(records, entry, native, RECEIVED_DIRECTION)
        if operation is not None and is_another_message(operation, entry):
            operation = None
    is_new = operation is None
    if operation is None:
        native = native or f"{names.kind}:@{entry.seq}"
        operation = make(records, entry, names.kind, native, None, call_id=message.call_id)
        operation.direction = RECEIVED_DIRECTION
        operation.owner = operation.owner or replies.owner_of(records, entry)
        replies.keep_thread(records, entry, operation)
    fill(
        operation,
        from_num=names.party_of(message),
        to_num=_addressee(message),
        content=content_of(message),
        login_id=message.login_id,
    )
    files.keep_attachments(records, entry, operation)
    return operation, is_new


def _addressee(message: Message) -> str | None:
    """Whom a received message is for: a number, or the first of its addresses."""
    addresses = addresses_of(message)
    return text_of(message, "to_num") or (addresses[0] if addresses else None)


def addresses_of(message: Message) -> tuple[str, ...]:
    """The addresses that a mail or an MMS went to: of To, then of Cc."""
    to = getattr(message, "to", None) or ()
    cc = getattr(message, "cc", None) or ()
    return ((to,) if isinstance(to, str) else to) + cc


def message_sent(records: RecordsPort, entry: Entry) -> tuple[Operation | None, bool]:
    """121, 122, 131, 132, 141, 142: what became of a message at one of its receivers."""
    message, names = entry.message, SENT[entry.message.number]
    native = names.native(message)
    if native is None and entry.command_seq is None:
        return None, False
    party = names.party_of(message) or text_of(message, "staff_id")
    first = _first_of(records, entry, native, party)
    if first is None:
        native = native or f"{names.kind}:@{entry.seq}"
        operation, is_new = make(records, entry, names.kind, native, None, call_id=None), True
        first = operation
    else:
        operation, is_new = _of_receiver(records, entry, first, party)
    operation.direction = SENT_DIRECTION
    fill(operation, to_num=operation.to_num or party, login_id=message.login_id)
    _keep_command(records, entry, first)
    replies.keep_thread(records, entry, operation)
    if party is not None or len(records.tree(first.root)) == 1:
        _tell_status(operation, message)
    return operation, is_new


def _find(records: RecordsPort, entry: Entry, native: str, direction: str) -> Operation | None:
    """The latest message of a platform with an id; those received and sent may share the ids."""
    found = records.find_operation(entry.source, native)
    if found is None or found.direction in {direction, None}:
        return found
    fits = (
        each
        for each in records.find_all(native)
        if each.platform == entry.source and each.direction == direction
    )
    return next(fits, None)


# --- one message, several receivers --------------------------------------------------------------
def _first_of(
    records: RecordsPort, entry: Entry, native: str | None, party: str | None
) -> Operation | None:
    """The operation of the first receiver of the message that a notice tells of."""
    if entry.command_seq is not None:
        same = records.find_by_key(entry.source, replies.COMMAND, str(entry.command_seq))
        if same:
            return same[0]
    found = None if native is None else _find(records, entry, native, SENT_DIRECTION)
    if found is None or _is_another_sending(records, entry, found, party):
        return None
    return found


def _is_another_sending(
    records: RecordsPort, entry: Entry, first: Operation, party: str | None
) -> bool:
    """Whether an id was given to another message: of another command, or after a day."""
    if entry.message.number not in RESULT:
        return False
    if entry.command_seq is not None:
        return bool(records.find_by_key(entry.source, replies.COMMANDED, str(first.op_id)))
    told_before = entry.given_again and first.outcome is not None and party is not None
    return told_before or entry.at - first.started_at > REUSED_AFTER_US


def _of_receiver(
    records: RecordsPort, entry: Entry, first: Operation, party: str | None
) -> tuple[Operation, bool]:
    if party is None or first.to_num is None or is_same_party(first.to_num, party):
        return first, False
    native = receiver_native(first.native, party)
    found = records.find_operation(entry.source, native)
    if found is not None and found.root == first.op_id:
        return found, False
    for sent in replies.sent_to(records, entry.source, first.kind, party):
        if sent.root == first.op_id:
            return sent, False  # its number came with another prefix before
    return make(records, entry, first.kind, native, first, call_id=first.call_id), True


def receiver_native(native: str, party: str) -> str:
    """The native key of a further receiver of a message."""
    who = party.lower() if "@" in party else digits_of(party)[-NUMBER_DIGITS:]
    return f"{native}/{who}"


def _keep_command(records: RecordsPort, entry: Entry, first: Operation) -> None:
    """So that the results of the command's other receivers find the same message."""
    if entry.command_seq is None:
        return
    for kind, key in (
        (replies.COMMAND, str(entry.command_seq)),
        (replies.COMMANDED, str(first.op_id)),
    ):
        row = OperationKey(platform=entry.source, kind=kind, key=key, op_id=first.op_id)
        records.add_key(row)


def _tell_status(operation: Operation, message: Message) -> None:
    status = getattr(message, "status", None) or getattr(message, "action", None)
    if status is None:
        return
    told = status.name.lower()
    # A receipt may overtake the answer of the centre that took the message.
    if told == ACCEPTED and operation.outcome is not None:
        return
    operation.state = operation.outcome = told
    operation.reason = getattr(message, "reason", None)


# --- the rest ------------------------------------------------------------------------------------
def session_change(records: RecordsPort, entry: Entry) -> tuple[Operation | None, bool]:
    """118, 150: a broadcast, or a video session."""
    message, names = entry.message, SESSION[entry.message.number]
    native = names.native(message)
    if native is None:
        return None, False
    operation = records.find_operation(entry.source, native)
    is_new = operation is None or entry.given_again
    if operation is None or is_new:
        operation = make(records, entry, names.kind, native, None, call_id=message.call_id)
    fill(operation, login_id=message.login_id)
    _tell_status(operation, message)
    return operation, is_new


def place_told(records: RecordsPort, entry: Entry) -> tuple[Operation | None, bool]:
    """160: where somebody is; part of the call it comes with, or an operation of its own."""
    parent = attached(records, entry)
    operation = make(
        records, entry, "location", f"place:{entry.seq}", parent, call_id=entry.message.call_id
    )
    fill(
        operation,
        from_num=text_of(entry.message, "phone_num") or text_of(entry.message, "object_id"),
    )
    end(operation, entry.at, "located", None)
    return operation, True
