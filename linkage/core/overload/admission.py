"""Admission of requests: which are refused unread, and what waits for a disk that takes nothing.

"May this peer be heard now?" is answered here and nowhere else in the core: by `Holds` for who was
told to wait, by `Conditions` for how things stand. It belongs to the event loop's thread.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from linkage.config.file import Config
from linkage.core.alarms import Alarm
from linkage.core.delivery.acknowledge import Acknowledge
from linkage.core.job import Job
from linkage.core.overload.conditions import Conditions, Readings
from linkage.core.overload.holds import OVERLOAD_RETRY_S, STORE_RETRY_S, Holds
from linkage.core.own_entries import Observe, TellAlarm
from linkage.core.scope import Done
from linkage.core.sessions.takeover import Takeover
from linkage.core.writer.group_commit import GroupCommit
from linkage.ports import Clock

logger = logging.getLogger("linkage.core")

KEPT_MAX: Final = 10_000
"""Jobs of linkage's own that waits for a disk that takes nothing. While there is so much, no more
is read from queues; what is observed beyond it is lost."""


class Admission:
    """What the core asks before it takes a request, and tells after each batch.

    Args:
        put: queues work of linkage's own, and tells what became of it.
        holds: who was told to wait.
        tell: tells an alarm to whoever is connected, without a place in a queue.
        takeover: takes the answers of sessions that are about to be replaced.
        log_held: who keeps the store's log from being taken in, in words; None: nobody.
    """

    def __init__(
        self,
        config: Config,
        commits: GroupCommit,
        clock: Clock,
        *,
        put: Callable[[Job[Any], Callable[[Done[Any]], None] | None], None],
        holds: Holds,
        tell: Callable[[Alarm], None],
        takeover: Takeover,
        log_held: Callable[[], str | None] = lambda: None,
    ) -> None:
        self.conditions = Conditions(config.limits, config.id)
        self._commits = commits
        self._clock = clock
        self._put = put
        self._tell = tell
        self._takeover = takeover
        self._log_held = log_held
        self._holds = holds
        self._kept: list[Job[Any]] = []
        self._told: set[Alarm] = set()
        self.waiting: Counter[str] = Counter()
        """Requests that wait for the disk, by peer."""

    @property
    def has_room(self) -> bool:
        """Whether more may be read from queues, and so be acknowledged."""
        return len(self._kept) < KEPT_MAX

    @property
    def store_failing(self) -> bool:
        """Whether the store did not take the last batch."""
        return self._commits.store_failing

    def refusal(self, source: str, inbox: int) -> int:
        """For how many seconds a peer's requests are not taken; 0: they are."""
        now = self._clock.now()
        wait = self._holds.wait_s(source, now)
        if wait:
            return wait
        if self._commits.store_failing:
            return self._holds.hold(source, STORE_RETRY_S, now)
        bounds = self.conditions.bounds
        many = inbox >= bounds.inbox or self.waiting[source] >= bounds.inbox_per_peer
        if many or self.conditions.overloaded:
            return self._holds.hold(source, OVERLOAD_RETRY_S, now)
        return 0

    # --- after a batch ---------------------------------------------------------------------------
    def failed(self, job: Job[Any], error: Exception) -> None:
        """What the disk did not take, and nobody will say again, is kept; not what met a bug."""
        if not isinstance(error, OSError):
            return
        if isinstance(job, TellAlarm) and job.alarm.raised:
            self._tell_at_once(job.alarm)
        if isinstance(job, Acknowledge) and self._takeover.holds(job):
            return
        lost = isinstance(job, Observe) and not self.has_room
        if job.is_kept and not lost:
            self._kept.append(job)

    def _alarm_written(self, alarm: Alarm, done: Done[bool]) -> None:
        """An alarm is on disk, unless that failed."""
        if done.error is not None:
            return
        self._told.discard(alarm)
        if done.value and not alarm.raised:
            logger.warning("%s: %s", alarm.id, alarm.text)

    def hand_over(self, receiver: str) -> None:
        """A newer session of a peer registers: what the older answered and is not on disk waits.

        Written after the registration it would settle what the newer one is still to get.
        """
        self._takeover.begin_registration(receiver)
        self._kept = [
            job
            for job in self._kept
            if not (isinstance(job, Acknowledge) and self._takeover.holds(job))
        ]

    def offer_kept(self) -> bool:
        """Try once more, as one batch with what else there is in this turn of the loop.

        True where anything was kept.
        """
        kept, self._kept = self._kept, []
        for job in kept:
            self._offer(job)
        return bool(kept)

    def _offer(self, job: Job[Any]) -> None:
        written = None
        if isinstance(job, TellAlarm):
            written = partial(self._alarm_written, job.alarm)
        self._put(job, written)

    def look(self, inbox: int, oldest_s: float) -> None:
        """See how things stand, and say so where that is news."""
        failing = self._commits.store_failing
        standing = Readings(
            inbox=inbox,
            # What a failing disk makes wait is no overload.
            oldest_s=0.0 if failing else oldest_s,
            store_error=self._commits.store_error,
            disk_free=self._commits.context.disk_free,
            clock_off_us=self._commits.clock_off_us,
            log_held=self._log_held() or "",
        )
        for alarm in self.conditions.look(standing, self._clock.now(), self._clock.utc()):
            self._offer(TellAlarm(alarm))
            if alarm.raised:
                logger.warning("%s: %s", alarm.id, alarm.text)
                if standing.oldest_s >= self.conditions.bounds.inbox_wait_s:
                    self._tell_at_once(alarm)  # it will be long before it is on disk

    def _tell_at_once(self, alarm: Alarm) -> None:
        """Who is here hears it before it is on disk; from the journal it comes once more."""
        if alarm not in self._told:
            self._told.add(alarm)
            self._tell(alarm)
