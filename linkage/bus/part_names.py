"""The names of parts: `core`, `gateway`, `gateway:NAME`, `adapter:ID`."""

from __future__ import annotations

import re
from typing import Final

CORE: Final = "core"
GATEWAY: Final = "gateway"
ADAPTER: Final = "adapter"
_AT_THE_BUS: Final = re.compile(
    r"(gateway|gateway:[A-Za-z0-9._-]{1,64}|adapter:[A-Za-z0-9._-]{1,64})"
)


def is_part_of_core(name: str) -> bool:
    """Whether a process may come to a core under that name."""
    return _AT_THE_BUS.fullmatch(name) is not None


def adapter_of(name: str) -> str | None:
    """The one peer that an adapter's part may speak for; None: it is a gateway."""
    kind, _, rest = name.partition(":")
    return rest if kind == ADAPTER else None
