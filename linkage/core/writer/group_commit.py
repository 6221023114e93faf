"""A batch of jobs in, one transaction, what became of each out; with a circuit breaker.

```
 well ── a batch fails ──▶ failing: requests are refused unread, what only reads is done
  ▲                             │
  └── a probe is taken ◀────────┘  (the sweep's, once a second, with an alarm to be written)
```
Everything that queued while the last commit ran is the next batch (group commit). Nothing leaves
the thread before its commit.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from linkage.core.context import Context
from linkage.core.job import BrokenJobError, Job, about
from linkage.core.overload.holds import Holds
from linkage.core.requests.incoming import Incoming
from linkage.core.scope import Done, Now
from linkage.logs.context import subject
from linkage.observation.instruments import Histogram
from linkage.ports.store import StoreFailedError

logger = logging.getLogger("linkage.core")


class GroupCommit:
    """Owns the transaction; used by one thread at a time.

    Args:
        context: what jobs work with.
        monotonic: seconds.
        holds: who was told to wait; what is queued of them is refused.
        writes: how long the store takes to write and to sync.
    """

    def __init__(
        self,
        context: Context,
        monotonic: Callable[[], float],
        *,
        holds: Holds | None = None,
        writes: Histogram | None = None,
    ) -> None:
        self.context = context
        self._monotonic = monotonic
        self._holds = holds or Holds()
        self._writes = writes or Histogram(())
        self.store_error: str | None = None
        """Why the store did not take the last batch; None: it did. Read by other threads."""
        self.journal_seq = 0
        """The newest journal row that is on disk; the same."""
        self.clock_off_us = 0
        """By how much the wall clock was set, and may be wrong for all that is known; the same."""

    @property
    def store_failing(self) -> bool:
        """Whether the store did not take the last batch."""
        return self.store_error is not None

    def process(self, jobs: Sequence[Job[Any]], now: Now) -> list[Done[Any]]:
        """Do a batch; what cannot be tried now is told so.

        A disk that cannot take it refuses the whole batch; a bug in one job costs that job only:
        the batch is done again one by one.
        """
        if self.store_failing and not any(job.probes for job in jobs):
            error = self.store_error
            done = self._only(jobs, now, lambda job: job.only_reads)
            self.store_error = error  # that it can be read says nothing
        elif held := self._holds.queued(self._monotonic()):
            done = self._only(jobs, now, lambda job: job.lane not in held)
        else:
            done = self._commit(jobs, now)
        if self.store_failing:
            at = self._monotonic()
            for job in jobs:
                if job.lane is not None:
                    self._holds.hold_queued(job.lane, at)
        return done

    def _only(
        self, jobs: Sequence[Job[Any]], now: Now, chosen: Callable[[Job[Any]], bool]
    ) -> list[Done[Any]]:
        """Do some of them; the others are told to come again."""
        wanted = [job for job in jobs if chosen(job)]
        done = iter(self._commit(wanted, now) if wanted else ())
        return [next(done) if chosen(job) else not_now() for job in jobs]

    def _commit(self, jobs: Sequence[Job[Any]], now: Now) -> list[Done[Any]]:
        try:
            done = self._in_one_transaction(jobs, now)
        except StoreFailedError as error:
            self.store_error = str(error)
            logger.error("the store cannot be written: %d jobs refused: %s", len(jobs), error)  # noqa: TRY400 - a disk, no bug
            return [not_now() for _ in jobs]
        except Exception:
            if len(jobs) > 1:
                return [self._commit([job], now)[0] for job in jobs]
            (job,) = jobs
            logger.exception("internal error at %s", type(job).__name__, extra=about(job))
            return self._commit([job], now) if job.try_again() else [self._broken(job, now)]
        self.store_error = None
        return done

    def _in_one_transaction(self, jobs: Sequence[Job[Any]], now: Now) -> list[Done[Any]]:
        context, finish = self.context, self.context.scope.finish
        done: list[Done[Any]] = []
        incoming: list[Incoming] = []
        for job in jobs:
            if isinstance(job, Incoming):  # by far most of what comes
                incoming.append(job)
            else:
                incoming += job.incoming
        try:
            subject.describe = about
            with context.tx.transaction():
                context.begin_batch(incoming, now)
                for job in jobs:
                    subject.of = job
                    done.append(finish(job.run(context)))
                subject.of = None
                handled_at = self._monotonic()
        except BaseException:
            subject.of = None
            context.forget()
            raise
        self._writes.observe(self._monotonic() - handled_at)
        context.committed(now)
        self.clock_off_us = context.clock_steps.off_us(now.steady_us)
        self.journal_seq = context.tx.journal.next_seq - 1
        return done

    def _broken(self, job: Job[Any], now: Now) -> Done[Any]:
        """What stands in for a job that met a bug of ours."""
        context = self.context
        try:
            with context.tx.transaction():
                context.begin_batch((), now)
                done = context.scope.finish(job.broken(context))
        except Exception as error:
            context.forget()
            if isinstance(error, StoreFailedError):
                # Not on disk, so nothing may be said for good: it comes again, when that may work.
                self.store_error = str(error)
                return not_now()
            if not isinstance(error, BrokenJobError):
                logger.exception(
                    "nor can it be journalled; refused as an internal error", extra=about(job)
                )
            return Done(error=BrokenJobError("internal error"))
        context.committed(now)
        return done


def not_now() -> Done[Any]:
    """What becomes of a job that cannot be written: to be tried again."""
    return Done(error=OSError("the store cannot be written"))
