"""Output of commands: JSON for programs, a console, times and sizes for people."""

from __future__ import annotations

import json
import re
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click

from linkage.cli.shared.terminal import is_unicode, screen_width
from linkage.times import full_time

if TYPE_CHECKING:
    from rich.console import Console

_UNSAFE: Final = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def print_json(value: Any, *, indent: int | None = 2) -> None:
    """Write a value as JSON on stdout; characters that a terminal would obey are escaped."""
    written = json.dumps(value, ensure_ascii=not is_unicode(sys.stdout), indent=indent)
    click.echo(_UNSAFE.sub(lambda match: f"\\u{ord(match.group()):04x}", written))


def console() -> Console:
    """Where people read: as wide as the terminal is now; see `screen_width`."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else screen_width()
    return Console(width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)


def local_time(moment: datetime | None) -> str:
    """`full_time`; empty where there is none."""
    return "" if moment is None else full_time(moment)


def size_text(size_bytes: int | None) -> str:
    """`32.0 kB`: decimal multiples."""
    if size_bytes is None:
        return ""
    value = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:  # noqa: PLR2004 - a thousand is a thousand
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
