"""What SMS centres write into receipts.

The text is `id:… sub:001 dlvrd:001 submit date:… done date:… stat:DELIVRD err:000 text:…`, or
nearly so. TLVs beat it.
"""

from __future__ import annotations

import re
from typing import Final

from adapters.messaging.receipt_ids import Receipt
from adapters.smpp import pdu
from adapters.smpp.pdu import ShortMessage, Tag
from protocol.messages import SmsReportStatus as Fate

RECEIPT_BIT: Final = 0x04
TYPE_MASK: Final = 0x3C
ID: Final = re.compile(r"\bid:\s*([^\s:]+)", re.IGNORECASE)
STATE: Final = re.compile(r"\bstat:\s*([A-Za-z]+)", re.IGNORECASE)
ID_MAX: Final = 255
FATES: Final[dict[str, Fate]] = {
    "DELIVRD": Fate.DELIVERED, "EXPIRED": Fate.EXPIRED, "UNDELIV": Fate.UNDELIVERABLE,
    "DELETED": Fate.REJECTED, "REJECTD": Fate.REJECTED, "UNKNOWN": Fate.UNKNOWN,
    "SKIPPED": Fate.UNDELIVERABLE, "FAILED": Fate.UNDELIVERABLE,
}  # fmt: skip
"""`stat:` → what it means; what is not listed (ENROUTE, ACCEPTD, …) is not the end."""
STATES: Final[dict[int, Fate]] = {
    2: Fate.DELIVERED, 3: Fate.EXPIRED, 4: Fate.REJECTED, 5: Fate.UNDELIVERABLE, 7: Fate.UNKNOWN,
    8: Fate.REJECTED,
}  # fmt: skip
"""The same for `message_state` (5.2.28)."""


def read_receipt(sm: ShortMessage) -> Receipt | None:
    """The receipt that a deliver_sm is; None: it is none.

    One without the bit of `esm_class` is one where it has both an id and a state: centres forget
    that, and citizens do not write so.
    """
    text = sm.octets.decode("latin-1")
    written, state = ID.search(text), STATE.search(text)
    is_marked = sm.esm_class & TYPE_MASK == RECEIPT_BIT
    if not is_marked and not (written and state and text.startswith(("id:", "ID:"))):
        return None
    tlv = sm.tlvs.get(Tag.RECEIPTED_ID, b"").partition(b"\0")[0].decode("latin-1").strip()
    number = pdu.number(sm.tlvs, Tag.STATE)
    fate = FATES.get(state[1].upper()) if number is None and state else STATES.get(number or 0)
    return Receipt(
        (tlv or (written[1] if written else ""))[:ID_MAX],
        sm.source,
        fate,
        pdu.number(sm.tlvs, Tag.REFERENCE),
    )
