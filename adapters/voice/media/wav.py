"""What is in a WAV file, whatever its header says.

Asterisk writes the header when it begins a recording, with no length in it, and once more when the
recording is complete. A recording of an Asterisk that was killed says that it is empty, one that
was cut off promises more than there is. Players believe the header; so it is written anew.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

HEADER_MAX: Final = 4096
"""So far into a file its sound has begun; Asterisk's headers have 44 bytes."""
PLAIN_BYTES: Final = 44
BYTES_PER_S: Final = 16_000
"""8 kHz, 16 bit, mono: Asterisk's `wav`, and what is assumed where a header says nothing."""
RIFF: Final = struct.Struct("<4sI4s")
CHUNK: Final = struct.Struct("<4sI")
FORMAT: Final = struct.Struct("<HHIIHH")


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Where the sound begins, how many bytes of it the header promises, and how long they last.

    `promised` is None where the header is not understood: then it is left as it is.
    """

    raw: bytes
    start: int
    promised: int | None
    bytes_per_s: int

    def duration_s(self, size_bytes: int) -> float:
        """How long a file of this size sounds."""
        return max(0, size_bytes - self.start) / self.bytes_per_s

    def agrees_with(self, duration_s: int | None) -> bool:
        """Whether it promises what Asterisk said of the recording, in whole seconds."""
        if self.promised is None:
            return True
        return duration_s is not None and self.promised // self.bytes_per_s == duration_s

    def for_size(self, size_bytes: int) -> bytes:
        """The header as it should be for a file of this size."""
        data = max(0, size_bytes - self.start)
        raw = bytearray(self.raw)
        struct.pack_into("<I", raw, 4, min(self.start + data - CHUNK.size, 0xFFFF_FFFF))
        struct.pack_into("<I", raw, self.start - 4, min(data, 0xFFFF_FFFF))
        return bytes(raw)


def read_header(data: bytes) -> Header | None:
    """The header at the beginning of a file, None where it is no WAV or goes on."""
    if not data.startswith(b"RIFF"):
        return None
    at, bytes_per_s = RIFF.size, BYTES_PER_S
    while at + CHUNK.size <= min(len(data), HEADER_MAX):
        kind, size = CHUNK.unpack_from(data, at)
        at += CHUNK.size
        if kind == b"data":
            return Header(raw=data[:at], start=at, promised=size, bytes_per_s=bytes_per_s)
        if kind == b"fmt " and at + FORMAT.size <= len(data):
            bytes_per_s = FORMAT.unpack_from(data, at)[3] or BYTES_PER_S
        at += size + size % 2
    if len(data) <= HEADER_MAX:
        return None
    return Header(
        raw=data[:PLAIN_BYTES], start=PLAIN_BYTES, promised=None, bytes_per_s=BYTES_PER_S
    )
