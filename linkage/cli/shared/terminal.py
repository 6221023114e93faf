"""Writing to whatever terminal, file or pipe there is: what it cannot show is a question mark."""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import Any, Final, Protocol, TextIO

WIDTH: Final = 80


class _Ascii(io.TextIOWrapper):
    """A stream of plain ASCII.

    Click takes one for a mistake and would write UTF-8 to it, which a terminal that really is of
    that kind shows as rubbish; so it is called by a name that click does not know.
    """

    @property
    def encoding(self) -> str:  # type: ignore[override]  # it is read-only here, too
        return "ascii, as its user says"


def show_what_can_be_shown() -> None:
    """Have stdout and stderr replace what their encoding lacks, instead of ending the program.

    Desks have terminals of GBK, and there is Chinese beside every name; a middle dot is enough.
    """
    sys.stdout = _tolerant(sys.stdout)
    sys.stderr = _tolerant(sys.stderr)


def _tolerant(stream: TextIO) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper):
        return stream  # closed by who started us, or a test's
    if codecs.lookup(stream.encoding).name != "ascii":
        stream.reconfigure(errors="replace")
        return stream
    buffered = stream.line_buffering
    return _Ascii(stream.detach(), encoding="ascii", errors="replace", line_buffering=buffered)


def is_unicode(stream: Any) -> bool:
    """Whether a stream can show every character."""
    try:
        return codecs.lookup(getattr(stream, "encoding", None) or "utf-8").name.startswith("utf")
    except LookupError:
        return False


class SupportsWrite(Protocol):
    """Whatever a text can be written to."""

    def write(self, text: str, /) -> int:
        """Write it."""
        ...


class Utf8Stdout:
    """Stdout for what is a file by nature, such as a picture or a table: UTF-8, whoever reads."""

    def __init__(self) -> None:
        sys.stdout.flush()

    def write(self, text: str, /) -> int:
        """Write it, past what the terminal's encoding lacks."""
        return sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))


def screen_width() -> int:
    """Of the terminal, or as $COLUMNS says; 80 where there is neither."""
    written = os.environ.get("COLUMNS", "")
    if written.isascii() and written.isdigit() and int(written):
        return int(written)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or WIDTH
    except (OSError, ValueError, AttributeError):
        return WIDTH
