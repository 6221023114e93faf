"""The rules of correlation as two tables: what a notice is about, and to which event that belongs.

Native keys, one namespace per platform: `call:<CallId>` (calls and legs), `conf:<ConferenceID>`,
`member:<ConferenceID>/<number>`, `transfer:<OpId of the call>/<journal seq>`, `rec:<RecordId>`,
`sms:<SmsId>`, `sms:<SmsId>/<further receiver>`, the same of `mms:`, `fax:` and `mail:`,
`video:<VideoId>`, `broadcast:<BroadcastId>`, `file:<FileId>` and `place:<seq>`. A platform may use
a CallId again once its call has ended: then a new operation begins; the same goes for the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from linkage.correlation import binding, calls, causes, conferences, files, replies, sms_fax_mail
from linkage.correlation.journal_entry import Entry
from linkage.correlation.operations import attached, end, open_transfers, text_of
from linkage.correlation.sms_fax_mail import Names
from linkage.ports.records import RecordsPort
from linkage.store.rows import Event, Operation
from protocol.message import Message
from protocol.results import is_accepted

Locate = Callable[[RecordsPort, Entry], tuple[Operation | None, bool]]
Find = Callable[[RecordsPort, Entry, Operation], Sequence[Event]]

LOCATE: Final[Mapping[int, Locate]] = {
    100: calls.incoming_call,
    102: calls.call_over,
    103: conferences.conference_change,
    104: conferences.member_change,
    105: calls.call_transfer,
    108: files.recording_change,
    110: conferences.call_out_result,
    115: calls.call_state,
    118: sms_fax_mail.session_change,
    120: sms_fax_mail.message_received,
    121: sms_fax_mail.message_sent,
    122: sms_fax_mail.message_sent,
    123: sms_fax_mail.message_received,
    130: sms_fax_mail.message_received,
    131: sms_fax_mail.message_sent,
    132: sms_fax_mail.message_sent,
    140: sms_fax_mail.message_received,
    141: sms_fax_mail.message_sent,
    142: sms_fax_mail.message_sent,
    150: sms_fax_mail.session_change,
    151: files.file_told,
    153: files.file_told,
    160: sms_fax_mail.place_told,
    181: files.file_told,
    182: files.file_told,
}
"""Notices that make or change an operation; every other 1xx is attached to the call or conference
it names."""
TELL_OF_REFUSAL: Final = frozenset(
    {100, 102, 103, 105, 115, 120, 123, 130, 140, 151, 153, 181, 182}
)
"""Notices that, with a `Result` of 10 or more, say only that a command came to nothing: no call
was answered, ended or transferred by them, no message came in (docs/decisions/0002)."""


LOST: Final = "lost"
"""Outcome of what ended unseen."""
OTHER_IDS: Final[Mapping[int, Names]] = {
    105: Names("call", "new_call_id"),
    108: Names("rec", "record_id"),
    **sms_fax_mail.NAMED,
}
"""Notices that have an id beside those of calls and conferences."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Operations of these kinds, found to belong to an event by this key, are bound by this cause.

    `kinds` empty: of every kind. `find` gives the events that the key leads to: one is meant, of
    several none is guessed.
    """

    kinds: frozenset[str]
    key: str
    cause: str
    find: Find


EVERY: Final[frozenset[str]] = frozenset()
MESSAGES: Final = frozenset({"sms", "mms", "fax", "mail"})

RULES: Final = (
    Rule(EVERY, "the operation above it", causes.DERIVED, binding.of_parent),
    Rule(EVERY, "RequestId: a command", causes.COMMAND, binding.of_command),
    Rule(MESSAGES, "InReplyTo: a SmsId, Message-IDs", causes.REPLY, replies.of_named),
    Rule(replies.BY_NUMBER, "PhoneNum: who was written to", causes.REPLY, replies.of_number),
)
"""What binds an operation that has no event, strongest first (protocol.md#bindings).

A notice that names its EventId comes before all of them, and binds anew what a weaker cause has
bound (`binding.bind_named`); 201 (`created`) and 281 (`manual`) are commands. What a person took
from an event is bound by none of these.
"""


def locate(records: RecordsPort, entry: Entry) -> tuple[Operation | None, bool]:
    """The operation of a notice, made where it is new (then True), and brought up to date."""
    message = entry.message
    handler = LOCATE.get(message.number)
    refused = message.result is not None and not is_accepted(message.result)
    if handler is None or (refused and message.number in TELL_OF_REFUSAL):
        return attached(records, entry), False
    return handler(records, entry)


def close_lost(records: RecordsPort, entry: Entry, operation: Operation) -> None:
    """End an operation that its platform does not know any more, with its transfers.

    By its OpId and not by what the notice names: the platform may have used the name again.
    """
    if operation.ended_at is not None:
        return
    reason = getattr(entry.message, "reason", None)
    for transfer in open_transfers(records, operation):
        end(transfer, entry.at, LOST, reason)
        records.change_operation(transfer)
    end(operation, entry.at, LOST, reason)
    operation.reconstructed = True
    records.change_operation(operation)


def natives_of(message: Message) -> list[str]:
    """The native keys that a notice will be looked up by; so that a batch can be read at once."""
    found = []
    if message.call_id is not None:
        found.append(f"call:{message.call_id}")
    if message.parent_call_id is not None:
        found.append(f"call:{message.parent_call_id}")
    if message.conference_id is not None:
        found.append(f"conf:{message.conference_id}")
        who = text_of(message, "phone_num") or text_of(message, "staff_id")
        if who is not None:
            found.append(f"member:{message.conference_id}/{who}")
    own = OTHER_IDS.get(message.number)
    if own is not None and own.native(message) is not None:
        native = str(own.native(message))
        found.append(native)
        party = own.party_of(message)
        if message.number in sms_fax_mail.SENT and party is not None:
            found.append(sms_fax_mail.receiver_native(native, party))
    return found
