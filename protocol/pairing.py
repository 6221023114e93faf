"""Who owes whom an answer: requests and responses paired by Id and type (section 2)."""

from __future__ import annotations

from protocol.envelope import Request, Response


class Awaited:
    """Our requests that wait for their response, each with the moment from which it is late."""

    __slots__ = ("_due", "_types")

    def __init__(self) -> None:
        self._types: dict[str, int] = {}
        self._due: dict[str, float] = {}  # oldest first: all are given the same time

    def __len__(self) -> int:
        return len(self._types)

    def __contains__(self, request_id: str) -> bool:
        return request_id in self._types

    def add(self, request: Request, due: float) -> None:
        """A request was sent; its answer is late from `due` on."""
        self._types[request.id] = request.type
        self._due[request.id] = due

    def take(self, response: Response) -> bool:
        """Whether a response fits a request by Id and type, which then waits no longer."""
        if self._types.get(response.request_id) != response.type:
            return False
        del self._types[response.request_id]
        self._due.pop(response.request_id, None)
        return True

    def next_due(self) -> float | None:
        """When the next answer will be late; None: there is none to be late."""
        return next(iter(self._due.values()), None)

    def pop_late(self, now: float) -> list[str]:
        """Ids whose answers have become late; each is named once, and goes on waiting."""
        late = [request_id for request_id, due in self._due.items() if due <= now]
        for request_id in late:
            del self._due[request_id]
        return late

    def clear(self) -> None:
        """Nothing will be answered any more."""
        self._types.clear()
        self._due.clear()


class Owed:
    """The peer's requests that we owe a response.

    Counted, not just kept: two different messages with one Id both count (the patent's 110s).
    """

    __slots__ = ("_counts", "_total")

    def __init__(self) -> None:
        self._counts: dict[tuple[str, int], int] = {}
        self._total = 0

    def __len__(self) -> int:
        return self._total

    def __contains__(self, response: Response) -> bool:
        return (response.request_id, response.type) in self._counts

    def add(self, request: Request) -> None:
        """A request came."""
        key = (request.id, request.type)
        self._counts[key] = self._counts.get(key, 0) + 1
        self._total += 1

    def settle(self, response: Response) -> None:
        """A request was answered."""
        key = (response.request_id, response.type)
        left = self._counts.pop(key) - 1
        if left:
            self._counts[key] = left
        self._total -= 1
