"""Request Ids of what an adapter tells."""

from __future__ import annotations

from datetime import datetime
from typing import Final

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


class RequestIds:
    """Ids of at most 16 characters, unique for one sender across restarts.

    Milliseconds of the start in base 36 (8 characters until the year 2059) and a counter: two
    starts would have to fall into one millisecond to meet.
    """

    __slots__ = ("_count", "_prefix")

    def __init__(self, started: datetime) -> None:
        self._prefix = _base36(round(started.timestamp() * 1000))
        self._count = 0

    def take(self) -> str:
        """The next one."""
        self._count += 1
        return self._prefix + _base36(self._count)


def _base36(value: int) -> str:
    digits = ""
    while True:
        value, digit = divmod(value, len(_DIGITS))
        digits = _DIGITS[digit] + digits
        if value == 0:
            return digits
