"""Receipts, and how they write the id that the centre gave before: in whatever form.

A number is compared as well: in one form the ids of two texts may look alike.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from protocol.messages import SmsReportStatus as Fate

DECIMAL: Final = re.compile(r"[0-9]{1,40}")
HEX: Final = re.compile(r"[0-9a-f]{1,40}")
DIGITS_MIN: Final = 7


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a part: `fate` None: it is still under way."""

    id: str
    number: str
    fate: Fate | None
    reference: int | None = None


class Form(Enum):
    """How the id of a receipt is written, beside that of the response."""

    SAME = "same"
    RECEIPT_DECIMAL = "receipt decimal, response hex"
    RECEIPT_HEX = "receipt hex, response decimal"


def plain(written: str) -> str:
    """An id without what does not count: case, `0x`, leading zeros."""
    return written.strip().casefold().removeprefix("0x").lstrip("0") or "0"


def forms(written: str) -> dict[Form, str]:
    """The plain ids under which the response to a message may have named what a receipt names."""
    same = plain(written)
    found = {Form.SAME: same}
    if DECIMAL.fullmatch(same):
        found[Form.RECEIPT_DECIMAL] = f"{int(same):x}"
    if HEX.fullmatch(same):
        found[Form.RECEIPT_HEX] = str(int(same, 16))
    return found


def same_number(one: str, other: str) -> bool:
    """Whether two numbers may be one, with and without what is dialled before it."""
    if one == other:
        return True
    one, other = _digits(one), _digits(other)
    if not one or not other:
        return True
    if min(len(one), len(other)) < DIGITS_MIN:
        return one == other
    return one.endswith(other) or other.endswith(one)


def _digits(number: str) -> str:
    return "".join(filter(str.isdigit, number)).lstrip("0")
