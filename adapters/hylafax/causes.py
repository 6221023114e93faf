"""What the server says of a failed fax, as `Reason`: HylaFAX 6.0 says it in words."""

from __future__ import annotations

from typing import Final

from protocol.reasons import Reason

WORDS: Final[tuple[tuple[str, Reason], ...]] = (
    ("aborted by request", Reason.OPERATOR_CANCELLED),
    ("busy", Reason.FAX_BUSY),
    ("no carrier", Reason.FAX_NO_CARRIER),
    ("no answer", Reason.NO_ANSWER),
    ("no local dialtone", Reason.NO_TRUNK),
    ("invalid dialing", Reason.INVALID_FORMAT),
    ("train", Reason.FAX_TRAINING),
    ("phase a failure", Reason.FAX_NO_CARRIER),
    ("wanted fax", Reason.FAX_NO_CARRIER),
    ("kill time expired", Reason.SETUP_TIMEOUT),
    ("too many attempts", Reason.FAX_NO_CARRIER),
    ("convert", Reason.FAX_BAD_FILE),
    ("document", Reason.FAX_BAD_FILE),
    ("corrupt", Reason.FAX_BAD_FILE),
    ("not supported", Reason.FAX_BAD_FILE),
    ("modem", Reason.PLATFORM_FAULT),
)
"""The first that stands in the status decides; all else is a talk that broke off."""


def reason_of(status: str) -> Reason:
    """Why a fax failed, or is tried again."""
    said = status.casefold()
    return next((reason for word, reason in WORDS if word in said), Reason.FAX_DISCONNECTED)
