"""Keeps things running that fail by nature: a link to a platform, a call to a peer that listens.

A supervised job is a coroutine function that works until it fails or is cancelled, and knows
nothing of retries. The
`Supervisor` runs it again after a pause that doubles from failure to failure (1 s → 60 s) and is
then drawn by lot between nothing and that ("full jitter"), so that a hundred links that broke
together do not come back together. A job that ran for a while counts as healthy: the next failure
starts at the shortest pause again. Nothing is given up for good: whoever refuses us, or has taken
our place, is asked again at the longest pause, for what is wrong may be mended over there without
a word to us.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from linkage.ports import AdapterRefusedError, AdapterReplacedError, Clock

logger = logging.getLogger("linkage.supervision")

Sleep = Callable[[float], Awaitable[None]]
Jitter = Callable[[], float]
"""Draws a number in [0, 1)."""

Job = Callable[[], Awaitable[None]]
Ended = Callable[[Exception | None, float], Awaitable[None]]
"""Told of every end: the error (None: it returned), and the pause in seconds before the next."""

_DOUBLINGS_MAX: Final = 32
"""More doublings than any `most_s` needs; keeps 2**n a sensible float after a week of failures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Pauses between attempts, in seconds; a job that ran for `stable_s` counts as healthy."""

    first_s: float = 1.0
    most_s: float = 60.0
    stable_s: float = 60.0

    def pause(self, failures: int, jitter: float) -> float:
        """The pause after the n-th failure in a row (n ≥ 1), for a jitter in [0, 1)."""
        doublings = min(failures - 1, _DOUBLINGS_MAX)
        return jitter * min(self.most_s, self.first_s * 2.0**doublings)


class Supervisor:
    """Runs one job again and again, until cancelled."""

    def __init__(
        self,
        name: str,
        job: Job,
        *,
        clock: Clock,
        backoff: Backoff | None = None,
        ended: Ended | None = None,
        sleep: Sleep = asyncio.sleep,
        jitter: Jitter = random.random,
    ) -> None:
        self._name = name
        self._job = job
        self._clock = clock
        self._backoff = backoff or Backoff()
        self._ended = ended
        self._sleep = sleep
        self._jitter = jitter
        self._failures = 0
        self._said = ""

    async def run(self) -> None:
        """Until cancelled; there is no other end."""
        while True:
            started = self._clock.now()
            error = await self._run_once()
            if self._clock.now() - started >= self._backoff.stable_s:
                self._failures, self._said = 0, ""
            self._failures += 1
            if error is not None and find_refusal(error) is not None:
                pause = self._backoff.most_s
            else:
                pause = self._backoff.pause(self._failures, self._jitter())
            await self._tell(error, pause)
            await self._sleep(pause)

    async def _run_once(self) -> Exception | None:
        try:
            await self._job()
        except Exception as error:  # noqa: BLE001 - whatever a vendor's library raises ends there
            return error
        return None

    async def _tell(self, error: Exception | None, pause: float) -> None:
        reason = "ended" if error is None else describe(error)
        # Once for one reason: who is away for a night is tried thousands of times.
        level = logging.DEBUG if reason == self._said else logging.WARNING
        self._said = reason
        logger.log(level, "%s: %s; again in %.1f s", self._name, reason, pause)
        if self._ended is None:
            return
        try:
            await self._ended(error, pause)
        except Exception:
            logger.exception("%s: could not report the end", self._name)


def find_refusal(error: Exception) -> AdapterRefusedError | AdapterReplacedError | None:
    """What of an error does not pass by itself, also where a TaskGroup has wrapped it."""
    if isinstance(error, AdapterRefusedError | AdapterReplacedError):
        return error
    if isinstance(error, ExceptionGroup):
        for inner in error.exceptions:
            found = find_refusal(inner)
            if found is not None:
                return found
    return None


def describe(error: Exception) -> str:
    """One line for a log; a group is told by its first member: it brought the others down."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class TaskSet:
    """Owns tasks that come and go: keeps them alive, logs what they raise, ends them with it."""

    __slots__ = ("_name", "_tasks")

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run `work` as a task of this owner."""
        task = asyncio.get_running_loop().create_task(work, name=f"{self._name}:{name}")
        self._tasks.add(task)
        task.add_done_callback(self._finish)
        return task

    def _finish(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("%s failed: %s", task.get_name(), error, exc_info=error)

    def cancel(self) -> None:
        """Ask every task to end; does not wait."""
        for task in self._tasks:
            task.cancel()

    async def close(self, *, grace_s: float = 0.0) -> None:
        """Wait up to `grace_s` for the tasks to end by themselves, then cancel the rest."""
        if self._tasks and grace_s > 0:
            await asyncio.wait(self._tasks, timeout=grace_s)
        self.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
