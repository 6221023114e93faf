"""One receiver's queue between disk and link.

A bounded part in memory, a window of unanswered requests.

Pure: it is told what happens and calls `Link.push`; the disk is asked for more through `wants`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Final

from linkage.core.work import Delivery
from linkage.ports import Link
from protocol.envelope import Request, Response

QUEUE_MAX: Final = 512
"""Deliveries of one receiver held in memory; what is more waits on disk."""
LOAD_BELOW: Final = 128
ANSWERS_MAX: Final = 256
"""Data answers waiting for the window; a peer that asks for more pages than it takes loses the
rest."""


class Outbox:
    """State: no link (everything waits on disk), or a link and a queue that ends at `loaded`."""

    def __init__(self, receiver: str) -> None:
        self.receiver = receiver
        self.link: Link | None = None
        self.behind = True
        """There is, or may be, more on disk than in the queue."""
        self.loading = False
        self.loaded = 0
        self._queue: deque[Delivery] = deque()
        self._answers: deque[Request] = deque()
        self._pushed: dict[str, Delivery | None] = {}
        self._begun = False

    # --- the link --------------------------------------------------------------------------------
    # -------------------
    def attach(self, link: Link) -> None:
        """A new link: everything unanswered goes out again, in order, once `begin` is called."""
        self.detach()
        self.link = link

    def begin(self, after: int) -> None:
        """Pushing may start; the queue is read from disk after a position."""
        self._begun = True
        self.behind = True
        self.loaded = after

    def detach(self) -> None:
        """The link is gone; what was pushed and not answered stays open on disk."""
        self.link = None
        self._begun = False
        self.behind = True
        self._queue.clear()
        self._answers.clear()
        self._pushed.clear()

    # --- what goes in ----------------------------------------------------------------------------
    # -------------------
    def offer(self, delivery: Delivery) -> None:
        """A delivery that was just committed; taken only when nothing on disk stands before it."""
        if not self._begun or self.behind or self.loading:
            self.behind = True
            return
        if len(self._queue) >= QUEUE_MAX:
            self.behind = True
            return
        self._append(delivery)
        self.pump()

    def extend(self, deliveries: list[Delivery], *, complete: bool) -> None:
        """What was read from disk after `loaded`; `complete` says there was no more."""
        self.loading = False
        if not self._begun:
            return
        for delivery in deliveries:
            if delivery.row.seq > self.loaded:
                self._append(replace(delivery, request=replace(delivery.request, resend=True)))
        self.behind = not complete
        self.pump()

    def _append(self, delivery: Delivery) -> None:
        self._queue.append(delivery)
        self.loaded = delivery.row.seq

    def answer(self, request: Request) -> None:
        """A data answer: goes out as soon as the window allows, and is not kept."""
        if self._begun and len(self._answers) < ANSWERS_MAX:
            self._answers.append(request)
            self.pump()

    # --- what goes out ---------------------------------------------------------------------------
    # -------------------
    def pump(self) -> None:
        """Push as much as the window allows."""
        link = self.link
        if link is None or not self._begun:
            return
        while len(self._pushed) < link.window:
            if self._answers:
                request = self._answers.popleft()
                self._pushed[request.id] = None
            elif self._queue:
                delivery = self._queue.popleft()
                request = delivery.request
                self._pushed[request.id] = delivery
            else:
                return
            link.push(request)

    def answered(self, response: Response) -> int | None:
        """The Seq that a response settles; None for a data answer or what was not asked."""
        delivery = self._pushed.pop(response.request_id, None)
        self.pump()
        return None if delivery is None else delivery.row.seq

    @property
    def wants(self) -> bool:
        """Whether the disk should be read now."""
        return self._begun and self.behind and not self.loading and len(self._queue) < LOAD_BELOW

    @property
    def pushed(self) -> list[int]:
        """The Seqs that are out and not answered."""
        return [delivery.row.seq for delivery in self._pushed.values() if delivery is not None]
