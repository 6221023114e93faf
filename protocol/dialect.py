"""Where the patent is silent and peers differ.

The knobs of a peer's dialect (protocol.md#dialects).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one peer writes frames and XML; the defaults are this project's.

    `profile` False makes a *legacy* peer: it speaks only the patent, is sent no attribute and no
    element of the profile, and does not register. `fragments` says that the peer announced it can
    reassemble (protocol.md#fragments).
    """

    flag_message: int = 0x01
    flag_heartbeat: int = 0x02
    flag_fragment: int = 0x03
    byte_order: Literal["big", "little"] = "big"
    length_includes_header: bool = False
    encoding: str = "utf-8"
    empty_token: str = "NULL"  # noqa: S105 - a word on the wire
    profile: bool = True
    fragments: bool = True
    message_max_bytes: int = 4 * 1024 * 1024

    def can_write(self, text: str) -> bool:
        """Whether Python can write what libxml2 could read: their GBK tables differ in places."""
        try:
            text.encode(self.encoding)
        except UnicodeEncodeError:
            return False
        return True


DEFAULT: Final = Dialect()
LEGACY: Final = Dialect(profile=False, fragments=False, message_max_bytes=65_535)
