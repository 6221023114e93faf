"""Counts what comes in floods: the first of a kind is told at once, the rest in one sum."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

KEYS_MAX: Final = 1024
"""Kinds told apart within a window; what comes beyond is counted by its common kind."""

Key = TypeVar("Key")


@dataclass(slots=True)
class _Count:
    told: int = 0
    untold: int = 0
    last: str = ""


class FloodCounter(Generic[Key]):
    """Counts by key; one window for all opens with the first and lasts `window_s`. In a loop.

    Args:
        window_s: for how long.
        sum_up: told at the end of each kind of which some were not told: how many, and in words
            the last.
        common: the kind that stands for a key where there are too many.
    """

    def __init__(
        self,
        window_s: float,
        sum_up: Callable[[Key, int, str], None],
        common: Callable[[Key], Key],
    ) -> None:
        self._window_s = window_s
        self._tell = sum_up
        self._common = common
        self._counts: dict[Key, _Count] = {}
        self._timer: asyncio.TimerHandle | None = None

    def is_news(self, key: Key, detail: str, each: int) -> bool:
        """Whether the caller is to tell it now; else it is counted.

        `each` of a kind are told one by one before counting begins.
        """
        count = self._count(key)
        if count.told < each:
            count.told += 1
            return True
        count.untold += 1
        count.last = detail
        return False

    def sum_up(self) -> None:
        """Tell the sums now; a new window opens with what comes next."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        counts, self._counts = self._counts, {}
        for key, count in counts.items():
            if count.untold:
                self._tell(key, count.untold, count.last)

    def _count(self, key: Key) -> _Count:
        if key not in self._counts and len(self._counts) >= KEYS_MAX:
            key = self._common(key)
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._window_s, self.sum_up)
        return self._counts.setdefault(key, _Count())
