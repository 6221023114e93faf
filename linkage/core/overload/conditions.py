"""The conditions under which linkage cannot promise everything, and the alarms of them.

Pure: told how things stand, it answers with alarms.

| condition | raised | requests meanwhile |
|---|---|---|
| `store` | the disk did not take a batch | 404, `RetryAfter` 5 |
| `overload` | too much waits for the disk, or it waits too long | 404, `RetryAfter` 1 |
| `disk-low` | less is free than `disk_free_mb` | taken |
| `log-held` | a reader that stays keeps the store's log from being taken in | taken |
| `clock` | the clock was set by more than a registration may be off | taken |

Each is raised at once and cleared when it has been over for `CALM_S`, so that a disk that is full
every other second is one alarm.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from linkage.config.core import OverloadLimits
from linkage.core.alarms import Alarm
from linkage.core.clock_steps import step_in_words
from linkage.store.rows import MICROSECONDS, to_us
from protocol.registration import TIME_TOLERANCE_S

STORE: Final = "store"
OVERLOAD: Final = "overload"
DISK_LOW: Final = "disk-low"
CLOCK: Final = "clock"
LOG_HELD: Final = "log-held"
CONDITIONS: Final = (STORE, OVERLOAD, DISK_LOW, LOG_HELD, CLOCK)
CALM_S: Final = 10.0
MIB: Final = 1024 * 1024
ENOUGH: Final = 1.1
"""How much more than `disk_free_mb` must be free before it is enough again."""
OVER: Final = {
    STORE: "the store is written again",
    OVERLOAD: "requests are taken again",
    DISK_LOW: "there is room again on the disk of the store",
    LOG_HELD: "the store's log is taken in again",
    CLOCK: "the clock is where it was, or has stood for a day where it was set",
}
LEVELS: Final = {
    STORE: "critical",
    OVERLOAD: "major",
    DISK_LOW: "warning",
    LOG_HELD: "warning",
    CLOCK: "major",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """How things stand: what waits, how long the oldest has, free bytes (None: not known).

    `clock_off_us`: by how much the clock was set; `log_held`: who keeps the log, in words;
    "": nobody, None: not known.
    """

    inbox: int
    oldest_s: float
    store_error: str | None
    disk_free: int | None
    clock_off_us: int = 0
    log_held: str | None = None


@dataclass(slots=True)
class _Condition:
    """One of them: raised, and over since.

    `raised` is None before the first look: a process before this one may have raised it.
    """

    text: str = ""
    raised: bool | None = None
    calm_since: float | None = None

    def look(self, problem: str | None, now: float) -> bool | None:
        """True: it is to be raised; False: cleared; None: no news."""
        if problem is not None:
            self.text, self.calm_since = problem, None
            news, self.raised = not self.raised, True
            return True if news else None
        if self.raised:
            if self.calm_since is None:
                self.calm_since = now
            if now - self.calm_since < CALM_S:
                return None
        news, self.raised = self.raised is not False, False
        return False if news else None


class Conditions:
    """All of them. `now` is monotonic seconds."""

    def __init__(self, bounds: OverloadLimits, source: str) -> None:
        self.bounds = bounds
        self._source = source
        self._conditions = {name: _Condition() for name in CONDITIONS}
        self._overloaded = False

    @property
    def overloaded(self) -> bool:
        """Whether requests are refused because too many wait already."""
        return self._overloaded

    @property
    def raised(self) -> dict[str, str]:
        """The conditions that are raised, in words."""
        return {name: c.text for name, c in self._conditions.items() if c.raised}

    # --- conditions ------------------------------------------------------------------------------
    def look(self, standing: Readings, now: float, utc: datetime) -> list[Alarm]:
        """What is news in how things stand."""
        alarms = []
        for name, problem in self._problems(standing):
            news = self._conditions[name].look(problem, now)
            if news is not None:
                alarms.append(self._alarm(name, raised=news, at=to_us(utc)))
        return alarms

    def _problems(self, standing: Readings) -> Iterator[tuple[str, str | None]]:
        error = standing.store_error
        yield STORE, None if error is None else f"the store cannot be written: {error}"
        yield OVERLOAD, self._overload(standing)
        if standing.disk_free is not None:
            yield DISK_LOW, self._disk_low(standing.disk_free)
        if standing.log_held is not None:
            yield LOG_HELD, standing.log_held or None
        yield CLOCK, _clock(standing.clock_off_us)

    def _overload(self, standing: Readings) -> str | None:
        # Half of it before more is taken: not one in, one out at the very bound.
        share = 0.5 if self._overloaded else 1.0
        bounds = self.bounds
        many = standing.inbox >= bounds.inbox * share
        long = standing.oldest_s >= bounds.inbox_wait_s * share
        self._overloaded = many or long
        if not self._overloaded:
            return None
        return f"{standing.inbox} requests wait for the disk, since {standing.oldest_s:.1f} s"

    def _disk_low(self, free: int) -> str | None:
        share = ENOUGH if self._conditions[DISK_LOW].raised else 1.0
        if free >= self.bounds.disk_free_mb * MIB * share:
            return None
        return f"{free // MIB} MiB are free on the disk of the store: make room"

    def _alarm(self, name: str, *, raised: bool, at: int) -> Alarm:
        text = self._conditions[name].text if raised else OVER[name]
        return Alarm(name, self._source, text, raised=raised, level=LEVELS[name], at=at)


def _clock(off_us: int) -> str | None:
    if abs(off_us) <= TIME_TOLERANCE_S * MICROSECONDS:
        return None
    step = step_in_words(off_us)
    return f"{step}: registrations and commands are judged by it; see that it is right"
