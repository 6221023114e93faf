"""Between the core's thread and its engine: a disk that takes nothing is not tried for each batch.

```
 well ── a batch fails ──▶ failing: requests are refused unread, what only reads is done
  ▲                             │
  └── a probe is taken ◀────────┘  (the sweep's, once a second, with an alarm to be written)
```
Who was refused is refused until the time that it was told, also by a disk that is well again: what
it has under way behind the refused request would else overtake it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from linkage.core.engine import CoreEngine
from linkage.core.jobs import Alarm, Done, Job, LoadMemory, LoadQueue, Now, Record, Submit, Sweep
from linkage.core.overload.conditions import STORE_RETRY_S

PROBES: Final = (Alarm, Sweep)
READS: Final = (LoadQueue, LoadMemory)
FROM_PEERS: Final = (Submit, Record)


class CircuitBreaker:
    """Belongs to the core's thread; `clock` gives monotonic seconds."""

    def __init__(self, engine: CoreEngine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._clock = clock
        self._until: dict[str, float] = {}
        """When a peer that was refused is heard again."""

    def process(self, works: Sequence[Job], now: Now) -> list[Done]:
        """As `CoreEngine.process`."""
        engine = self._engine
        if engine.store_failing and not any(isinstance(work, PROBES) for work in works):
            error = engine.store_error
            done = self._some(works, now, lambda work: isinstance(work, READS))
            engine.store_error = error  # that it can be read says nothing
        elif self._until:
            self._let_go()
            done = self._some(works, now, self._is_heard)
        else:
            done = engine.process(works, now)
        if engine.store_failing:
            self._hold(works)
        return done

    def _some(self, works: Sequence[Job], now: Now, chosen: Callable[[Job], bool]) -> list[Done]:
        """Do some of them; the others are told to come again."""
        wanted = [work for work in works if chosen(work)]
        done = iter(self._engine.process(wanted, now) if wanted else ())
        return [next(done) if chosen(work) else self._engine.not_now(work) for work in works]

    def _is_heard(self, work: Job) -> bool:
        return not (isinstance(work, FROM_PEERS) and work.source in self._until)

    def _let_go(self) -> None:
        at = self._clock()
        self._until = {source: until for source, until in self._until.items() if until > at}

    def _hold(self, works: Sequence[Job]) -> None:
        until = self._clock() + STORE_RETRY_S
        for work in works:
            if isinstance(work, FROM_PEERS):
                self._until.setdefault(work.source, until)
