"""Where the time comes from: the system's clocks, or one that a test turns by hand."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Final

MANUAL_START: Final = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
"""Where a `ManualClock` stands when nothing else is said; any day would do."""


class SystemClock:
    """The one place that reads the system's clocks; implements `linkage.ports.Clock`."""

    __slots__ = ()

    def utc(self) -> datetime:
        """The wall clock: aware, UTC."""
        return datetime.fromtimestamp(time.time(), UTC)

    now = staticmethod(time.monotonic)
    """Monotonic seconds: for timers only. The system's function itself, asked at each message."""


class ManualClock:
    """A clock that stands still until it is told to move; implements `linkage.ports.Clock`.

    The wall clock can also be set on its own (`jump`), as an administrator or NTP does: the
    monotonic one must not follow.
    """

    __slots__ = ("_now", "_utc")

    def __init__(self, utc: datetime = MANUAL_START, now: float = 1000.0) -> None:
        if utc.tzinfo is None:
            raise ValueError("a clock wants an aware time")
        self._utc = utc.astimezone(UTC)
        self._now = now

    def utc(self) -> datetime:
        """The wall clock: aware, UTC."""
        return self._utc

    def now(self) -> float:
        """Monotonic seconds."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass, on both clocks."""
        if seconds < 0:
            raise ValueError("monotonic time does not run backwards; `jump` sets the wall clock")
        self._now += seconds
        self._utc += timedelta(seconds=seconds)

    def jump(self, utc: datetime) -> None:
        """Set the wall clock alone."""
        if utc.tzinfo is None:
            raise ValueError("a clock wants an aware time")
        self._utc = utc.astimezone(UTC)
