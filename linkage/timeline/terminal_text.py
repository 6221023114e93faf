"""Text for terminals: harmless, and measured in cells rather than characters.

What peers send may hold escape sequences that would move the cursor, change the title or retype
commands, and characters that reverse the reading direction; shown as they are they would let a
caller forge a line of the timeline. Chinese characters are two cells wide.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# C0 and C1 controls, DEL, line and paragraph separators, bidirectional overrides and isolates,
# zero-width joiners and marks, tags, surrogates, and what is no character at all.
_HARMFUL: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\x1b": "\\e"}
WIDE: Final = frozenset("WF")


def harmless(text: str) -> str:
    """One line without anything that a terminal would obey: that is shown as escapes."""
    return _HARMFUL.sub(_visible, text)


def _visible(match: re.Match[str]) -> str:
    character = match.group()
    code = ord(character)
    short = _SHORT.get(character)
    if short is not None:
        return short
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"  # noqa: PLR2004 - one byte


def cells(text: str) -> int:
    """How many cells a terminal gives to a text."""
    return len(text) if text.isascii() else sum(_cells(character) for character in text)


def _cells(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in WIDE else 1


def clip(text: str, width: int) -> str:
    """The text, shortened to so many cells, with an ellipsis where something is missing."""
    if cells(text) <= width:
        return text
    kept, used = "", 0
    for character in text:
        used += _cells(character)
        if used > width - 1:
            break
        kept += character
    return f"{kept}…" if width > 0 else ""


def pad(text: str, width: int) -> str:
    """The text in exactly so many cells, aligned left."""
    shown = clip(text, width)
    return shown + " " * (width - cells(shown))


def center(text: str, width: int) -> str:
    """The text in exactly so many cells, in the middle."""
    shown = clip(text, width)
    left = (width - cells(shown)) // 2
    return pad(" " * left + shown, width)


def wrap(text: str, width: int, lines: int) -> list[str]:
    """The text in at most so many lines of so many cells, broken at blanks where there are any."""
    done: list[str] = []
    rest = text.strip()
    while rest and len(done) < lines - 1 and cells(rest) > width:
        length = _fitting(rest, width)
        cut = rest.rfind(" ", 0, length + 1)
        done.append(rest[: cut if cut > length // 3 else length].rstrip())
        rest = rest[len(done[-1]) :].lstrip()
    if rest or not done:
        done.append(clip(rest, width))
    return done


def _fitting(text: str, width: int) -> int:
    """How many characters fit into so many cells; at least one, so that wrapping goes on."""
    used = 0
    for index, character in enumerate(text):
        used += _cells(character)
        if used > width:
            return max(index, 1)
    return len(text)
