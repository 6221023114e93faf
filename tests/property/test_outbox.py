"""A queue under every order of events: nothing is lost, twice on one link, or out of order.

A model of the disk stands beside the outbox: what was committed, what was answered. Deliveries are
committed, loads come late, links come, go and die with the process, receivers answer in any order
or ask for everything again, and commands expire.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from linkage.core.delivery import outbox as outbox_module
from linkage.core.delivery.outbox import Outbox
from linkage.core.scope import Delivery
from linkage.store.rows import DeliveryRow
from protocol import messages as m
from protocol.envelope import Request, Response

PAGE: Final = 4
WINDOW: Final = 3
NOTICE, COMMAND, CREATE = 106, 205, 201
KINDS: Final = (NOTICE, NOTICE, COMMAND, NOTICE, CREATE)
LIVES: Final = 6


class Line:
    """A link that remembers what it was pushed, and objects to what must not be."""

    address = "line"
    window = WINDOW

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.pushed: list[int] = []
        self.before: list[int] = []
        """Out already when all was asked for again: not to be pushed once more."""
        self.unanswered: list[int] = []
        self.data: list[str] = []
        """Ids of the data answers that are out."""

    def push(self, request: Request) -> None:
        seq = request.seq
        if seq is None:
            self.data.append(request.id)
            return
        row = self.queue.rows[seq]
        assert not self.pushed or seq > self.pushed[-1], "out of order, or twice"
        assert seq not in self.before, "still out"
        assert row.expires_at is None or row.expires_at > self.queue.now_us, "expired"
        if row.type == COMMAND:
            assert seq not in self.queue.executed, "a command may be executed once"
            self.queue.executed.add(seq)
        assert request.resend or seq not in self.queue.known, "a repetition that does not say so"
        self.queue.known.add(seq)
        self.pushed.append(seq)
        self.unanswered.append(seq)
        assert len(self.unanswered) <= WINDOW

    def close(self, reason: str) -> None:
        raise AssertionError(reason)


class Queue:
    """The disk, the link and the receiver around one outbox."""

    def __init__(self) -> None:
        self.rows: dict[int, DeliveryRow] = {}
        self.open: set[int] = set()
        self.loading: tuple[int, int] | None = None
        self.unwritten: list[int] = []
        """Answered, but the acknowledgement is not on disk yet."""
        self.given_up: set[int] = set()
        self.executed: set[int] = set()
        self.known: set[int] = set()
        """What the receiver has seen, as far as this process can know."""
        self.now_us = 0
        self.outbox = Outbox("peer")
        self.line: Line | None = None
        self.begun = False

    # --- the core commits and reads --------------------------------------------------------------
    def commit(self, by: int) -> None:
        for number in range(by % 5 + 1):
            seq = len(self.rows) + 1
            type_ = KINDS[(by + number) % len(KINDS)]
            if type_ == COMMAND and not self.begun:
                type_ = NOTICE  # without a link commands are refused, not queued
            expires = None if type_ == NOTICE else self.now_us + LIVES
            row = DeliveryRow(
                receiver="peer", seq=seq, journal_seq=seq, type=type_, expires_at=expires
            )
            self.rows[seq] = row
            self.open.add(seq)
            self.outbox.offer(as_delivery(row), self.now_us)

    def ask_the_disk(self) -> None:
        """As the core does whenever the outbox wants it."""
        if not self.outbox.wants:
            return
        # Jobs are done in the order of asking: what was answered before is written before.
        self.written()
        self.outbox.loading = True
        self.loading = (self.outbox.generation, self.outbox.loaded)

    def the_disk_answers(self, by: int = 0) -> None:
        del by
        if self.loading is None:
            return
        # What was committed since it was asked was so before it was read: the same order.
        (generation, after), self.loading = self.loading, None
        rows = [self.rows[seq] for seq in sorted(self.open) if seq > after][:PAGE]
        unknown = self.outbox.extend(
            [as_delivery(row) for row in rows], generation, self.now_us, complete=len(rows) < PAGE
        )
        for delivery in unknown:
            assert delivery.row.type == COMMAND
            self.given_up.add(delivery.row.seq)
            self.open.discard(delivery.row.seq)

    def written(self) -> None:
        self.open.difference_update(self.unwritten)
        self.unwritten.clear()

    def time_passes(self, by: int) -> None:
        """And the sweep finds what has expired and is not out."""
        self.now_us += by % 4 + 1
        out = set() if self.line is None else set(self.line.unanswered)
        for seq in list(self.open - out):
            expires_at = self.rows[seq].expires_at
            if expires_at is not None and expires_at <= self.now_us:
                self.open.discard(seq)

    # --- links -----------------------------------------------------------------------------------
    def a_link_comes(self, by: int = 0) -> None:
        del by
        self.written()
        self.line = Line(self)
        self.begun = False
        self.outbox.attach(self.line)

    def the_registration_is_answered(self, by: int = 0) -> None:
        del by
        if self.line is not None and not self.begun:
            self.begun = True
            self.outbox.begin_pushing(0)

    def the_link_dies(self, by: int = 0) -> None:
        del by
        self.line = None
        self.begun = False
        self.outbox.detach()
        self.written()

    def the_process_dies(self, by: int) -> None:
        self.line = None
        self.begun = False
        self.loading = None
        if by % 2:
            self.written()
        self.unwritten.clear()  # what was not written is lost: it comes again
        self.known.clear()  # how far it got, nobody wrote down
        self.outbox = Outbox("peer")

    # --- the receiver ----------------------------------------------------------------------------
    def the_receiver_answers(self, by: int) -> None:
        for _ in range(by % 3 + 1):
            if self.line is None or not self.line.unanswered or not self.begun:
                return
            seq = self.line.unanswered.pop(by % len(self.line.unanswered))
            self.unwritten.append(seq)
            row = self.outbox.answered(response(str(seq)), self.now_us)
            assert row is not None
            assert row.seq == seq

    def the_receiver_asks_for_all_again(self, by: int = 0) -> None:
        """294 over everything: notices open again, the queue read from the start."""
        del by
        if self.line is None or not self.begun:
            return
        self.written()
        for seq, row in self.rows.items():
            if row.type == NOTICE:
                self.open.add(seq)
                self.rows[seq] = replace(row, attempts=1)
        self.line.before = list(self.line.unanswered)
        self.line.pushed = []
        self.outbox.restart(0)

    def the_receiver_asks_for_data(self, by: int) -> None:
        self.outbox.answer(Request(id=f"q{by}", message=m.SnapshotNotice()), self.now_us)
        self.the_receiver_takes_data()

    def the_receiver_takes_data(self) -> None:
        """What waited for the window too, once it is out: nobody leaves that unanswered."""
        while self.line is not None and self.line.data:
            self.outbox.answered(response(self.line.data.pop()), self.now_us)

    # --- the end ---------------------------------------------------------------------------------
    def check(self) -> None:
        assert len(self.outbox._queue) <= outbox_module.QUEUE_MAX + PAGE
        out = [] if self.line is None else self.line.unanswered
        assert sorted(self.outbox.pushed) == sorted(out)

    def finish(self) -> None:
        """Whatever happened: where a link reads, all that is open arrives, now and on the next."""
        self.drain()
        self.a_link_comes()
        self.the_registration_is_answered()
        self.drain()

    def drain(self) -> None:
        if self.line is None or not self.begun:
            return
        self.written()
        expected = sorted(self.open)
        for _ in range(2 * len(self.rows) + 5):
            self.the_disk_answers()
            self.ask_the_disk()
            self.the_receiver_answers(2)
            self.the_receiver_takes_data()
        assert not self.line.unanswered
        arrived = {*self.line.pushed, *self.line.before}
        for seq in expected:
            expires_at = self.rows[seq].expires_at
            gone = expires_at is not None and expires_at <= self.now_us
            assert seq in arrived or seq in self.given_up or gone, f"{seq} was lost"


def as_delivery(row: DeliveryRow) -> Delivery:
    request = Request(id=str(row.seq), message=m.HoldNotice(), seq=row.seq)
    return Delivery(row, replace(request, resend=row.attempts > 0))


def response(request_id: str) -> Response:
    return Response(request_id=request_id, type=0, result=0)


Step = Callable[[Queue, int], None]
STEPS: Final[tuple[Step, ...]] = (
    *[Queue.commit] * 5,
    *[Queue.the_disk_answers] * 6,
    *[Queue.the_receiver_answers] * 5,
    *[Queue.the_registration_is_answered] * 3,
    *[Queue.a_link_comes] * 2,
    Queue.the_link_dies,
    Queue.the_process_dies,
    *[Queue.the_receiver_asks_for_all_again] * 2,
    Queue.the_receiver_asks_for_data,
    *[Queue.time_passes] * 2,
)
"""As often as each is to come."""


@given(steps=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 11)), min_size=40))
def test_a_queue_loses_repeats_and_swaps_nothing(steps: list[tuple[Step, int]]) -> None:
    queue = Queue()
    queue.a_link_comes()
    queue.the_registration_is_answered()
    for step, by in steps:
        step(queue, by)
        queue.ask_the_disk()
        queue.check()
    queue.finish()
