"""Message-IDs as headers hold them."""

from __future__ import annotations

import re
from typing import Final

_ID: Final = re.compile(r"<([^<>\s]{1,400})>")
_BARE: Final = re.compile(r"[^<>\s]{1,400}")


def ids_in(header: str | None) -> list[str]:
    """The Message-IDs in a header, without their brackets, in its order."""
    if not header:
        return []
    found = _ID.findall(header)
    return found or [each for each in header.split() if "@" in each and _BARE.fullmatch(each)]
