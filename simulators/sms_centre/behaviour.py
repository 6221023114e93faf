"""What becomes of a text, by the last two digits of the number that it goes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

THROTTLED: Final = 0x58
BAD_NUMBER: Final = 0x0B


class IdForm(Enum):
    """How the id of a receipt is written beside that of the answer: centres differ."""

    SAME = "same"
    DECIMAL = "decimal"
    """The answer has it in hexadecimal digits, the receipt in decimal ones."""
    HEX = "hex"
    """The other way round."""
    UPPER = "upper"
    PADDED = "padded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What the centre does with a text.

    `state`: of the receipt. `receipts`: how many come. `after_s`: how long after the answer the
    first comes; `is_early`: before the answer instead. `refusal`: the status of the answer,
    `refused` times, 0: always. `drops_link`: it takes the text, and hangs up instead of answering.
    `reply`: what the citizen answers.
    """

    meaning: str
    state: str = "DELIVRD"
    receipts: int = 1
    after_s: float = 1.0
    is_early: bool = False
    refusal: int = 0
    refused: int = 0
    drops_link: bool = False
    reply: str | None = None


DELIVERED: Final = Behaviour(meaning="delivered")
BEHAVIOURS: Final[Mapping[str, Behaviour]] = {
    "90": Behaviour(meaning="delivered, and answered with «OK»", reply="OK"),
    "91": Behaviour(meaning="undeliverable", state="UNDELIV"),
    "92": Behaviour(meaning="expired", state="EXPIRED"),
    "93": Behaviour(meaning="throttled twice, then delivered", refusal=THROTTLED, refused=2),
    "94": Behaviour(meaning="taken, but no receipt ever comes", receipts=0),
    "95": Behaviour(meaning="the receipt comes before the answer", is_early=True),
    "96": Behaviour(meaning="the receipt comes twice", receipts=2),
    "97": Behaviour(meaning="the receipt comes after a minute", after_s=60.0),
    "98": Behaviour(meaning="taken, but the link is dropped before the answer", drops_link=True),
    "99": Behaviour(meaning="refused: no such number", refusal=BAD_NUMBER),
}
"""Last two digits → what becomes of a text to such a number; to all others it is delivered."""


def behaviour_of(number: str) -> Behaviour:
    """What becomes of a text to a number."""
    return BEHAVIOURS.get(number[-2:], DELIVERED)


def written(number: int, form: IdForm) -> tuple[str, str]:
    """An id as the answer has it, and as the receipt has it."""
    return {
        IdForm.SAME: (f"{number:08x}", f"{number:08x}"),
        IdForm.DECIMAL: (f"{number:x}", f"{number:010}"),
        IdForm.HEX: (f"{number}", f"{number:X}"),
        IdForm.UPPER: (f"{number:08x}", f"{number:08X}"),
        IdForm.PADDED: (f"{number}", f"{number:020}"),
    }[form]
