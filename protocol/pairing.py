"""Who owes whom an answer, by Id and type (protocol.md#requests-and-responses)."""

from __future__ import annotations

import math

from protocol.envelope import Request, Response


class Awaited:
    """Our requests that wait for their response, each with the moment from which it is late."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        # Id → type and when it is late; infinite once that was said. Oldest first: all are given
        # the same time.
        self._waiting: dict[str, tuple[int, float]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, request_id: str) -> bool:
        return request_id in self._waiting

    def add(self, request: Request, due: float) -> None:
        """A request was sent; its answer is late from `due` on."""
        self._waiting[request.id] = (request.message.number, due)

    def take(self, response: Response) -> bool:
        """Whether a response fits a request by Id and type, which then waits no longer."""
        waiting = self._waiting.get(response.request_id)
        if waiting is None or waiting[0] != response.type:
            return False
        del self._waiting[response.request_id]
        return True

    def next_due(self) -> float | None:
        """When the next answer will be late; None: there is none to be late."""
        for _, due in self._waiting.values():
            if due != math.inf:
                return due
        return None

    def pop_late(self, now: float) -> list[str]:
        """Ids whose answers have become late; each is named once, and goes on waiting."""
        late = [request_id for request_id, (_, due) in self._waiting.items() if due <= now]
        for request_id in late:
            self._waiting[request_id] = (self._waiting[request_id][0], math.inf)
        return late

    def clear(self) -> None:
        """Nothing will be answered any more."""
        self._waiting.clear()


class Owed:
    """The peer's requests that we owe a response.

    Counted, not just kept: two different messages with one Id both count (the patent's 110s).
    """

    __slots__ = ("_further", "_types", "total")

    def __init__(self) -> None:
        self._types: dict[str, int] = {}
        # Those whose Id was owed a response already when they came.
        self._further: dict[tuple[str, int], int] = {}
        self.total = 0
        """How many."""

    def add(self, request: Request) -> None:
        """A request came."""
        self.total += 1
        if request.id not in self._types:
            self._types[request.id] = request.message.number
        else:
            key = (request.id, request.message.number)
            self._further[key] = self._further.get(key, 0) + 1

    def settle(self, response: Response) -> bool:
        """A request is answered; False where no such answer is owed."""
        if self._further and self._settle_further((response.request_id, response.type)):
            return True
        if self._types.get(response.request_id) != response.type:
            return False
        del self._types[response.request_id]
        self.total -= 1
        return True

    def _settle_further(self, key: tuple[str, int]) -> bool:
        if key not in self._further:
            return False
        left = self._further.pop(key) - 1
        if left:
            self._further[key] = left
        self.total -= 1
        return True
