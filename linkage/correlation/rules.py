"""Which operation a notice concerns, and what the notice changes in it.

Native keys, one namespace per platform: `call:<CallId>` (calls and legs), `conf:<ConferenceID>`,
`member:<ConferenceID>/<number>`, `transfer:<OpId of the call>/<journal seq>`, `rec:<RecordId>`,
`sms:`, `fax:`, `mail:`, `video:`, `broadcast:` and `place:<seq>`. A platform may use a CallId
again once its call has ended: then a new operation begins; the same goes for conferences.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from linkage.correlation import calls, conferences, messages
from linkage.correlation.entry import Entry, Records
from linkage.correlation.messages import OWN_IDS
from linkage.correlation.operations import attached, end, open_transfers, text_of
from linkage.store.rows import Operation
from protocol.message import Message
from protocol.results import is_accepted

TELL_OF_REFUSAL: Final = frozenset({100, 102, 103, 105, 115})
"""Notices that, with a `Result` of 10 or more, say only that a command came to nothing: no call
was answered, ended or transferred by them (docs/decisions/0002)."""
LOST: Final = "lost"
"""Outcome of what ended unseen."""
HANDLERS: Final[dict[int, Callable[[Records, Entry], tuple[Operation | None, bool]]]] = {
    100: calls.incoming_call,
    102: calls.call_over,
    103: conferences.conference_change,
    104: conferences.member_change,
    105: calls.call_transfer,
    108: messages.recording_change,
    110: conferences.call_out_result,
    115: calls.call_state,
    160: messages.place_told,
    **dict.fromkeys(
        (118, 120, 121, 122, 130, 131, 132, 140, 141, 142, 150, 153), messages.content_change
    ),
}
"""Notices that make or change an operation; every other 1xx is attached to the call or conference
it names."""


def locate(records: Records, entry: Entry) -> tuple[Operation | None, bool]:
    """The operation of a notice, made where it is new (then True), and brought up to date."""
    message = entry.message
    handler = HANDLERS.get(message.number)
    refused = message.result is not None and not is_accepted(message.result)
    if handler is None or (refused and message.number in TELL_OF_REFUSAL):
        return attached(records, entry), False
    return handler(records, entry)


def close_lost(records: Records, entry: Entry, operation: Operation) -> None:
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
    own = OWN_IDS.get(message.number)
    if own is not None:
        kind, name = own
        own_id = getattr(message, name)
        if own_id is not None:
            found.append(f"{kind}:{own_id}")
    return found
