"""Request Ids: unique for a sender over all its runs, in the patent's 16 characters."""

from __future__ import annotations

import secrets
import string
from datetime import datetime
from itertools import count
from typing import Final

ALPHABET: Final = string.digits + string.ascii_lowercase
STAMP_DIGITS: Final = 8
"""Milliseconds since 1970 in base 36: eight digits until the year 2059."""
LOT_DIGITS: Final = 2
"""Keep apart two processes of one peer that start in the same millisecond."""
SERIAL_DIGITS: Final = 6
"""Two thousand million requests; one more counts on in the lot, and then in the milliseconds of
the start, which are in the past by then: no Id comes twice."""
ID_DIGITS: Final = STAMP_DIGITS + LOT_DIGITS + SERIAL_DIGITS


def base36(value: int, digits: int) -> str:
    """The last `digits` digits of a number, with leading zeros."""
    written = ""
    for _ in range(digits):
        value, digit = divmod(value, len(ALPHABET))
        written = ALPHABET[digit] + written
    return written


class RequestIds:
    """Makes Ids: when this run began, a lot, and a serial number; together one number."""

    __slots__ = ("_next",)

    def __init__(self, started: datetime) -> None:
        stamp = int(started.timestamp() * 1000)
        lot = secrets.randbelow(len(ALPHABET) ** LOT_DIGITS)
        first = (stamp * len(ALPHABET) ** LOT_DIGITS + lot) * len(ALPHABET) ** SERIAL_DIGITS
        self._next = count(first + 1)

    def make(self) -> str:
        """An Id that this sender has not used before."""
        return base36(next(self._next), ID_DIGITS)
