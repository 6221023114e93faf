"""Counting on the hot path: plain integers, read by the scraper and by nobody else."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

COMMIT_BOUNDS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
"""Upper bounds of the commit histogram; the last bucket, +Inf, is not written."""


@dataclass(slots=True)
class Figures:
    """What the core did since it started.

    `requests` counts by (type, result), `answers` the receivers' responses by result. `commits`
    has one more bucket than `COMMIT_BOUNDS_S`. Counting costs a dictionary's increment a message.
    """

    requests: Counter[tuple[int, int]] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)
    commits: list[int] = field(default_factory=lambda: [0] * (len(COMMIT_BOUNDS_S) + 1))
    commit_seconds: float = 0.0
    committed_works: int = 0
    failed_batches: int = 0

    def committed(self, works: int, seconds: float, *, failed: bool) -> None:
        """One batch was done, from its start to its commit; `failed`: the store took nothing."""
        self.commits[bisect_left(COMMIT_BOUNDS_S, seconds)] += 1
        self.commit_seconds += seconds
        self.committed_works += works
        self.failed_batches += failed
