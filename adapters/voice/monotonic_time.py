"""The time by which the adapter's deadlines are kept: nobody can set it.

It runs as the monotonic clock does, and looks like a wall clock's so that deadlines can outlive
the process: by how much the wall clock was set meanwhile is remembered, and taken off again after
a restart. Only a step of the clock while linkage was not running is not seen.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from linkage.ports import Clock


class MonotonicTime:
    """Of one process; `ahead` is how far the wall clock was set ahead of it."""

    __slots__ = ("_began", "_clock", "_start")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.now()
        self._start = clock.utc()

    def now(self) -> datetime:
        """A point on the steady scale."""
        return self._start + timedelta(seconds=self._clock.now() - self._began)

    def at(self, deadline: float) -> datetime:
        """A deadline on the monotonic clock as a point on the scale, as far as there is one."""
        try:
            return self.now() + timedelta(seconds=deadline - self._clock.now())
        except OverflowError:
            return datetime.max.replace(tzinfo=self._start.tzinfo)

    def until(self, due: datetime) -> float:
        """Seconds from now to a point on the scale, negative where it has passed."""
        return (due - self.now()).total_seconds()

    @property
    def ahead_s(self) -> float:
        """How far the wall clock is ahead of the scale: by so much it was set."""
        return (self._clock.utc() - self.now()).total_seconds()

    def stamp(self) -> dict[str, Any]:
        """What a record in the memory says of when it was written."""
        return {"saved": self.now().isoformat(), "ahead_s": self.ahead_s}

    def resume(self, ahead_s: float) -> None:
        """Go on with the scale of an earlier process."""
        self._start -= timedelta(seconds=ahead_s - self.ahead_s)
