"""A mail taken apart by offsets: the parts that hold something, within limits.

Every octet is looked at once for each level, nothing is copied before it is used, and nothing is
kept of what is over a limit. The standard library's parser makes objects of every line and part:
of a mail of 25 MB, gigabytes.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from adapters.mail.headers import Content, Fields, content_of, decode_base64, read_fields

DEPTH_MAX: Final = 12
PARTS_MAX: Final = 250
HEADER_MAX: Final = 131_072
_BLANK: Final = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, slots=True)
class Part:
    """A part that holds something itself; its octets begin and end there in the mail."""

    content: Content
    fields: Fields
    begin: int
    end: int


class Parts:
    """The parts of a mail, in its order; `problems` says what was left out, and why."""

    def __init__(self, mail: bytes) -> None:
        self._mail = mail
        self.problems: list[str] = []
        self.fields, begin = _head(mail, 0, len(mail))
        self.content = content_of(self.fields)
        if begin > HEADER_MAX:
            self._problem(f"headers of more than {HEADER_MAX} bytes")
        self._found: list[Part] = []
        self._walk(Part(self.content, self.fields, min(begin, len(mail)), len(mail)), 0)

    def __iter__(self) -> Iterator[Part]:
        return iter(self._found)

    def octets(self, part: Part) -> bytes:
        """What a part holds, its transfer encoding undone."""
        raw = self._mail[part.begin : part.end]
        if part.content.encoding == "base64":
            return decode_base64(raw)
        if part.content.encoding == "quoted-printable":
            return binascii.a2b_qp(raw)
        return raw

    def _walk(self, part: Part, depth: int) -> None:
        boundary = part.content.boundary
        if not part.content.type.startswith("multipart/") or boundary is None:
            self._found.append(part)
            return
        if depth >= DEPTH_MAX:
            self._problem(f"parts nested deeper than {DEPTH_MAX}")
            return
        inner = self._sections(part, boundary)
        if not inner:
            self._found.append(part)  # what says that it has parts and has none is text, perhaps
            return
        for begin, end in inner:
            fields, body = _head(self._mail, begin, end)
            content = content_of(fields)
            self._walk(Part(content, fields, min(body, end), end), depth + 1)

    def _sections(self, part: Part, boundary: bytes) -> list[tuple[int, int]]:
        """Where the parts of a part begin and end."""
        line = re.compile(rb"\n--" + re.escape(boundary) + rb"(--)?[ \t]*\r?(?=\n|\Z)")
        found: list[tuple[int, int]] = []
        begin: int | None = None
        for match in line.finditer(self._mail, max(part.begin - 1, 0), part.end):
            if begin is not None:
                found.append((begin, _end_of_line(self._mail, match.start(), begin)))
                if len(self._found) + len(found) > PARTS_MAX:
                    self._problem(f"more than {PARTS_MAX} parts")
                    return found[: max(PARTS_MAX - len(self._found), 0)]
            begin = match.end() + 1
            if match[1]:
                return found
        if begin is not None and begin < part.end:
            found.append((begin, part.end))  # it was cut off
        return found

    def _problem(self, what: str) -> None:
        if what not in self.problems:
            self.problems.append(what)


def _head(mail: bytes, begin: int, end: int) -> tuple[Fields, int]:
    """The header fields that begin there, and where the body begins."""
    if mail[begin : begin + 1] == b"\n" or mail[begin : begin + 2] == b"\r\n":
        return Fields(()), begin + (1 if mail[begin : begin + 1] == b"\n" else 2)
    blank = _BLANK.search(mail, begin, end)
    stop, body = (blank.start(), blank.end()) if blank else (end, end)
    return Fields(read_fields(mail[begin : min(stop, begin + HEADER_MAX)])), body


def _end_of_line(mail: bytes, at: int, begin: int) -> int:
    """Where a part ends whose last line ends there: the line break is the boundary's."""
    if at > begin and mail[at - 1 : at] == b"\r":
        at -= 1
    return max(at, begin)
