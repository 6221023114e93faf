"""Time."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from; tests turn it by hand."""

    def utc(self) -> datetime:
        """The wall clock: aware, UTC."""
        ...

    def now(self) -> float:
        """Monotonic seconds: for timers only."""
        ...
