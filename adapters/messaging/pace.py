"""How fast texts are submitted: so many in a second, and not while the centre has too many."""

from __future__ import annotations

import asyncio
from typing import Final

from linkage.ports import Clock

PAUSE_MAX_S: Final = 30.0


class Pace:
    """Gives turns.

    Args:
        per_second: how many; 0: as many as are asked for.
        throttle_s: the first pause after the centre was given too much; each further one is twice
            as long, until it takes one again.
    """

    def __init__(self, clock: Clock, per_second: float, throttle_s: float) -> None:
        self._clock = clock
        self._every_s = 1 / per_second if per_second else 0.0
        self._throttle_s = self._pause_s = throttle_s
        self._next = clock.now()
        self._closed_until = clock.now()

    @property
    def is_free(self) -> bool:
        """Whether turns are given for the asking, and are not counted."""
        return not self._every_s and self._clock.now() >= self._closed_until

    async def turn(self) -> None:
        """Wait until one may be submitted."""
        now = self._clock.now()
        begins = self._next = max(self._next, now)
        self._next += self._every_s
        while (wait := max(begins, self._closed_until) - self._clock.now()) > 0:  # noqa: ASYNC110 - it may have been put off meanwhile
            await asyncio.sleep(wait)

    def took(self) -> None:
        """The centre has taken one."""
        if self._clock.now() >= self._closed_until:
            self._pause_s = self._throttle_s

    def throttled(self) -> None:
        """The centre was given too much."""
        if self._clock.now() < self._closed_until:
            return  # an answer to what was sent before the pause
        self._closed_until = self._clock.now() + self._pause_s
        self._pause_s = min(2 * self._pause_s, PAUSE_MAX_S)
