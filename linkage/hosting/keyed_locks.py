"""One thing after the other, where they concern the same key, such as a call."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class KeyedLocks:
    """Whoever names the same key has to wait for their turn, in the order of asking."""

    __slots__ = ("_locks", "_users")

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        self._users: Counter[str] = Counter()

    def is_free(self, key: str | None) -> bool:
        """Whether nobody has the turn, or waits for it."""
        return key not in self._locks

    @asynccontextmanager
    async def take(self, key: str | None) -> AsyncIterator[None]:
        """Wait for the turn and have it; None waits for nobody."""
        if key is None:
            yield
            return
        lock = self._locks.setdefault(key, asyncio.Lock())
        self._users[key] += 1
        try:
            async with lock:
                yield
        finally:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key], self._locks[key]
