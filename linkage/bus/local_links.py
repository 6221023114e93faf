"""A link at the part's side: what it owes the core, across the cores that come and go.

The peer does not notice a restart of the core, so its unanswered requests live on while the new
core pushes from disk whatever is not acknowledged there. What the peer has already is not sent to
it again; its answer is handed on when it comes, or at once where it came meanwhile. What finds the
window full waits here, and a command that expires meanwhile is answered 309: nobody executes it
late (protocol.md#expiry).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from linkage.ports import LinkPort
from protocol.envelope import Request, Response
from protocol.results import Result

KEPT_MAX: Final = 128
"""Answers kept for a core that may ask for them again: two windows."""


class LocalLink:
    """One link of this part, as it must be told to a core that knows nothing of it.

    `now` gives monotonic seconds.
    """

    __slots__ = (
        "_carried",
        "_expired",
        "_held_until",
        "_now",
        "_out",
        "_unanswered",
        "_waiting",
        "asking",
        "begun",
        "link",
        "number",
        "peer_id",
        "told",
    )

    def __init__(self, number: int, link: LinkPort, now: Callable[[], float]) -> None:
        self._now = now
        self.number = number
        self.link = link
        self.peer_id: str | None = None
        """Whose it is; None until the core has taken it."""
        self.asking: int | None = None
        """The call by which the core is asked to take it."""
        self.begun = False
        self._held_until = 0.0
        self.told: tuple[tuple[Request, datetime], ...] = ()
        """What the peer said of itself, and when: registration, capabilities."""
        self._out: dict[str, Response | None] = {}
        self._carried: set[str] = set()
        """Unanswered since an earlier core, and not pushed by the present one yet."""
        self._waiting: deque[tuple[Request, float]] = deque()
        """Beyond the window, each with when it expires."""
        self._expired: list[Response] = []
        self._unanswered = 0

    def wait_s(self) -> int:
        """Seconds until its peer's requests are taken again; 0: they are.

        Who was told to wait is held to it: what it has under way behind the refused request would
        else overtake it.
        """
        return max(0, math.ceil(self._held_until - self._now()))

    def hold(self, seconds: int) -> int:
        """Its peer is told to wait so long; returns it."""
        self._held_until = self._now() + seconds
        return seconds

    def push(self, request: Request) -> Response | None:
        """The core pushes; the answer where the peer has given it to an earlier core."""
        if request.id in self._out:
            answer = self._out[request.id]
            if answer is not None:
                del self._out[request.id]
            self._carried.discard(request.id)
            return answer
        expires = math.inf if request.expire_s is None else self._now() + request.expire_s
        self._waiting.append((request, expires))
        self._push_waiting()
        return None

    def answered(self, response: Response, *, live: bool) -> None:
        """The peer answered; `live`: the core is being told now.

        It is kept where the core may push the request once more: because it is not there, or
        because it has not come to that request yet.
        """
        if self._out.get(response.request_id, response) is None:
            self._unanswered -= 1
            if live and response.request_id not in self._carried:
                del self._out[response.request_id]
            else:
                self._out[response.request_id] = response
        self._push_waiting()

    def left(self) -> None:
        """The core is gone; the next one begins from disk."""
        self._waiting.clear()
        self._expired.clear()
        answered = [id_ for id_, answer in self._out.items() if answer is not None]
        for id_ in answered[:-KEPT_MAX]:
            del self._out[id_]
        self._carried = {id_ for id_, answer in self._out.items() if answer is None}

    def _push_waiting(self) -> None:
        # The window is the peer's: what an earlier core pushed counts, too.
        while self._waiting and self._unanswered < self.link.window:
            request, expires = self._waiting.popleft()
            if expires <= self._now():
                self._expired.append(_expired(request))
                continue
            self._out[request.id] = None
            self._unanswered += 1
            self.link.push(request)

    def take_expired(self) -> list[Response]:
        """What the core must be told of commands that expired before the peer had room."""
        expired, self._expired = self._expired, []
        return expired


def _expired(request: Request) -> Response:
    return Response(
        request_id=request.id,
        type=request.type,
        result=Result.EXPIRED,
        detail="it expired before its receiver had room for it",
    )


class LocalLinks:
    """All links of one part, by the object and by the number under which they cross."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._by_link: dict[LinkPort, LocalLink] = {}
        self._by_number: dict[int, LocalLink] = {}
        self._last = 0

    def __len__(self) -> int:
        return len(self._by_link)

    def __iter__(self) -> Iterator[LocalLink]:
        return iter(list(self._by_link.values()))

    def of(self, link: LinkPort) -> LocalLink:
        """Its entry, made where there is none."""
        local = self._by_link.get(link)
        if local is None:
            self._last += 1
            local = LocalLink(self._last, link, self._now)
            self._by_link[link] = self._by_number[local.number] = local
        return local

    def find(self, link: LinkPort) -> LocalLink | None:
        """Its entry, if it has one."""
        return self._by_link.get(link)

    def numbered(self, number: int) -> LocalLink | None:
        """The entry of that number, if there still is one."""
        return self._by_number.get(number)

    def remove(self, link: LinkPort) -> LocalLink | None:
        """It is gone; its entry, if it had one."""
        local = self._by_link.pop(link, None)
        if local is not None:
            del self._by_number[local.number]
        return local
