"""A histogram of durations with a relative error below 1 %, however far they spread.

Buckets as HDR histograms have them: 128 to each power of two, so that microseconds and minutes
fit one small table. (The package `hdrhistogram` would bring setuptools and pbr to run time.)
"""

from __future__ import annotations

from collections import Counter
from typing import Final

_BITS: Final = 7
_STEPS: Final = 1 << _BITS
UNIT_S: Final = 1e-6
"""The finest difference that counts."""
PERCENTILES: Final = (50.0, 90.0, 99.0, 99.9)


class Histogram:
    """Durations in seconds; memory grows with the logarithm of their spread, not their number."""

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self._sum_s = 0.0
        self.count = 0
        self.max_s = 0.0

    def record(self, seconds: float) -> None:
        """One duration; below 0 (a clock's step) counts as 0."""
        seconds = max(0.0, seconds)
        self._buckets[_index(int(seconds / UNIT_S))] += 1
        self._sum_s += seconds
        self.count += 1
        self.max_s = max(self.max_s, seconds)

    @property
    def mean_s(self) -> float:
        """The mean; 0 of nothing."""
        return self._sum_s / self.count if self.count else 0.0

    def percentile(self, percent: float) -> float:
        """The duration that `percent` of all do not exceed; 0 of nothing."""
        wanted = self.count * percent / 100
        seen = 0
        for index in sorted(self._buckets):
            seen += self._buckets[index]
            if seen >= wanted:
                return min(_upper(index) * UNIT_S, self.max_s)
        return self.max_s

    def to_plain(self) -> dict[str, float]:
        """Milliseconds, for people and for JSON."""
        plain: dict[str, float] = {"count": self.count}
        for percent in PERCENTILES:
            plain[f"p{percent:g}_ms"] = _ms(self.percentile(percent))
        plain["max_ms"] = _ms(self.max_s)
        plain["mean_ms"] = _ms(self.mean_s)
        return plain


def _index(value: int) -> int:
    """The bucket of a whole number of units."""
    shift = max(0, value.bit_length() - _BITS - 1)
    return shift * _STEPS + (value >> shift)


def _upper(index: int) -> int:
    """The largest whole number of units that falls into a bucket."""
    shift = max(0, index // _STEPS - 1)
    return ((index - shift * _STEPS + 1) << shift) - 1


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
