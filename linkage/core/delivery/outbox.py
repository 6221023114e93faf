"""One receiver's queue between disk and link: a bounded part in memory, a window of the rest.

Pure: it is told what happens and calls `LinkPort.push`. Of the disk more is asked through `wants`.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from linkage.core.scope import Delivery
from linkage.observation.instruments import QueueFigures
from linkage.ports import LinkPort
from linkage.store.rows import MICROSECONDS, DeliveryRow
from protocol.envelope import Request, Response
from protocol.kinds import is_command
from protocol.results import Result

QUEUE_MAX: Final = 512
"""Deliveries of one receiver held in memory; what is more waits on disk."""
LOAD_BELOW: Final = 128
QUEUE_BYTES_MAX: Final = 1024 * 1024
"""The same in bytes: a message may be megabytes, and there are hundreds of receivers."""
LOAD_BYTES_BELOW: Final = 256 * 1024
FLIGHT_BYTES_MAX: Final = 1024 * 1024
"""Bytes that are out and not answered, give or take one message: what a receiver that does not
read makes its session hold."""
ANSWERS_MAX: Final = 256
"""Data answers waiting for the window; who asks for more pages than it takes loses the rest."""
PASSING: Final = frozenset({Result.OVERLOAD, Result.RATE_LIMITED, Result.STORAGE_FULL})
"""Refusals of a receiver that has not had a notice and may have it later."""
PUT_OFF_S: Final = 5
PUT_OFF_MAX_S: Final = 60
"""A receiver that asks for longer is asked again by then: it may have forgotten what it said."""
TRIES_MAX: Final = 100
"""Times that one notice is put off; a receiver that refuses it for an hour will not take it."""
_NOTHING: Final[tuple[None, int]] = (None, 0)
CREATE_EVENT: Final = 201
"""The one command that may be repeated: a platform that stamps its records twice does no harm."""


Settled = Callable[[str, Request, Response, float], None]
"""Told of each answer: the receiver, what it was sent, what it said, after how many seconds."""


class Outbox:
    """State: no link (everything waits on disk), or a link and a queue that ends at `loaded`."""

    def __init__(
        self,
        receiver: str,
        figures: QueueFigures | None = None,
        settled: Settled | None = None,
    ) -> None:
        self.receiver = receiver
        self.figures = figures or QueueFigures()
        self._tell_settled = settled
        self.link: LinkPort | None = None
        self.behind = True
        """There is, or may be, more on disk than in the queue."""
        self.loading = False
        self.loaded = 0
        self.generation = 0
        """Counts `begin_pushing`: what was read from disk for an older one is not for this one."""
        self._queue: deque[tuple[Delivery, int]] = deque()
        """With since when it is on disk."""
        self._answers: deque[Request] = deque()
        self._pushed: dict[str, tuple[Delivery | None, int]] = {}
        """With when it was pushed."""
        self._queued_bytes = 0
        self._flight_bytes = 0
        self._sent_to = 0
        self._doubtful: int | None = None
        self._fresh_from: int | None = None
        self._begun = False
        self._held = False
        self.due_us: int | None = None
        """Nothing is pushed before: the receiver asked for a pause. None: it did not."""
        self._tries: Counter[int] = Counter()
        self._settled: set[tuple[int, int]] = set()
        """Answered since `restart`: what is read from disk meanwhile may still show them open."""

    # --- the link --------------------------------------------------------------------------------
    def attach(self, link: LinkPort) -> list[Delivery]:
        """A new link: everything unanswered goes out again, in order, from `begin_pushing` on.

        Returns what `detach` does, of an older link.
        """
        unknown = self.detach()
        self.link = link
        # A process that died may have pushed a whole window; how far it got nobody wrote down.
        if self._doubtful is None:
            self._doubtful = link.window
        return unknown

    def begin_pushing(self, after: int) -> None:
        """Pushing may start; the queue is read from disk after a position."""
        self._begun = True
        self.restart(after)

    def restart(self, after: int) -> None:
        """Read the queue anew from a position; what is out already is not pushed twice."""
        self.generation += 1
        self._queue.clear()
        self._queued_bytes = 0
        self._settled.clear()
        self.behind = True
        self.loading = False
        self.loaded = after

    def hold(self, to_seq: int) -> bool:
        """Push nothing until `release`: the queue is about to lose what stands up to `to_seq`.

        False where a message of that place or a later one is out: its answer would be taken for
        that of the notice which is to stand there.
        """
        if max(self.pushed, default=0) >= to_seq:
            return False
        self._held = True
        return True

    def release(self, now_us: int) -> None:
        """Go on pushing."""
        self._held = False
        self.pump(now_us)

    def detach(self) -> list[Delivery]:
        """The link is gone; what was pushed and not answered stays open on disk.

        Returns the commands among it: their outcome is unknown from now on, whether or not the
        receiver comes back before they expire. The caller reports that.
        """
        out = [delivery for delivery, _ in self._pushed.values() if delivery is not None]
        self.link = None
        self._begun = False
        self.behind = True
        self.due_us = None
        self._tries.clear()
        self._queue.clear()
        self._answers.clear()
        self._pushed.clear()
        self._queued_bytes = self._flight_bytes = 0
        return [delivery for delivery in out if _is_command(delivery)]

    # --- what goes in ----------------------------------------------------------------------------
    def offer(self, delivery: Delivery, now_us: int) -> None:
        """A delivery that was just committed; taken only when nothing on disk stands before it."""
        # No process before this one can have pushed what this one committed.
        if self._fresh_from is None:
            self._fresh_from = delivery.row.seq
        if not self._begun or self.behind or self._full:
            self.behind = True
            return
        self._append(delivery, now_us)
        self.pump(now_us)

    def extend(
        self, deliveries: Sequence[Delivery], generation: int, now_us: int, *, complete: bool
    ) -> list[Delivery]:
        """What was read from disk after `loaded`; `complete` says there was no more.

        What was offered since it was asked for must be among it: the core hands out what came of
        its work in the order in which it was done.

        Returns the commands that may have been sent on an earlier link: they are never sent again
        (protocol.md#expiry), the caller reports that their outcome is unknown.
        """
        if generation != self.generation or not self._begun:
            return []
        self.loading = False
        out = self._settled.union(_place(out) for out, _ in self._pushed.values() if out)
        unknown = []
        for delivery in deliveries:
            if _place(delivery) in out or delivery.row.seq <= self.loaded:
                continue
            again = self._was_sent(delivery)
            if again and _is_command(delivery):
                unknown.append(delivery)
                self.loaded = delivery.row.seq
                continue
            request = replace(delivery.request, resend=again)
            self._append(replace(delivery, request=request), delivery.since_us or now_us)
        self.behind = not complete
        self._settled.clear()
        self.pump(now_us)
        return unknown

    def _was_sent(self, delivery: Delivery) -> bool:
        """Whether it may be at the receiver already.

        Of a process before this one nobody knows how far it got. A notice is marked then as far
        as a window reaches: twice does no harm. A command counts as sent in any case: it is queued
        only while its platform is connected, so it hardly ever waited.
        """
        row = delivery.row
        if row.attempts > 0 or row.seq <= self._sent_to:
            return True
        if self._fresh_from is not None and row.seq >= self._fresh_from:
            return False
        doubtful = bool(self._doubtful)
        if self._doubtful:
            self._doubtful -= 1
        return doubtful or _is_command(delivery)

    def _append(self, delivery: Delivery, since_us: int) -> None:
        self._queue.append((delivery, since_us))
        self._queued_bytes += delivery.size
        self.loaded = delivery.row.seq

    def answer(self, request: Request, now_us: int) -> None:
        """A data answer: goes out as soon as the window allows, and is not kept."""
        if self._begun and len(self._answers) < ANSWERS_MAX:
            self._answers.append(request)
            self.pump(now_us)

    # --- what goes out ---------------------------------------------------------------------------
    def pump(self, now_us: int) -> None:
        """Push as much as the window allows; expired commands are left to the sweep."""
        link = self.link
        if link is None or not self._begun or self._held:
            return
        if self.due_us is not None:
            if now_us < self.due_us:
                return
            self.due_us = None
        while len(self._pushed) < link.window:
            if self._answers:
                request = self._answers.popleft()
                self._pushed[request.id] = (None, now_us)
            elif self._queue:
                delivery, since_us = self._queue[0]
                size = delivery.size
                if self._flight_bytes and self._flight_bytes + size > FLIGHT_BYTES_MAX:
                    return
                self._queue.popleft()
                self._queued_bytes -= size
                row = delivery.row
                if row.expires_at is not None and row.expires_at <= now_us:
                    continue
                request = delivery.request
                self._pushed[request.id] = (delivery, now_us)
                self._flight_bytes += size
                if not request.resend:
                    self.figures.waited.observe((now_us - since_us) / MICROSECONDS)
                self._sent_to = max(self._sent_to, row.seq)
                self._doubtful = 0
            else:
                return
            link.push(request)

    def answered(self, response: Response, now_us: int) -> DeliveryRow | None:
        """The place in the queue that a response settles.

        None for a data answer, for what was not asked, and for a notice that the receiver could
        not take just now: that is pushed again, and nothing before it, once `due_us` has come.
        """
        delivery, pushed_us = self._pushed.pop(response.request_id, _NOTHING)
        if delivery is not None:
            self._flight_bytes -= delivery.size
            took_s = (now_us - pushed_us) / MICROSECONDS
            self.figures.answered.observe(took_s)
            if self._tell_settled is not None:
                self._tell_settled(self.receiver, delivery.request, response, took_s)
            if response.result in PASSING and self._put_off(delivery, response, now_us):
                return None
            self._tries.pop(delivery.row.seq, None)
            if self.loading:
                self._settled.add(_place(delivery))
        self.pump(now_us)
        return None if delivery is None else delivery.row

    def _put_off(self, delivery: Delivery, response: Response, now_us: int) -> bool:
        seq = delivery.row.seq
        if is_command(delivery.row.type) or self._tries[seq] >= TRIES_MAX:
            return False
        self._tries[seq] += 1
        asked_s = PUT_OFF_S if response.retry_after_s is None else response.retry_after_s
        pause_us = min(max(1, asked_s), PUT_OFF_MAX_S) * MICROSECONDS
        self.due_us = max(self.due_us or 0, now_us + pause_us)
        if seq <= self.loaded:  # else it is read from disk again, where it is still open
            again = replace(delivery, request=replace(delivery.request, resend=True))
            place = sum(1 for other, _ in self._queue if other.row.seq < seq)
            self._queue.insert(place, (again, now_us))
            self._queued_bytes += again.size
        return True

    @property
    def wants(self) -> bool:
        """Whether the disk should be read now."""
        return (
            self._begun
            and self.behind
            and not self.loading
            and len(self._queue) < LOAD_BELOW
            and self._queued_bytes < LOAD_BYTES_BELOW
        )

    @property
    def held_bytes(self) -> int:
        """Bytes of messages that wait in memory or are out."""
        return self._queued_bytes + self._flight_bytes

    @property
    def _full(self) -> bool:
        return len(self._queue) >= QUEUE_MAX or self._queued_bytes >= QUEUE_BYTES_MAX

    @property
    def pushed(self) -> list[int]:
        """The Seqs that are out and not answered."""
        return [delivery.row.seq for delivery, _ in self._pushed.values() if delivery is not None]


def _place(delivery: Delivery) -> tuple[int, int]:
    """A place in the queue and what stands there: a 195 may take the place of another."""
    return delivery.row.seq, delivery.row.journal_seq


def _is_command(delivery: Delivery) -> bool:
    return is_command(delivery.row.type) and delivery.row.type != CREATE_EVENT
