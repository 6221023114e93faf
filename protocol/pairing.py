"""Who owes whom an answer: requests and responses paired by Id and type (section 2)."""

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
            if due is not math.inf:
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

    __slots__ = ("_further", "_further_total", "_types")

    def __init__(self) -> None:
        self._types: dict[str, int] = {}
        # Those whose Id was owed a response already when they came.
        self._further: dict[tuple[str, int], int] = {}
        self._further_total = 0

    def __len__(self) -> int:
        return len(self._types) + self._further_total

    def __contains__(self, response: Response) -> bool:
        if self._types.get(response.request_id) == response.type:
            return True
        return bool(self._further) and (response.request_id, response.type) in self._further

    def add(self, request: Request) -> None:
        """A request came."""
        if request.id not in self._types:
            self._types[request.id] = request.message.number
            return
        key = (request.id, request.message.number)
        self._further[key] = self._further.get(key, 0) + 1
        self._further_total += 1

    def settle(self, response: Response) -> None:
        """A request was answered; it must be one of these."""
        key = (response.request_id, response.type)
        if not self._further or key not in self._further:
            del self._types[response.request_id]
            return
        left = self._further.pop(key) - 1
        if left:
            self._further[key] = left
        self._further_total -= 1
