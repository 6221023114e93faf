"""The server's lines, cut and put together to replies; no I/O.

A reply is `CODE text`, or `CODE-text`, any lines, `CODE text` (RFC 959, 4.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

LINE_BYTES: Final = 4_096
LINES: Final = 1_000
FIRST: Final = re.compile(r"([1-5][0-9]{2})([ -])(.*)", re.DOTALL)
EXTENDED_PASSIVE: Final = re.compile(r"\(([!-~])\1\1([0-9]{1,5})\1\)")
DOCUMENT: Final = re.compile(r"FILE: (/?[A-Za-z0-9._/-]{1,200})")
JOB: Final = re.compile(r"jobid: ([0-9]{1,10})")
PORT_MAX: Final = 65_535


class ReplyError(Exception):
    """What the server wrote is no reply of this protocol."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply: its code, and its text, line by line."""

    code: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """All of it, in one line."""
        return " ".join(self.lines)

    @property
    def is_preliminary(self) -> bool:
        """Another one follows (1xx)."""
        return self.code < 200  # noqa: PLR2004 - the codes' first digit

    @property
    def is_ok(self) -> bool:
        """Done, or going on (1xx–3xx)."""
        return self.code < 400  # noqa: PLR2004


class Replies:
    """Bytes in, replies out."""

    def __init__(self) -> None:
        self._rest = b""
        self._code = ""
        self._lines: list[str] = []

    def feed(self, data: bytes) -> Iterator[Reply]:
        """The replies that are whole with this.

        Raises:
            ReplyError: no reply begins, goes on or ends so.
        """
        self._rest += data
        *lines, self._rest = self._rest.split(b"\n")
        if max(map(len, (self._rest, *lines))) > LINE_BYTES:
            raise ReplyError(f"a line of more than {LINE_BYTES} bytes")
        for line in lines:
            reply = self._take(line.rstrip(b"\r").decode("utf-8", "replace"))
            if reply is not None:
                yield reply

    def _take(self, line: str) -> Reply | None:
        begun = FIRST.fullmatch(line)
        if not self._code:
            if begun is None:
                raise ReplyError(f"{line[:60]!r} is no reply")
            self._code = begun[1]
        ends = begun is not None and begun[1] == self._code and begun[2] == " "
        self._lines.append(begun[3] if begun is not None and begun[1] == self._code else line)
        if len(self._lines) > LINES:
            raise ReplyError(f"a reply of more than {LINES} lines")
        if not ends:
            return None
        reply = Reply(int(self._code), tuple(self._lines))
        self._code, self._lines = "", []
        return reply


def data_port(reply: Reply) -> int:
    """The port of a 229. Of the same host always: no server may send us elsewhere.

    Raises:
        ReplyError: there is none in it.
    """
    found = EXTENDED_PASSIVE.search(reply.text)
    if found is None or not 0 < int(found[2]) <= PORT_MAX:
        raise ReplyError(f"no port in {reply.text[:60]!r}")
    return int(found[2])


def document_of(*replies: Reply) -> str:
    """The name that the server gave to a document.

    Raises:
        ReplyError: there is none.
    """
    for reply in replies:
        if found := DOCUMENT.search(reply.text):
            return found[1]
    raise ReplyError("the server does not name the document")


def job_of(reply: Reply) -> int:
    """The number of a new job.

    Raises:
        ReplyError: there is none.
    """
    found = JOB.search(reply.text)
    if found is None:
        raise ReplyError(f"no job in {reply.text[:60]!r}")
    return int(found[1])
