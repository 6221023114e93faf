"""What becomes of a mail, by the local part of the address that it goes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What the server does with a mail for one recipient.

    `refusal`: the answer to its RCPT; `data_refusal`: that to the text. `reports`: actions of the
    reports that come, one after the other, the last one with `status`. `after_s`: how long
    after the answer the first comes. `drops_link`: it takes the mail, and hangs up instead of
    answering. `reply`: what the recipient answers. `is_read`: a reader says that it was read.
    """

    meaning: str
    refusal: str = ""
    data_refusal: str = ""
    reports: tuple[str, ...] = ("delivered",)
    status: str = "2.0.0"
    after_s: float = 1.0
    drops_link: bool = False
    reply: str | None = None
    is_read: bool = False


DELIVERED: Final = Behaviour(meaning="delivered, and reported so where that was asked for")
BEHAVIOURS: Final[Mapping[str, Behaviour]] = {
    "answered": Behaviour(meaning="delivered, and answered with «OK»", reply="OK"),
    "bounced": Behaviour(
        meaning="taken, and bounced: no such mailbox", reports=("failed",), status="5.1.1"
    ),
    "delayed": Behaviour(
        meaning="delayed first, then delivered", reports=("delayed", "delivered")
    ),
    "read": Behaviour(meaning="delivered, and read", is_read=True),
    "silent": Behaviour(meaning="taken, and never heard of again", reports=()),
    "refused": Behaviour(
        meaning="refused: no such mailbox", refusal="550 5.1.1 no such mailbox here"
    ),
    "full": Behaviour(meaning="refused: the mailbox is full", refusal="452 4.2.2 mailbox full"),
    "spam": Behaviour(
        meaning="refused when it was read: taken for spam", data_refusal="554 5.7.1 taken for spam"
    ),
    "dropped": Behaviour(
        meaning="taken, but the link is dropped before the answer", drops_link=True
    ),
}
"""Local part, up to a `+` or a `.` → what becomes of it; to all others it is delivered."""


def behaviour_of(address: str) -> Behaviour:
    """What becomes of a mail to an address."""
    local = address.rpartition("@")[0].casefold()
    return BEHAVIOURS.get(local.partition("+")[0].partition(".")[0], DELIVERED)
