"""Token buckets: how fast somebody may do something (protocol.md#results, result 206)."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from linkage.ports import Rate

KEYS_MAX: Final = 4096
"""Buckets kept at a time: whoever comes from ever new addresses cannot make us remember more."""


class Bucket:
    """Starts full; each taking costs one token, tokens come back at the rate."""

    __slots__ = ("_at", "_rate", "_tokens")

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate = rate
        self._tokens = rate.burst
        self._at = now

    def wait(self, now: float) -> float:
        """Seconds until one may be taken; 0: at once."""
        gained = max(0.0, now - self._at) * self._rate.per_s
        self._tokens = min(self._rate.burst, self._tokens + gained)
        self._at = now
        return 0.0 if self._tokens >= 1 else (1 - self._tokens) / self._rate.per_s

    def take(self, now: float) -> float:
        """Take one; returns what `wait` does, and takes nothing where that is not 0."""
        wait = self.wait(now)
        if not wait:
            self._tokens -= 1
        return wait

    def is_full(self, now: float) -> bool:
        """True when it is as if it had never been used."""
        self.wait(now)
        return self._tokens >= self._rate.burst


class Buckets:
    """One bucket for each key; those unused for long are forgotten, being full again."""

    __slots__ = ("_by_key", "_keys_max")

    def __init__(self, keys_max: int = KEYS_MAX) -> None:
        self._by_key: dict[Hashable, Bucket] = {}
        self._keys_max = keys_max

    def __len__(self) -> int:
        return len(self._by_key)

    def wait(self, key: Hashable, now: float) -> float:
        """See `Bucket.wait`; a key that is not known need not wait."""
        bucket = self._by_key.get(key)
        return 0.0 if bucket is None else bucket.wait(now)

    def take(self, key: Hashable, rate: Rate, now: float) -> float:
        """See `Bucket.take`."""
        bucket = self._by_key.pop(key, None)
        if bucket is None:
            self._make_room(now)
            bucket = Bucket(rate, now)
        self._by_key[key] = bucket  # at the end: the longest unused stands first
        return bucket.take(now)

    def _make_room(self, now: float) -> None:
        if len(self._by_key) < self._keys_max:
            return
        used = {key: bucket for key, bucket in self._by_key.items() if not bucket.is_full(now)}
        while len(used) > self._keys_max // 2:
            # Half of them at once, so that a flood of keys does not make every key cost a sweep.
            del used[next(iter(used))]
        self._by_key = used
