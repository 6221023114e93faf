"""The time that simulators live in: real, faster, or jumping when nothing is left to happen.

All simulators of one run share one clock, and everything that "takes seconds" in a scenario is a
timer of it.

How the virtual clock works over TCP, where it cannot see into the middleware: it jumps to the
next timer when no simulator has sent or received anything for `quiet_s` of real time. It waits
longer, up to `patience_s`, as long as it knows that something must still come: a request without
its response, or a message that one simulator sent through the middleware and that no other has
seen yet (`sent` and `seen` keep that account). So the order of messages does not depend on how
fast the machine is, a long scenario takes a fraction of a second, and a message that the
middleware swallows delays the run by `patience_s` and does not hang it.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Final, Protocol

QUIET_S: Final = 0.02
"""Long enough for a message to cross the loopback and be handled on a busy machine."""
PATIENCE_S: Final = 2.0
REAL_QUIET_S: Final = 0.2
START: Final = datetime(2008, 11, 3, 9, 0, tzinfo=UTC)
"""Where a virtual clock begins when nobody says: any fixed time keeps runs comparable."""


class ScenarioTimer(Protocol):
    """Something that will happen."""

    def cancel(self) -> None:
        """It will not."""
        ...


class ScenarioClock(Protocol):
    """Time and timers of one run, and the account of what is under way."""

    def now(self) -> float:
        """Seconds since the run began."""
        ...

    def utc(self) -> datetime:
        """The wall clock of the run."""
        ...

    def call_at(self, when: float, action: Callable[[], None]) -> ScenarioTimer:
        """Do `action` when `now()` has reached `when`."""
        ...

    @property
    def is_wall(self) -> bool:
        """True when `utc` is the time on the wall, which others may be told."""
        ...

    @property
    def pace(self) -> float:
        """Seconds of the run that pass in one on the wall."""
        ...

    async def quiet(self) -> None:
        """Return when nothing more is on its way, as far as can be told."""
        ...

    def sent(self, number: int) -> None:
        """A message of this type was sent and another simulator is to see it."""
        ...

    def seen(self, number: int) -> None:
        """A simulator has received a message of this type."""
        ...

    def busy(self) -> Hold:
        """A context in which time does not jump, such as the wait for a response."""
        ...


class Hold:
    """Context manager that counts itself in and out."""

    def __init__(self, change: Callable[[int], None]) -> None:
        self._change = change

    def __enter__(self) -> None:
        self._change(1)

    def __exit__(self, *_: object) -> None:
        self._change(-1)


class RealClock:
    """Time as it passes, or `speed` times as fast, for a demonstration."""

    def __init__(self, *, speed: float = 1.0) -> None:
        if speed <= 0:
            raise ValueError(f"speed {speed}: time runs forward; give a number above 0")
        self.speed = speed
        self._loop = asyncio.get_running_loop()
        self._zero = self._loop.time()
        self._start = _wall()

    def now(self) -> float:
        """Seconds of the scenario since the clock was made."""
        return (self._loop.time() - self._zero) * self.speed

    def utc(self) -> datetime:
        """The wall clock when the clock was made, plus `now()`."""
        return self._start + timedelta(seconds=self.now())

    def call_at(self, when: float, action: Callable[[], None]) -> ScenarioTimer:
        """Do `action` when `now()` has reached `when`."""
        return self._loop.call_at(self._zero + when / self.speed, action)

    @property
    def is_wall(self) -> bool:
        """Only at the speed of real time."""
        return self.speed == 1.0

    @property
    def pace(self) -> float:
        """The speed: what lasts 40 s in a scenario lasted 2 s on the wall at a speed of 20."""
        return self.speed

    async def quiet(self) -> None:
        """Give messages that are under way the time to arrive."""
        await asyncio.sleep(REAL_QUIET_S)

    def sent(self, number: int) -> None:
        """Real time waits for nobody."""

    def seen(self, number: int) -> None:
        """Real time waits for nobody."""

    def busy(self) -> Hold:
        """Real time waits for nobody."""
        return Hold(lambda _: None)


class VirtualClock:
    """Time that jumps from timer to timer when everything is quiet; `run` drives it."""

    def __init__(
        self, *, start: datetime = START, quiet_s: float = QUIET_S, patience_s: float = PATIENCE_S
    ) -> None:
        self._start = start
        self._quiet_s = quiet_s
        self._patience_s = patience_s
        self._now = 0.0
        self._timers: list[tuple[float, int, _VirtualTimer]] = []
        self._order = count()
        self._holds = 0
        self._under_way: Counter[int] = Counter()
        self._stirred = asyncio.Event()

    def now(self) -> float:
        """Seconds of the scenario since the clock was made; stands still between jumps."""
        return self._now

    def utc(self) -> datetime:
        """The start plus `now()`."""
        return self._start + timedelta(seconds=self._now)

    def call_at(self, when: float, action: Callable[[], None]) -> ScenarioTimer:
        """Do `action` when `now()` has reached `when`; timers of one moment as they were set."""
        timer = _VirtualTimer(action)
        heapq.heappush(self._timers, (max(when, self._now), next(self._order), timer))
        self._stirred.set()
        return timer

    def sent(self, number: int) -> None:
        """Wait for `seen(number)` before the next jump, for at most `patience_s`."""
        self._under_way[number] += 1
        self._stirred.set()

    def seen(self, number: int) -> None:
        """A simulator has received a message of this type."""
        if self._under_way[number] > 1:
            self._under_way[number] -= 1
        else:
            del self._under_way[number]
        self._stirred.set()

    @property
    def is_wall(self) -> bool:
        """It jumps ahead of the wall."""
        return False

    @property
    def pace(self) -> float:
        """A second is one, on the wall that such a run has of its own."""
        return 1.0

    def busy(self) -> Hold:
        """A context in which time waits, for at most `patience_s` without anything happening."""
        return Hold(self._hold)

    async def run(self) -> None:
        """Jump from timer to timer until cancelled; an error of an action is raised here."""
        while True:
            await self.quiet()
            if not self.advance():
                self._stirred.clear()
                await self._stirred.wait()

    async def quiet(self) -> None:
        """Return when nothing more will happen before time moves."""
        while True:
            self._stirred.clear()
            limit = self._patience_s if self._holds or self._under_way else self._quiet_s
            try:
                # Not `wait_for`: before 3.12 it may swallow a cancellation.
                async with asyncio.timeout(limit):
                    await self._stirred.wait()
            except TimeoutError:
                # What has not come by now was swallowed: it must not slow down later jumps.
                self._under_way.clear()
                return

    def advance(self) -> bool:
        """Jump to the next timer and do its action; False where there is none."""
        while self._timers:
            when, _, timer = heapq.heappop(self._timers)
            if timer.action is not None:
                self._now = when
                timer.action()
                return True
        return False

    def _hold(self, change: int) -> None:
        self._holds += change
        self._stirred.set()


class ClientClock:
    """The time of a simulator's client: that of the run where it may be told, else the wall's."""

    def __init__(self, clock: ScenarioClock) -> None:
        self._clock = clock

    def utc(self) -> datetime:
        """The wall clock, which registration and `Expire` are judged by."""
        return self._clock.utc() if self._clock.is_wall else _wall()

    def now(self) -> float:
        """Monotonic seconds: heartbeats are not simulated."""
        return asyncio.get_running_loop().time()


def _wall() -> datetime:
    """The one place where simulators look at the clock on the wall."""
    return datetime.now(UTC)  # noqa: TID251 - clocks are made of it


class _VirtualTimer:
    """A timer on the heap; a cancelled one stays there without an action until its time comes."""

    __slots__ = ("action",)

    def __init__(self, action: Callable[[], None]) -> None:
        self.action: Callable[[], None] | None = action

    def cancel(self) -> None:
        self.action = None
