"""Phone numbers out of the log, where the law or the house wants that (`[log] mask_numbers`).

What looks like a number is shown by its last two digits, so that two lines about one caller can
still be told to be about one. Rather too much is masked than too little: a long numeric EventId
looks like a phone number, and is masked too.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

SHOWN: Final = 2
"""Digits left."""
_NUMBER: Final = re.compile(
    r"""
    \+\d[\d\ ().-]{4,}\d                 # international, grouped as people write it
    | (?<![A-Za-z0-9])(?<!\d\.)          # not the middle of a word or of a decimal fraction
      (?: (?<!:)\d{5} | \d{6,} )         # five digits behind a colon are a port
      (?![A-Za-z0-9]|\.\d)
    """,
    re.VERBOSE,
)


def mask_numbers(text: str) -> str:
    """The text with `*` for all but the last two digits of what looks like a phone number."""
    return _NUMBER.sub(_masked, text)


def _masked(found: re.Match[str]) -> str:
    written = found.group()
    left = sum(character.isdigit() for character in written) - SHOWN
    out = []
    for character in written:
        if character.isdigit() and left > 0:
            left -= 1
            out.append("*")
        else:
            out.append(character)
    return "".join(out)


class MaskingFormatter(logging.Formatter):
    """Another formatter's lines, made of masked messages and masked tracebacks."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """One record; the one that others see stays as it is."""
        masked = logging.makeLogRecord(record.__dict__)
        masked.msg = mask_numbers(record.getMessage())
        masked.args = None
        if record.exc_info:
            masked.exc_text = mask_numbers(self.formatException(record.exc_info))
        return self._inner.format(masked)


def mask_event(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """A processor of structlog: every text of an event but the time."""
    for key, value in event.items():
        if isinstance(value, str) and key != "timestamp":
            event[key] = mask_numbers(value)
    return event
