"""Requests that the core has and has not answered yet, of all sessions of one gateway."""

from __future__ import annotations

import asyncio


class InFlight:
    """Counts them; a shutdown waits until there are none."""

    __slots__ = ("_count", "_none_left")

    def __init__(self) -> None:
        self._count = 0
        self._none_left: asyncio.Future[None] | None = None

    def begin(self) -> None:
        """One was given to the core."""
        self._count += 1

    def end(self) -> None:
        """One was answered."""
        self._count -= 1
        if not self._count and self._none_left is not None:
            self._none_left.set_result(None)
            self._none_left = None

    async def settled(self, within_s: float) -> None:
        """Wait until all are answered, or for so long."""
        if self._count:
            if self._none_left is None:
                self._none_left = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._none_left], timeout=within_s)
