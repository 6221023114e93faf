"""Where the control socket is, and how its path is made to fit a socket's address."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PATH_MAX: Final = 103
"""Bytes of a path that a Unix socket's address holds everywhere; Linux has room for four more."""
LINE_MAX: Final = 256 * 1024
"""Bytes of a question."""


@contextmanager
def fitting(path: Path) -> Iterator[str]:
    """A path to the same socket that is short enough, while the context lasts.

    Data lies in deep directories, too. Linux reaches these by a descriptor; elsewhere the system
    says that the path is too long.
    """
    if len(os.fsencode(path)) <= PATH_MAX:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
