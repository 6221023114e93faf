"""The outboxes of all receivers, and what the disk brings for them."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Final, ParamSpec, TypeVar

from linkage.core.context import Context
from linkage.core.delivery.acknowledge import Acknowledge, GiveUp
from linkage.core.delivery.outbox import QUEUE_MAX, Outbox, Settled
from linkage.core.delivery.queue_reader import Loaded
from linkage.core.job import Job
from linkage.core.overload.admission import Admission
from linkage.core.peers import Peers
from linkage.core.scope import Delivery, Done
from linkage.core.sessions.takeover import Takeover
from linkage.core.writer.writer import Writer
from linkage.observation.instruments import Figures
from linkage.ports import LinkPort
from linkage.store.rows import DeliveryRow
from protocol.envelope import Request, Response
from protocol.message import Message

logger = logging.getLogger("linkage.core")

P = ParamSpec("P")
R = TypeVar("R")

LOAD_AGAIN_S: Final = 1.0
"""After a disk that could not be read."""
_NEVER: Final = (-1, Acknowledge("", 0, 0, Response(request_id="", type=0, result=0)))
ANSWERS_OF_A_PREFIX: Final = 9_999_999
"""What the patent's 16 characters have room for behind it."""


@dataclass(frozen=True, slots=True)
class LoadQueue(Job[Loaded]):
    """Read open deliveries of a receiver after a position."""

    receiver: str
    after: int
    limit: int

    only_reads: ClassVar[bool] = True

    def run(self, context: Context) -> Loaded:
        """See `QueueReader.load`."""
        return context.queue_reader.load(self.receiver, self.after, self.limit)


class DeliveryQueues:
    """One `Outbox` for each receiver, made when it is first needed.

    Args:
        closed: told of a link that a bug in its queue costs; the link is closed after that.
        delivered: told of each answer, see `Outbox`.
    """

    def __init__(
        self,
        peers: Peers,
        figures: Figures,
        writer: Writer,
        admission: Admission,
        takeover: Takeover,
        steady_us: Callable[[], int],
        *,
        closed: Callable[[LinkPort, str], None],
        delivered: Settled,
    ) -> None:
        self._peers = peers
        self._figures = figures
        self._writer = writer
        self._admission = admission
        self._takeover = takeover
        self._steady_us = steady_us
        self._closed = closed
        self._delivered = delivered
        self._outboxes: dict[str, Outbox] = {}
        self._accepted: dict[str, tuple[int, Acknowledge]] = {}
        """The last acceptance of each receiver, and in which turn of the commits it was put."""
        self._answer_ids = _AnswerIds()

    def of(self, receiver: str) -> Outbox:
        """The queue of a receiver."""
        outbox = self._outboxes.get(receiver)
        if outbox is None:
            peer = self._peers.get(receiver)
            role = "none" if peer is None else peer.role.value
            outbox = Outbox(receiver, self._figures.queue_of(role), self._delivered)
            self._outboxes[receiver] = outbox
        return outbox

    # --- what a commit brought -------------------------------------------------------------------
    def hand_out(self, done: Done[Any], now_us: int) -> None:
        """Offer what a commit brought to its receivers."""
        for delivery in done.deliveries:
            outbox = self.of(delivery.row.receiver)
            self._guarded(outbox, outbox.offer, delivery, now_us)
            if outbox.behind:
                self._load(outbox)
        for receiver, message in done.answers:
            self.answer(receiver, message, now_us)

    def replay(self, receiver: str) -> None:
        """Older deliveries of a queue are open again: read it anew."""
        outbox = self.of(receiver)
        self._guarded(outbox, outbox.restart, 0)
        self._load(outbox)

    def hold(self, receiver: str, to_seq: int) -> bool:
        """See `Outbox.hold`; `dropped` ends it."""
        return self.of(receiver).hold(to_seq)

    def dropped(self, receiver: str, done: Done[bool]) -> None:
        """A queue has let go of its oldest messages, or not."""
        outbox = self.of(receiver)
        self._guarded(outbox, self._dropped, outbox, done)

    def _dropped(self, outbox: Outbox, done: Done[bool]) -> None:
        if done.value:
            outbox.restart(0)
        outbox.release(self._steady_us())
        self._load(outbox)

    def _loaded(self, outbox: Outbox, generation: int, done: Done[Loaded]) -> None:
        self._guarded(outbox, self._extend, outbox, generation, done)

    def _extend(self, outbox: Outbox, generation: int, done: Done[Loaded]) -> None:
        loaded = done.value
        if loaded is None:
            if generation == outbox.generation:
                outbox.loading = False
            asyncio.get_running_loop().call_later(LOAD_AGAIN_S, self._load, outbox)
            return
        unknown = outbox.extend(
            loaded.deliveries, generation, self._steady_us(), complete=loaded.complete
        )
        self._give_up(outbox, unknown)
        self._load(outbox)

    def _give_up(self, outbox: Outbox, unknown: Iterable[Delivery]) -> None:
        for delivery in unknown:
            self._writer.put(GiveUp(outbox.receiver, delivery.row.seq, delivery.row.journal_seq))

    # --- links -----------------------------------------------------------------------------------
    def attach(self, receiver: str, link: LinkPort) -> None:
        """A receiver has a new link; nothing is pushed before `begin_pushing`."""
        outbox = self.of(receiver)
        self._give_up(outbox, outbox.attach(link))

    def detach(self, receiver: str) -> None:
        """A receiver has no link any more."""
        outbox = self.of(receiver)
        self._give_up(outbox, outbox.detach())

    def begin_pushing(self, receiver: str, after: int) -> None:
        """Start to push what waits for a receiver after a position."""
        outbox = self.of(receiver)
        outbox.begin_pushing(after)
        self._load(outbox)

    def answered(self, receiver: str, response: Response) -> None:
        """A receiver answered a push; so it has a link, and had its queue before that."""
        outbox = self._outboxes[receiver]
        row = self._guarded(outbox, outbox.answered, response, self._steady_us())
        if row is not None:
            self._acknowledge(row, response)
        if outbox.behind:
            self._load(outbox)

    def _acknowledge(self, row: DeliveryRow, response: Response) -> None:
        """Have it written that an answer came; acceptances of one turn of the loop as one work.

        A death before it is on disk costs a repetition, which the receiver knows.
        """
        receiver = row.receiver
        turn, last = self._accepted.get(receiver, _NEVER)
        if turn == self._writer.turns and response.result == last.response.result:
            # Not handed over yet, so it stands before whatever registration came in between.
            last.further.append((row.seq, row.journal_seq))
            return
        work = Acknowledge(receiver, row.seq, row.journal_seq, response)
        if self._takeover.holds(work):
            return
        accepted = response.accepted
        self._writer.put(work, patient=accepted)
        if accepted:
            self._accepted[receiver] = self._writer.turns, work

    def answer(self, receiver: str, message: Message, now_us: int) -> None:
        """Push what has no place in a queue."""
        outbox = self.of(receiver)
        request = Request(id=self._answer_ids.take(), message=message)
        self._guarded(outbox, outbox.answer, request, now_us)

    # --- every now and then ----------------------------------------------------------------------
    def pump_due(self) -> None:
        """Go on where a receiver asked for a pause that is over."""
        for outbox in self._outboxes.values():
            if outbox.due_us is not None:
                self._guarded(outbox, outbox.pump, self._steady_us())

    def load_all(self) -> None:
        """Read on from the disk for whoever wants it."""
        for outbox in self._outboxes.values():
            self._load(outbox)

    def pushed(self) -> frozenset[tuple[str, int]]:
        """What is out and not answered: receiver and Seq."""
        return frozenset(
            (outbox.receiver, seq) for outbox in self._outboxes.values() for seq in outbox.pushed
        )

    def _load(self, outbox: Outbox) -> None:
        if outbox.wants and not self._writer.stopping and self._admission.has_room:
            outbox.loading = True
            self._writer.put(
                LoadQueue(outbox.receiver, outbox.loaded, QUEUE_MAX // 2),
                partial(self._loaded, outbox, outbox.generation),
            )

    def _guarded(
        self, outbox: Outbox, act: Callable[P, R], *args: P.args, **kw: P.kwargs
    ) -> R | None:
        """Do something at an outbox; a bug in it costs the receiver its link, and nobody else.

        The next link of the receiver goes on from what is on disk.
        """
        try:
            return act(*args, **kw)
        except Exception:
            logger.exception(
                "queue of %s failed by a bug: its link is closed",
                outbox.receiver,
                extra={"peer": outbox.receiver},
            )
        link = outbox.link
        if link is not None:
            self._closed(link, "internal error")
            link.close("internal error")
        return None


class _AnswerIds:
    """Request Ids of data answers.

    Unique for this sender across restarts, and never a journal seq.
    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._prefix = "q" + secrets.token_hex(4)
        self._last = 0

    def take(self) -> str:
        if self._last == ANSWERS_OF_A_PREFIX:
            self._begin()
        self._last += 1
        return f"{self._prefix}{self._last}"
