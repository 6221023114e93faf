"""The message that every system is given, and how to know it again."""

from __future__ import annotations

import re
import secrets
from typing import Final

_TEMPLATE: Final = (
    '<request Id="{name}" Type="100"><CallId>{name}</CallId>'
    "<ConferenceID>NULL</ConferenceID><LoginId>23</LoginId><Type>1</Type>"
    "<PhoneNum>139123444444</PhoneNum><ToNum>2222</ToNum></request>"
)
_CALL: Final = re.compile(rb"<CallId>([^<]+)</CallId>")


class Names:
    """Ids of notices, and of the calls that they tell of; never the same twice."""

    def __init__(self) -> None:
        self._prefix = secrets.token_hex(4)
        self._count = 0

    def take(self) -> str:
        """The next one, at most 16 characters (protocol.md#values)."""
        self._count += 1
        return f"{self._prefix}{self._count:x}"


def make_notice(name: str) -> bytes:
    """A 100 IncomingCallNotice of a call of its own."""
    return _TEMPLATE.format(name=name).encode()


def name_of(notice: bytes) -> str | None:
    """The name that it was made with, whatever Id it was delivered under."""
    found = _CALL.search(notice)
    return None if found is None else found[1].decode()
