"""Jobs that waits for the disk: each peer's requests in a lane of their own, linkage's own beside.

```
 requests of pbx1  ▮▮▮▮▮▮▮▮▮▮ ─┐ one of each
 requests of pbx2  ▮▮         ─┼────────────▶ a batch, in the order of arrival
 acknowledgements, queues, … ▮▮ ─┘
```
While everything fits into one batch, everything is taken. When it does not, each peer has its
turn: whoever sends a storm waits behind its own storm, and nobody else does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any, Final

from linkage.core.job import Job
from linkage.core.scope import Done

Item = tuple[int, Job[Any], Callable[[Done[Any]], None] | None]
"""The number of its arrival, a job, and who is told what became of it."""

_ARRIVAL: Final = itemgetter(0)


class FairQueue:
    """Belongs to one thread."""

    def __init__(self) -> None:
        self._recent: list[Item] = []
        """Not sorted into lanes: as long as it fits into a batch nobody has to."""
        self._own: deque[Item] = deque()
        self._lanes: dict[str, deque[Item]] = {}
        """By sender, in the order of their turns."""
        self._in_lanes = 0

    def __len__(self) -> int:
        return len(self._recent) + len(self._own) + self._in_lanes

    def add(self, items: Iterable[Item]) -> None:
        """More of it."""
        self._recent += items

    def take(self, most: int) -> list[Item]:
        """The next batch."""
        if not self._own and not self._in_lanes and len(self._recent) <= most:
            batch, self._recent = self._recent, []
            return batch
        self._sort_out()
        # Linkage's own work ends what requests have begun: it must not starve, nor starve them.
        own = max(most // 2, most - self._in_lanes)
        batch = [self._own.popleft() for _ in range(min(own, len(self._own)))]
        self._take_turns(batch, most)
        batch.sort(key=_ARRIVAL)
        return batch

    def _sort_out(self) -> None:
        recent, self._recent = self._recent, []
        for item in recent:
            lane = item[1].lane
            if lane is None:
                self._own.append(item)
            else:
                self._lanes.setdefault(lane, deque()).append(item)
                self._in_lanes += 1

    def _take_turns(self, batch: list[Item], most: int) -> None:
        while len(batch) < most and self._lanes:
            source = next(iter(self._lanes))
            lane = self._lanes.pop(source)
            batch.append(lane.popleft())
            self._in_lanes -= 1
            if lane:
                self._lanes[source] = lane  # at the end: the others come first
