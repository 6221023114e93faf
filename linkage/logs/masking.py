"""Phone numbers out of the log, where the law or the house wants that (`[log] mask_numbers`).

What looks like a number is shown by its last two digits, so that two lines about one caller can
still be told to be about one. Rather too much is masked than too little: a long numeric EventId in
a line's text looks like a phone number, and is masked too; in its own field `event_id` it stays.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any, Final

from linkage.logs.values import changed_texts

SHOWN: Final = 2
"""Digits left."""
OURS: Final = frozenset(
    {"timestamp", "level", "logger", "id", "event_id", "op_id", "seq", "journal_seq", "type"}
)
"""Fields that hold ids, which a line is found by, and never somebody's number."""
LEAST_NUMBER: Final = 1_000_000
TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
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


def mask_event(
    _logger: Any, _name: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """A processor of structlog: every text of an event, however deep, but for `OURS`."""
    for name, value in event.items():
        if name not in OURS and not (name == "trace" and _is_trace(value)):
            event[name] = changed_texts(value, mask_numbers, _mask_number)
    return event


def _mask_number(value: int) -> int | str:
    """Somebody's number given as one; what is longer than a count can be."""
    return mask_numbers(str(value)) if abs(value) >= LEAST_NUMBER else value


def _is_trace(value: Any) -> bool:
    """A peer may write anything into its Trace: only one that is a traceparent is none."""
    return isinstance(value, str) and TRACEPARENT.fullmatch(value) is not None
