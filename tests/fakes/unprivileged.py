"""What root is not refused either: tests of refusals run without that power, as root too."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

VERSION_3: Final = 0x20080522
DAC: Final = 1 << 1 | 1 << 2
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH (capabilities(7)): to read what the mode forbids."""


@contextmanager
def without_override() -> Iterator[None]:
    """This thread obeys the modes of files. Elsewhere than on Linux root may still do all."""
    if not sys.platform.startswith("linux"):
        yield
        return
    header = (ctypes.c_uint32 * 2)(VERSION_3, 0)
    before = (ctypes.c_uint32 * 6)()  # twice: effective, permitted, inheritable
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.capget(header, before):
        raise OSError(ctypes.get_errno(), "capget")
    less = (ctypes.c_uint32 * 6)(*before)
    less[0] &= ~DAC
    if libc.capset(header, less):
        raise OSError(ctypes.get_errno(), "capset")
    try:
        yield
    finally:
        libc.capset(header, before)
