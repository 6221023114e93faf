"""The load: so many texts, of which each line keeps so many open until it was told their end."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks.comparison.notice import Names
from simulators.load.histogram import Histogram

OPEN: Final = 64
"""Texts of a line that are on their way; as many requests a connection of linkage may have
unanswered (protocol.md#window)."""
STALLED_S: Final = 30.0
"""Nothing was told for so long: nothing more will be."""
_POLL_S: Final = 0.02


class Line(ABC):
    """One application that sends texts."""

    @abstractmethod
    def send(self, name: str) -> None:
        """Send a text with this name in it."""


@dataclass(slots=True)
class Traffic:
    """What is under way and what came of it."""

    names: Names = field(default_factory=Names)
    lines: Sequence[Line] = ()
    left: int = 0
    """Texts that are still to be sent."""
    open: dict[str, tuple[Line, float]] = field(default_factory=dict)
    """Texts whose end was not told yet: who sent them, and when."""
    sent: int = 0
    accepted: int = 0
    submitted: int = 0
    """Of which it was told that the centre has them."""
    delivered: int = 0
    repeated: int = 0
    """Told more than once, or never sent."""
    refused: list[str] = field(default_factory=list)
    """In words."""
    took: Histogram = field(default_factory=Histogram)
    """From sending until it was told that it was delivered, in seconds."""

    async def run(self, lines: Sequence[Line], texts: int) -> float:
        """Send so many; the seconds until the end of the last one was told."""
        self.__init__(self.names, lines, texts)  # type: ignore[misc]
        began = time.perf_counter()
        for line in lines:
            for _ in range(OPEN):
                self._send_next(line)
        before, changed_at = -1, began
        while self.open:
            await asyncio.sleep(_POLL_S)
            now = time.perf_counter()
            if self.delivered != before:
                before, changed_at = self.delivered, now
            elif now - changed_at > STALLED_S:
                return changed_at - began
        return time.perf_counter() - began

    def _send_next(self, line: Line) -> None:
        if self.left:
            self.left -= 1
            self.sent += 1
            name = self.names.take()
            self.open[name] = line, time.perf_counter()
            line.send(name)

    def answered(self, name: str, why: str | None = None) -> None:
        """A text was accepted; or `why` it was not."""
        if why is None:
            self.accepted += 1
            return
        self.refused.append(f"{name}: {why}")
        found = self.open.pop(name, None)
        if found is not None:
            self._send_next(found[0])

    def told(self, name: str, *, delivered: bool) -> None:
        """The end of a text."""
        found = self.open.pop(name, None)
        if found is None:
            self.repeated += 1
            return
        line, since = found
        if delivered:
            self.delivered += 1
            self.took.record(time.perf_counter() - since)
        else:
            self.refused.append(f"{name}: told as not delivered")
        self._send_next(line)
