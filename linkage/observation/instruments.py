"""Counting on the hot path: plain integers, read by the scraper and by nobody else.

A message costs a dictionary's increment and three histograms, each a bisection and two additions;
the times are those that the code has at hand anyway.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

QUICK_BOUNDS_S: Final = (
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0,
)  # fmt: skip
"""For what should take milliseconds: answers, commits, platforms."""
PATIENT_BOUNDS_S: Final = (
    0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0, 300.0, 1800.0, 7200.0, 43200.0,
)  # fmt: skip
"""For what may wait for a peer that is not here."""
RESULT_MAX: Final = 999
"""Results have three digits: what a peer makes up beyond counts as this, and fills nothing."""
WORKS_BOUNDS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
"""Pieces of work in a batch."""


class Histogram:
    """Counts by upper bound (inclusive); the last of `counts` is for what is beyond them all."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """One more; below nothing counts as nothing, lest a clock that was set spoil the sum."""
        value = max(value, 0.0)
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


@dataclass(slots=True)
class QueueFigures:
    """How long the deliveries of one role's peers took.

    `waited`: from the disk to the first push. `answered`: from the push to the answer. Seconds.
    """

    waited: Histogram = field(default_factory=lambda: Histogram(PATIENT_BOUNDS_S))
    answered: Histogram = field(default_factory=lambda: Histogram(QUICK_BOUNDS_S))


@dataclass(slots=True)
class Figures:
    """What the core did since it started.

    `requests` counts by (type, result), `deliveries` the receivers' responses by result; `answers`
    is the time from taking a request to the end of the commit that answers it.
    """

    requests: Counter[tuple[int, int]] = field(default_factory=Counter)
    deliveries: Counter[int] = field(default_factory=Counter)
    answers: Histogram = field(default_factory=lambda: Histogram(QUICK_BOUNDS_S))
    commits: Histogram = field(default_factory=lambda: Histogram(QUICK_BOUNDS_S))
    """From the start of a batch to its commit."""
    writes: Histogram = field(default_factory=lambda: Histogram(QUICK_BOUNDS_S))
    """Of that, what the store took to write and to sync; counted in the core's thread."""
    batches: Histogram = field(default_factory=lambda: Histogram(WORKS_BOUNDS))
    failed_batches: int = 0
    queues: dict[str, QueueFigures] = field(default_factory=dict)
    """By role."""

    def committed(self, works: int, seconds: float, *, failed: bool) -> None:
        """One batch was done, from its start to its commit; `failed`: the store took nothing."""
        self.commits.observe(seconds)
        self.batches.observe(works)
        self.failed_batches += failed

    def queue_of(self, role: str) -> QueueFigures:
        """Of the peers of a role."""
        found = self.queues.get(role)
        if found is None:
            found = self.queues[role] = QueueFigures()
        return found


@dataclass(slots=True)
class AdapterFigures:
    """What an adapter's host saw since it started; `commands` counts by result."""

    notices: int = 0
    restarts: int = 0
    in_work: int = 0
    commands: Counter[int] = field(default_factory=Counter)
    seconds: Histogram = field(default_factory=lambda: Histogram(QUICK_BOUNDS_S))
