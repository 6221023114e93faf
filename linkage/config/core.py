"""What the core is told: bounds on what waits, what is kept for how long, when to ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field

from linkage.config.fields import NotNegative, Positive, PositiveInt

SECOND_US: Final = 1_000_000
HOUR_US: Final = 3600 * SECOND_US
DAY_US: Final = 24 * HOUR_US


@dataclass(frozen=True, kw_only=True)
class OverloadLimits:
    """What may wait for the disk."""

    inbox: PositiveInt = 20_000
    """work that may wait for the disk; beyond, requests are answered 404 with `RetryAfter`, and an
    alarm (197) is raised"""
    inbox_per_peer: PositiveInt = 2_000
    """requests of one peer among it; beyond, that peer alone is answered 404"""
    inbox_wait_s: Positive = 10.0
    """how long the oldest of it may wait; a disk that is slower is an overload too"""
    disk_free_mb: Annotated[int, Field(ge=0)] = 512
    """MiB free on the disk of the store, below which an alarm is raised; 0: never"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionSettings:
    """Looked after once a minute, in small slices between the commits."""

    queue_days: Positive = 7.0
    """what a peer has not fetched for so long is dropped, and told by 195"""
    queue_messages: PositiveInt = 1_000_000
    """so many wait for a peer at most; beyond, the oldest are dropped, and told by 195"""
    queue_bytes: PositiveInt = 2 * 1024**3
    """the same for the bytes that wait, judged by a sample"""
    replay_days: Positive = 3.0
    """what a peer has fetched can be had again for so long (294, an older `LastSeq`)"""
    replay_messages: PositiveInt = 1_000_000
    """of these, so many at most"""
    journal_days: Annotated[float, Field(ge=3)] | None = None
    """older journal entries go from the database into files in `archive/`; at least 3; none: all
    stay"""
    journal_bytes: Annotated[int, Field(ge=64 * 1024**2)] | None = None
    """the same for the oldest where the database gets larger than this; at least 67108864"""

    @property
    def queue_us(self) -> int:
        """`queue_days` in microseconds."""
        return round(self.queue_days * DAY_US)

    @property
    def replay_us(self) -> int:
        """`replay_days` in microseconds."""
        return round(self.replay_days * DAY_US)

    @property
    def journal_us(self) -> int | None:
        """`journal_days` in microseconds."""
        return None if self.journal_days is None else round(self.journal_days * DAY_US)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepSettings:
    """When a platform is asked whether an operation that nobody speaks of still lives."""

    ask_after_h: NotNegative = 4.0
    """hours without a word of an open operation until its platform is asked; 0: never"""
    settle_s: NotNegative = 60.0
    """a platform that came back is asked about what it has not spoken of since, after so long. An
    adapter is not: it compares by itself when it connects"""
    every_s: Positive = 5.0
    """between two rounds; one looks at a few hundred operations and puts at most 20 questions to a
    platform"""

    @property
    def after_us(self) -> int:
        """`ask_after_h` in microseconds."""
        return round(self.ask_after_h * HOUR_US)

    @property
    def settle_us(self) -> int:
        """`settle_s` in microseconds."""
        return round(self.settle_s * SECOND_US)
