"""May somebody come, or speak, now? Token buckets (protocol.md#results, result 206).

The gateway asks here, and nowhere else, about pace: of connections from an address, of refused
registrations, of a peer's requests. The buckets outlive sessions: who reconnects finds them as
they were.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Final

from linkage.ports import Clock, Rate

KEYS_MAX: Final = 4096
"""Buckets kept at a time: whoever comes from ever new addresses cannot make us remember more."""


class RateLimits:
    """Seconds to wait are whole ones, for `RetryAfter`; 0: no need to."""

    def __init__(self, clock: Clock, *, accepts: Rate, failures: Rate) -> None:
        self._now = clock.now
        self._accepts = accepts
        self._failures = failures
        self._connections = Buckets()
        self._refused = Buckets()
        self._requests = Buckets()

    def connect(self, host: str) -> int:
        """One more connection from there; it costs a token."""
        return math.ceil(self._connections.take(host, self._accepts, self._now()))

    def register(self, key: tuple[str, str]) -> int:
        """A registration from an address for a peer id; only refused ones cost, at `refuse`."""
        return math.ceil(self._refused.wait(key, self._now()))

    def refuse(self, key: tuple[str, str]) -> None:
        """A registration was refused."""
        self._refused.take(key, self._failures, self._now())

    def request(self, peer_id: str, rate: Rate) -> int:
        """One more request of a peer; it costs a token.

        Who was told to wait is held to it: what it has under way behind the refused request would
        else overtake it as soon as there is a token.
        """
        return self._requests.take_or_hold(peer_id, rate, self._now())


class Bucket:
    """Starts full; each taking costs one token, tokens come back at the rate."""

    __slots__ = ("_at", "_held_until", "_rate", "_tokens")

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate = rate
        self._tokens = rate.burst
        self._at = self._held_until = now

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

    def take_or_hold(self, now: float) -> int:
        """As `take`, in whole seconds; nothing is taken before they are over."""
        if now < self._held_until:
            return math.ceil(self._held_until - now)
        seconds = math.ceil(self.take(now))
        self._held_until = now + seconds
        return seconds

    def is_full(self, now: float) -> bool:
        """True when it is as if it had never been used."""
        self.wait(now)
        return self._tokens >= self._rate.burst and now >= self._held_until


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
        return self._of(key, rate, now).take(now)

    def take_or_hold(self, key: Hashable, rate: Rate, now: float) -> int:
        """See `Bucket.take_or_hold`."""
        return self._of(key, rate, now).take_or_hold(now)

    def _of(self, key: Hashable, rate: Rate, now: float) -> Bucket:
        bucket = self._by_key.pop(key, None)
        if bucket is None:
            self._make_room(now)
            bucket = Bucket(rate, now)
        self._by_key[key] = bucket  # at the end: the longest unused stands first
        return bucket

    def _make_room(self, now: float) -> None:
        if len(self._by_key) < self._keys_max:
            return
        used = {key: bucket for key, bucket in self._by_key.items() if not bucket.is_full(now)}
        while len(used) > self._keys_max // 2:
            # Half of them at once, so that a flood of keys does not make every key cost a sweep.
            del used[next(iter(used))]
        self._by_key = used
