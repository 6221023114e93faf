"""Reading the memory of an adapter, a small table of its own; it is written by `Record`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar

from linkage.core.context import Context
from linkage.core.jobs import Job


@dataclass(frozen=True, slots=True)
class LoadMemory(Job[dict[str, Any]]):
    """Read all of it."""

    adapter: str

    only_reads: ClassVar[bool] = True

    def run(self, context: Context) -> dict[str, Any]:
        """One value that cannot be read spoils but itself: it is given as its text."""
        kept = context.tx.memory.load(self.adapter)
        return {key: _plain(value) for key, value in kept.items()}


def _plain(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
