"""Why a mail was refused, as codes of ours (protocol.md#reasons).

The enhanced code (RFC 3463) says it best; where there is none, the code of SMTP.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from adapters.mail.model import Answer
from protocol.reasons import Reason

ENHANCED: Final = re.compile(r"\s*([245]\.[0-9]{1,3}\.[0-9]{1,3})\b")
BY_ENHANCED: Final[Mapping[str, Reason]] = {
    **dict.fromkeys(("1.1", "1.2", "1.3", "1.6", "1.10", "2.1"), Reason.MAIL_UNKNOWN),
    "2.2": Reason.MAIL_FULL,
    "2.3": Reason.MAIL_TOO_LARGE,
    "3.4": Reason.MAIL_TOO_LARGE,
    "7.1": Reason.MAIL_SPAM,
    **dict.fromkeys(("7.8", "7.9", "7.11"), Reason.MAIL_AUTH),
}
BY_CODE: Final[Mapping[int, Reason]] = {
    **dict.fromkeys((530, 534, 535, 538), Reason.MAIL_AUTH),
    452: Reason.MAIL_FULL,
    550: Reason.MAIL_UNKNOWN,
    551: Reason.MAIL_UNKNOWN,
    552: Reason.MAIL_TOO_LARGE,
    553: Reason.MAIL_UNKNOWN,
}
"""Where there is no enhanced code: what a bare answer to RCPT mostly means."""


def answer_of(code: int, text: str) -> Answer:
    """An answer of a server, with the enhanced code that its text begins with."""
    found = ENHANCED.match(text)
    return Answer(code, found[1] if found else "")


def reason_of(answer: Answer) -> Reason:
    """Why the server does not take a mail."""
    if answer.enhanced:
        return BY_ENHANCED.get(answer.enhanced.partition(".")[2], Reason.MAIL_REFUSED)
    return BY_CODE.get(answer.code, Reason.MAIL_REFUSED)
