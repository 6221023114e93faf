"""What strangers are refused, in the journal: each one told, a flood summed up.

The first few of a kind from an address are journalled at once, the rest of the minute is counted
and journalled as one entry when it is over. So a flood of refusals is seen in the journal, and
cannot fill it.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any, Final

from linkage.ports import Absent, CorePort, EntryKind

logger = logging.getLogger("linkage.gateway")

KEYS_MAX: Final = 1024
"""Kinds and addresses told apart within a minute; what comes beyond is counted together."""
MANY: Final = "other addresses"


@dataclass(slots=True)
class _Count:
    kind: EntryKind
    source: str
    told: int = 0
    untold: int = 0
    last: str = ""
    result: int | None = None


class RefusalJournal:
    """Counts by (source, kind, result) and says what is to be journalled now.

    One window for all: it opens with the first refusal and lasts `window_s`.
    """

    def __init__(self, core: CorePort, window_s: float, work: set[asyncio.Task[Any]]) -> None:
        self._core = core
        self._window_s = window_s
        self._work = work
        self._counts: dict[tuple[str, EntryKind, int | None], _Count] = {}
        self._timer: asyncio.TimerHandle | None = None

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
        count = self._count(source, kind, result)
        if count.told < each:
            count.told += 1
            return True
        count.untold += 1
        count.last = detail
        return False

    def turned_away(self, host: str, address: str, why: str) -> None:
        """A connection was closed before it said anything."""
        detail = f"connection from {address} turned away: {why}"
        if self.is_news(host, EntryKind.STRANGER, detail, result=None, each=1):
            logger.warning("%s", detail)
            self._journal(address, EntryKind.STRANGER, detail, None)

    def close(self) -> None:
        """Journal the sums now."""
        if self._timer is not None:
            self._timer.cancel()
        self._sum_up()

    def _count(self, source: str, kind: EntryKind, result: int | None) -> _Count:
        key = (source, kind, result)
        if key not in self._counts and len(self._counts) >= KEYS_MAX:
            key = (MANY, kind, result)
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._window_s, self._sum_up)
        return self._counts.setdefault(key, _Count(kind, key[0], result=result))

    def _sum_up(self) -> None:
        self._timer = None
        counts, self._counts = self._counts, {}
        for count in counts.values():
            if count.untold:
                detail = (
                    f"{count.untold} more like it from {count.source} within "
                    f"{self._window_s:g} s, last: {count.last}"
                )
                logger.warning("%s", detail)
                self._journal(count.source, count.kind, detail, count.result)

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
