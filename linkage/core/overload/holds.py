"""Who was told to wait, and until when.

What a peer has under way behind a refused request would overtake it: so whoever was told to come
again in some seconds is refused until then, also where things are well again.
"""

from __future__ import annotations

import math
from typing import Final

OVERLOAD_RETRY_S: Final = 1
STORE_RETRY_S: Final = 5


class Holds:
    """Asked in the event loop before a request is taken, in the core's thread before it is done.

    Each call is a few operations of a dictionary, so the two threads need no lock. `now` is
    monotonic seconds.
    """

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._queued_until: dict[str, float] = {}
        """Of those from whom the store did not take a request: what is queued is refused too."""

    # --- in the event loop -----------------------------------------------------------------------
    def wait_s(self, peer_id: str, now: float) -> int:
        """Seconds that a peer has to wait before it is heard again; 0: it is heard."""
        if not self._until and not self._queued_until:
            return 0
        until = max(self._until.get(peer_id, 0.0), self._queued_until.get(peer_id, 0.0))
        if now < until:
            return math.ceil(until - now)
        self._until.pop(peer_id, None)
        return 0

    def hold(self, peer_id: str, seconds: int, now: float) -> int:
        """A peer is told to wait; a later refusal does not prolong it. Returns `seconds`."""
        if self._until.get(peer_id, now) <= now:
            self._until[peer_id] = now + seconds
        return seconds

    # --- in the core's thread --------------------------------------------------------------------
    def hold_queued(self, peer_id: str, now: float) -> None:
        """The store did not take a request of a peer's: what is queued of it is refused too."""
        if self._queued_until.get(peer_id, now) <= now:
            self._queued_until[peer_id] = now + STORE_RETRY_S

    def queued(self, now: float) -> frozenset[str]:
        """The peers whose queued requests are refused."""
        if not self._queued_until:
            return frozenset()
        held = frozenset(
            peer_id for peer_id, until in self._queued_until.copy().items() if now < until
        )
        if not held:
            self._queued_until.clear()
        return held
