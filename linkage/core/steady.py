"""Time that only passes, in microseconds."""

from __future__ import annotations

from collections.abc import Callable

from linkage.ports import Clock
from linkage.store.rows import MICROSECONDS, to_us


def steady_us_of(clock: Clock) -> Callable[[], int]:
    """Microseconds that begin as the wall clock and only pass, however that is set; see `Now`."""
    monotonic = clock.now
    began_us = to_us(clock.utc()) - round(monotonic() * MICROSECONDS)

    def steady_us() -> int:
        return began_us + round(monotonic() * MICROSECONDS)

    return steady_us
