"""Admission of requests: which are refused unread, and what waits for a disk that takes nothing.

The conditions are judged in `linkage.core.overload.conditions`; this applies them to jobs. It
belongs to the event loop's thread.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Final

from linkage.config.file import Config
from linkage.core.engine import CoreEngine
from linkage.core.jobs import Acknowledge, Alarm, Done, GiveUp, Job, Observe, Record, Submit
from linkage.core.overload.conditions import (
    OVERLOAD_RETRY_S,
    STORE_RETRY_S,
    Conditions,
    Readings,
)
from linkage.core.sessions.takeover import Takeover
from linkage.ports import Clock

logger = logging.getLogger("linkage.core")

KEPT_MAX: Final = 10_000
"""Jobs of linkage's own that waits for a disk that takes nothing. While there is so much, no more
is read from queues; what is observed beyond it is lost."""
_KEPT: Final = (Acknowledge, GiveUp, Alarm, Observe)
"""What nobody will say again, if the disk does not take it now."""


class Admission:
    """What the core asks before it takes a request, and tells after each batch.

    Args:
        put: queues work of linkage's own, and tells what became of it.
        tell: tells an alarm to whoever is connected, without a place in a queue.
        takeover: takes the answers of sessions that are about to be replaced.
        log_held: who keeps the store's log from being taken in, in words; None: nobody.
    """

    def __init__(
        self,
        config: Config,
        engine: CoreEngine,
        clock: Clock,
        *,
        put: Callable[[Job, Callable[[Done], None] | None], None],
        tell: Callable[[Alarm], None],
        takeover: Takeover,
        log_held: Callable[[], str | None] = lambda: None,
    ) -> None:
        self.conditions = Conditions(config.limits, config.id)
        self._engine = engine
        self._clock = clock
        self._put = put
        self._tell = tell
        self._takeover = takeover
        self._log_held = log_held
        self._kept: list[Job] = []
        self._told: set[Alarm] = set()
        self.waiting: Counter[str] = Counter()
        """Requests that wait for the disk, by peer."""

    @property
    def has_room(self) -> bool:
        """Whether more may be read from queues, and so be acknowledged."""
        return len(self._kept) < KEPT_MAX

    def refusal(self, source: str, inbox: int) -> int:
        """For how many seconds a peer's requests are not taken; 0: they are."""
        now = self._clock.now()
        conditions = self.conditions
        wait = conditions.wait_of(source, now)
        if wait:
            return wait
        if self._engine.store_failing:
            return conditions.hold(source, STORE_RETRY_S, now)
        bounds = conditions.bounds
        many = inbox >= bounds.inbox or self.waiting[source] >= bounds.inbox_per_peer
        if many or conditions.overloaded:
            return conditions.hold(source, OVERLOAD_RETRY_S, now)
        return 0

    # --- after a batch ---------------------------------------------------------------------------
    def failed(self, work: Job, done: Done) -> None:
        """The disk did not take it: linkage's own is kept, peers are held to what they heard."""
        if isinstance(work, Record):
            self.conditions.hold(work.source, STORE_RETRY_S, self._clock.now())
            return
        if isinstance(work, Submit):
            if done.response is not None and done.response.retry_after_s:
                retry_s = done.response.retry_after_s
                self.conditions.hold(work.source, retry_s, self._clock.now())
            return
        if isinstance(work, Alarm) and work.raised:
            self._tell_at_once(work)
        if isinstance(work, Acknowledge) and self._takeover.holds(work):
            return
        lost = isinstance(work, Observe) and not self.has_room
        if isinstance(done.value, OSError) and isinstance(work, _KEPT) and not lost:
            self._kept.append(work)

    def _told_of(self, alarm: Alarm, done: Done) -> None:
        """An alarm is on disk, unless that failed."""
        if isinstance(done.value, Exception):
            return
        self._told.discard(alarm)
        if done.value and not alarm.raised:
            logger.warning("%s: %s", alarm.id, alarm.text)

    def hand_over(self, receiver: str) -> None:
        """A newer session of a peer registers: what the older answered and is not on disk waits.

        Written after the registration it would settle what the newer one is still to get.
        """
        self._takeover.begin(receiver)
        self._kept = [
            work
            for work in self._kept
            if not (isinstance(work, Acknowledge) and self._takeover.holds(work))
        ]

    def offer_kept(self) -> bool:
        """Try once more, as one batch with what else there is in this turn of the loop.

        True where anything was kept.
        """
        kept, self._kept = self._kept, []
        for work in kept:
            self._offer(work)
        return bool(kept)

    def _offer(self, work: Job) -> None:
        self._put(work, partial(self._told_of, work) if isinstance(work, Alarm) else None)

    def look(self, inbox: int, oldest_s: float) -> None:
        """See how things stand, and say so where that is news."""
        failing = self._engine.store_failing
        standing = Readings(
            inbox=inbox,
            # What a failing disk makes wait is no overload.
            oldest_s=0.0 if failing else oldest_s,
            store_error=self._engine.store_error,
            disk_free=self._engine.disk_free,
            clock_off_us=self._engine.clock_off_us,
            log_held=self._log_held() or "",
        )
        for alarm in self.conditions.look(standing, self._clock.now(), self._clock.utc()):
            self._offer(alarm)
            if alarm.raised:
                logger.warning("%s: %s", alarm.id, alarm.text)
                if standing.oldest_s >= self.conditions.bounds.inbox_wait_s:
                    self._tell_at_once(alarm)  # it will be long before it is on disk

    def _tell_at_once(self, alarm: Alarm) -> None:
        """Who is here hears it before it is on disk; from the journal it comes once more."""
        if alarm not in self._told:
            self._told.add(alarm)
            self._tell(alarm)
