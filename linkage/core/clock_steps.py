"""Notices that the wall clock was set, and remembers where in the journal.

```
 wall clock − time that only passes:   ──────┐ +7 d            ┌──── 0: set right again
                                             └─────────────────┘
 entries of the journal                ── 1041 ── 1042 ── … ── 1077 ── 1078 ──
```
While linkage runs, any leap is seen. One that fell into a time in which it did not run looks like
that time: only when the clock is set back later, it is clear that so much of it never passed.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from linkage.core.scope import Now
from linkage.ports import Clock, EntryKind
from linkage.ports.store import CLOCK, Tx
from linkage.store.clock_history import ClockHistory
from linkage.store.rows import MICROSECONDS, JournalRow, to_us

STEP_MIN_US: Final = 10 * MICROSECONDS
"""What is less is no matter for ages of days; NTP sets a clock by such steps every day."""
TRUST_AFTER_US: Final = 24 * 3600 * MICROSECONDS
"""A clock that has stood so long where it was set is right, as far as anybody here can tell."""


class ClockSteps:
    """Looked at by each batch, within its transaction; belongs to the core's thread."""

    def __init__(self, unit: Tx, own_id: str) -> None:
        self._unit = unit
        self._own_id = own_id
        self._offset_us: int | None = None
        self._gap: tuple[int, int] = (0, 0)
        self.steps = ClockHistory()
        self._is_read = False
        self._next: tuple[int, tuple[int, int], int] | None = None
        self._off_us = 0
        self._off_since_us = 0

    def off_us(self, steady_us: int) -> int:
        """By how much the clock was moved, all in all, and nobody can say yet whether rightly."""
        if steady_us - self._off_since_us >= TRUST_AFTER_US:
            return 0
        return self._off_us

    def look(self, now: Now) -> None:
        """See whether the clock was set since the last batch; `settled` takes note of it."""
        if not self._is_read:
            self.steps = ClockHistory.of_texts(self._unit.memory.load(CLOCK))
            self._is_read = True
        offset_us = now.utc_us - now.steady_us
        seq, gap, moved_us = self._unit.journal.next_seq, self._gap, 0
        if self._offset_us is None:
            newest_at = self._unit.journal.found_at
            idle_us = 0 if newest_at is None else now.utc_us - newest_at
            if idle_us <= -STEP_MIN_US:
                moved_us = idle_us
            else:
                gap = (seq, max(0, idle_us))
        elif abs(offset_us - self._offset_us) >= STEP_MIN_US:
            moved_us = offset_us - self._offset_us
        if moved_us:
            gap = self._move(seq, moved_us, gap, now)
        self._next = (offset_us, gap, moved_us)

    def _move(self, seq: int, by_us: int, gap: tuple[int, int], now: Now) -> tuple[int, int]:
        at, idle_us = gap
        false_us = max(0, min(-by_us, idle_us))
        before = self.steps
        if false_us:
            self.steps = self.steps.moved(at, false_us)
        self.steps = self.steps.moved(seq, by_us)
        for key in before.texts().keys() - self.steps.texts().keys():
            self._unit.memory.save(CLOCK, key, None)
        for key, text in self.steps.texts().items():
            self._unit.memory.save(CLOCK, key, text)
        self._unit.journal.append(
            JournalRow(
                seq=seq,
                recorded_at=now.utc_us,
                kind=EntryKind.CLOCK_SET.value,
                source=self._own_id,
                detail=step_in_words(by_us),
            )
        )
        return at, idle_us - false_us

    def settled(self, now: Now) -> None:
        """The batch is on disk."""
        if self._next is None:
            return
        self._offset_us, self._gap, moved_us = self._next
        self._next = None
        if moved_us:
            self._off_us = self.off_us(now.steady_us) + moved_us
            self._off_since_us = now.steady_us

    def forget(self) -> None:
        """The batch is not on disk: the next one will see the same."""
        self._next = None
        self._is_read = False


def step_in_words(by_us: int) -> str:
    """How far the clock stepped, in words."""
    span = timedelta(seconds=round(abs(by_us) / MICROSECONDS))
    return f"the clock was set {'ahead' if by_us > 0 else 'back'} by {span}"


def steady_us_of(clock: Clock) -> Callable[[], int]:
    """Microseconds that begin as the wall clock and only pass, however that is set; see `Now`."""
    monotonic = clock.now
    began_us = to_us(clock.utc()) - round(monotonic() * MICROSECONDS)

    def steady_us() -> int:
        return began_us + round(monotonic() * MICROSECONDS)

    return steady_us
