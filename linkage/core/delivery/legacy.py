"""What a peer that speaks only the patent is told of a story that the profile tells in detail.

The patent has one 105 for a transfer (step 309), one 103 for a conference (step 403) and one 102
for a call (step 314). Phases, and the ends of single legs, have no words in it: a legacy
application that got them would take a ringing tone for a transfer made.
"""

from __future__ import annotations

from typing import Final

from linkage.store.rows import Operation
from protocol import messages as m
from protocol.message import Message

PATENT_TYPES: Final = frozenset({100, 102, 103, 105, 110, 201, 210})
"""All that a legacy peer is sent: the types seen in the patent."""


def suits_legacy(message: Message, operation: Operation | None) -> bool:
    """Whether a message means to a reader of the patent what it means to us."""
    if message.number not in PATENT_TYPES:
        return False
    match message:
        case m.TransferNotice():
            return message.phase in {None, m.CallPhase.DONE} and message.result is None
        case m.ConferenceNotice():
            return message.action in {None, m.ConferenceNoticeAction.CREATED}
        case m.HangupNotice():
            is_leg = operation is not None and operation.kind == "leg"
            return not is_leg and message.scope is not m.HangupScope.LEG and message.result is None
        case _:
            return True
