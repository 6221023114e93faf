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
"""Two thousand million requests in one run."""


def base36(value: int, digits: int) -> str:
    """The last `digits` digits of a number, with leading zeros."""
    written = ""
    for _ in range(digits):
        value, digit = divmod(value, len(ALPHABET))
        written = ALPHABET[digit] + written
    return written


class RequestIds:
    """Makes Ids: when this run began, a lot, and a serial number."""

    __slots__ = ("_prefix", "_serial")

    def __init__(self, started: datetime) -> None:
        stamp = base36(int(started.timestamp() * 1000), STAMP_DIGITS)
        lot = base36(secrets.randbelow(len(ALPHABET) ** LOT_DIGITS), LOT_DIGITS)
        self._prefix = stamp + lot
        self._serial = count(1)

    def make(self) -> str:
        """An Id that this sender has not used before."""
        return self._prefix + base36(next(self._serial), SERIAL_DIGITS)
