"""The load: the same for every system.

Closed loop, for throughput: each connection keeps its window full. Open loop, for latency: notices
leave by the timetable, and are timed from when they were due, so that a stall shows in all that it
delayed.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.comparison.notice import Names
from simulators.load.histogram import Histogram

WINDOW: Final = 64
"""Notices that a connection may have unanswered (protocol.md#window)."""
TICK_S: Final = 0.001
DRAIN_S: Final = 60.0
"""How long after the last notice its answer and delivery are waited for."""
_POLL_S: Final = 0.002


class Line(ABC):
    """One connection that sends notices."""

    @abstractmethod
    def send(self, name: str) -> None:
        """Send one, at once or as soon as there is room; `Flow.answered` is told of its answer."""


@dataclass(slots=True)
class Flow:
    """What is under way, and what came of it, since the last `restart`."""

    due: dict[str, float] = field(default_factory=dict)
    """Since when, for each notice that was not delivered yet."""
    unanswered: dict[str, tuple[float, Line]] = field(default_factory=dict)
    sent: int = 0
    accepted: int = 0
    refused: int = 0
    delivered: int = 0
    repeated: int = 0
    """Delivered more than once."""
    answers: Histogram = field(default_factory=Histogram)
    deliveries: Histogram = field(default_factory=Histogram)
    on_answer: Callable[[Line], None] | None = None
    """What a closed loop does next."""

    def restart(self) -> None:
        """Forget the figures, and what never came out."""
        self.due.clear()
        self.unanswered.clear()
        self.sent = self.accepted = self.refused = self.delivered = self.repeated = 0
        self.answers, self.deliveries = Histogram(), Histogram()

    def send(self, line: Line, name: str, due: float) -> None:
        """Send a notice."""
        self.sent += 1
        self.due[name] = due
        self.unanswered[name] = due, line
        line.send(name)

    def answered(self, name: str, *, accepted: bool) -> None:
        """The system took a notice, or refused it."""
        sent = self.unanswered.pop(name, None)
        if sent is None:
            return  # the drain before has given it up
        since, line = sent
        self.answers.record(time.perf_counter() - since)
        if accepted:
            self.accepted += 1
        else:
            self.refused += 1
            self.due.pop(name, None)
        if self.on_answer is not None:
            self.on_answer(line)

    def arrived(self, name: str | None) -> None:
        """A receiver got a notice."""
        since = None if name is None else self.due.pop(name, None)
        if since is None:
            self.repeated += 1
            return
        self.delivered += 1
        self.deliveries.record(time.perf_counter() - since)


@dataclass(slots=True)
class Load:
    """Drives the lines of one system."""

    flow: Flow
    lines: Sequence[Line]
    delivers: bool
    """Whether the system delivers at all; an echo only answers."""
    names: Names = field(default_factory=Names)

    async def keep_full(self, seconds: float) -> float:
        """Closed loop; returns the seconds until all was answered and delivered."""
        flow = self.flow
        flow.restart()
        flow.on_answer = self._send_next
        began = time.perf_counter()
        for line in self.lines:
            for _ in range(WINDOW):
                self._send_next(line)
        await asyncio.sleep(seconds)
        flow.on_answer = None
        return await self._drained(began)

    def _send_next(self, line: Line) -> None:
        self.flow.send(line, self.names.take(), time.perf_counter())

    async def keep_pace(self, rate: float, seconds: float) -> float:
        """Open loop; returns the seconds until all was answered and delivered."""
        flow = self.flow
        flow.restart()
        flow.on_answer = None
        began = time.perf_counter()
        sent, total = 0, round(rate * seconds)
        while sent < total:
            while sent < total and (due := began + sent / rate) <= time.perf_counter():
                flow.send(self.lines[sent % len(self.lines)], self.names.take(), due)
                sent += 1
            await asyncio.sleep(TICK_S)
        return await self._drained(began)

    async def _drained(self, began: float) -> float:
        until = time.perf_counter() + DRAIN_S
        flow = self.flow
        while flow.unanswered or (self.delivers and flow.due):
            if time.perf_counter() > until:
                break
            await asyncio.sleep(_POLL_S)
        took = time.perf_counter() - began
        if not self.delivers:
            flow.due.clear()
        return took


def latencies(histogram: Histogram) -> dict[str, Any]:
    """Percentiles in milliseconds."""
    if not histogram.count:
        return {}
    return {
        f"p{percent:g}_ms": round(histogram.percentile(percent) * 1000, 3)
        for percent in (50, 99, 99.9)
    }
