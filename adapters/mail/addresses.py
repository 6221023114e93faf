"""Mail addresses as commands write them, and as headers do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

ADDRESS: Final = re.compile(
    r"[^\s<>()\[\],;:\\\"@\x00-\x1f\x7f]{1,64}@[^\s<>()\[\],;:\\\"@/\x00-\x1f\x7f]{1,255}"
)
_NAMED: Final = re.compile(r"[^<>]*<([^<>]+)>\s*")
SIZE_MAX: Final = 320


def bare(written: str) -> str | None:
    """`Name <a@b>`, `a@b` → `a@b`; None: it is no address."""
    named = _NAMED.fullmatch(written)
    found = named[1] if named else written
    return found if len(found) <= SIZE_MAX and ADDRESS.fullmatch(found) else None


def once(addresses: Iterable[str]) -> list[str]:
    """Each address once, whatever its case."""
    return list({each.casefold(): each for each in reversed(list(addresses))}.values())[::-1]
