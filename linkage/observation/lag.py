"""How late the event loop is: something that keeps it busy keeps everybody waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Self

from linkage.observation.instruments import QUICK_BOUNDS_S, Histogram

LOOK_EVERY_S: Final = 0.25


class LoopLag:
    """Sets a timer again and again and counts how late each came; use as a context manager.

    `seen_at` is when the loop turned last, by the monotonic clock.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._handle: asyncio.TimerHandle | None = None
        self.lags = Histogram(QUICK_BOUNDS_S)
        self.seen_at = now()

    def __enter__(self) -> Self:
        self._look_later()
        return self

    def __exit__(self, *_: object) -> None:
        if self._handle is not None:
            self._handle.cancel()

    def _look_later(self) -> None:
        due = self._now() + LOOK_EVERY_S
        loop = asyncio.get_running_loop()
        self._handle = loop.call_later(LOOK_EVERY_S, self._look, due)

    def _look(self, due: float) -> None:
        self.seen_at = self._now()
        self.lags.observe(self.seen_at - due)
        self._look_later()
