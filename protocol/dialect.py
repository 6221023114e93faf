"""Where the patent is silent and peers differ.

The knobs of a peer's dialect (protocol.md#dialects).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Encoding = Literal["utf-8", "gb18030", "gbk"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DialectSettings:
    """How one peer writes where the patent is silent; the defaults are this project's."""

    flag_message: int = 0x01
    """flag of a frame with a complete message, 0–255"""
    flag_heartbeat: int = 0x02
    """flag of a heartbeat"""
    flag_fragment: int = 0x03
    """flag of a fragment; the three must differ"""
    byte_order: Literal["big", "little"] = "big"
    """of the length: `"big"` or `"little"`"""
    length_includes_header: bool = False
    """whether the length counts the four bytes of the header"""
    encoding: Encoding = "utf-8"
    """of the XML: `"utf-8"`, `"gb18030"` or `"gbk"`"""
    empty_token: Literal["NULL", "EMPTY"] = "NULL"  # noqa: S105 - a word on the wire
    """what is written for no value: `"NULL"` or `"EMPTY"`; both are read"""

    def __post_init__(self) -> None:
        flags = {
            "flag_message": self.flag_message,
            "flag_heartbeat": self.flag_heartbeat,
            "flag_fragment": self.flag_fragment,
        }
        for name, flag in flags.items():
            if not 0 <= flag <= 0xFF:  # noqa: PLR2004 - a byte
                raise ValueError(f"{name}: must be 0 to 255")
        if len(set(flags.values())) < len(flags):
            raise ValueError("flag_message, flag_heartbeat and flag_fragment must differ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect(DialectSettings):
    """How one peer writes frames and XML, with what follows from how it registers.

    `profile` False makes a *legacy* peer: it speaks only the patent, is sent no attribute and no
    element of the profile, and does not register. `fragments` says that the peer announced it can
    reassemble (protocol.md#fragments).
    """

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
