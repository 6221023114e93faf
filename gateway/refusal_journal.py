"""What strangers are refused, in the journal: each one told, a flood summed up.

The first few of a kind from an address are journalled at once, the rest of the minute is counted
and journalled as one entry when it is over. So a flood of refusals is seen in the journal, and
cannot fill it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from linkage.flood import FloodCounter
from linkage.ports import Absent, CorePort, EntryKind

logger = logging.getLogger("linkage.gateway")

MANY: Final = "other addresses"
"""What is counted together where too many addresses are refused within a minute."""

Kind = tuple[str, EntryKind, int | None]
"""Who is refused, as what it is journalled, and what they were answered."""


class RefusalJournal:
    """Counts by (source, kind, result) and says what is to be journalled now.

    One window for all: it opens with the first refusal and lasts `window_s`.
    """

    def __init__(self, core: CorePort, window_s: float, work: set[asyncio.Task[Any]]) -> None:
        self._core = core
        self._window_s = window_s
        self._work = work
        self._flood: FloodCounter[Kind] = FloodCounter(
            window_s, self._sum_up, lambda kind: (MANY, *kind[1:])
        )

    def is_news(
        self, source: str, kind: EntryKind, detail: str, *, result: int | None, each: int
    ) -> bool:
        """Whether the caller is to journal it now; else it is counted.

        Args:
            source: who is refused: a host or a peer id.
            kind: as what it is journalled.
            detail: in words; of those that are counted, the sum names the last.
            result: what the refused were answered, None: nothing.
            each: how many of this kind are journalled one by one before counting begins.
        """
        return self._flood.is_news((source, kind, result), detail, each)

    def turned_away(self, host: str, address: str, why: str) -> None:
        """A connection was closed before it said anything."""
        detail = f"connection from {address} turned away: {why}"
        if self.is_news(host, EntryKind.STRANGER, detail, result=None, each=1):
            logger.warning("%s", detail)
            self._journal(address, EntryKind.STRANGER, detail, None)

    def close(self) -> None:
        """Journal the sums now."""
        self._flood.sum_up()

    def _sum_up(self, refused: Kind, untold: int, last: str) -> None:
        source, kind, result = refused
        detail = f"{untold} more like it from {source} within {self._window_s:g} s, last: {last}"
        logger.warning("%s", detail)
        self._journal(source, kind, detail, result)

    def _journal(self, address: str, kind: EntryKind, detail: str, result: int | None) -> None:
        note = self._core.note(Absent(address), kind, detail, result=result)
        task = asyncio.get_running_loop().create_task(_write(note))
        # Kept there until it is done: a shutdown waits for it.
        self._work.add(task)
        task.add_done_callback(self._work.discard)


async def _write(note: Any) -> None:
    try:
        await note
    except Exception:
        logger.exception("an entry was not journalled")
