"""Pages that are written from the code, and may not lag behind it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path


def keep_page(text: Callable[[], str], arguments: Sequence[str]) -> int:
    """The command line `[--check] FILE`: write the page, or only look whether it is what it says.

    Returns:
        0 when all is well, 1 when `--check` found the file stale, which stderr says.
    """
    check = "--check" in arguments
    (path,) = [Path(argument) for argument in arguments if argument != "--check"]
    if not check:
        path.write_text(text(), encoding="utf-8")
        return 0
    if path.exists() and path.read_text(encoding="utf-8") == text():
        return 0
    sys.stderr.write(f"stale: {path}; run: make generate\n")
    return 1
