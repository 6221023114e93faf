"""What is counted, logged and traced of each job, in the event loop, after its commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from linkage.core.message_log import NOTHING_FURTHER, MessageLog
from linkage.core.scope import Delivery
from linkage.observation.instruments import RESULT_MAX, Figures
from linkage.ports import Clock
from linkage.store.rows import JournalRow
from linkage.tracing.spans import SpanMaker
from protocol.envelope import Request, Response

Times = tuple[float, float, float]
"""Of one job, monotonic seconds: when it was taken, when its commit began and ended."""


class Measures:
    """Figures, the log of messages and, where there are traces, spans.

    Args:
        figures: counts.
        clock: for the time of answers to deliveries.
        spans: makes spans; None: there are none.
    """

    def __init__(self, figures: Figures, clock: Clock, spans: SpanMaker | None = None) -> None:
        self.figures = figures
        self._clock = clock
        self._spans = spans
        self._log = MessageLog()

    def refused_unread(self, request: Request, response: Response) -> None:
        """A request was refused before it was looked at."""
        self.figures.requests[request.type, response.result] += 1

    def handled(
        self,
        peer: str,
        request: Request,
        response: Response,
        row: JournalRow | None,
        deliveries: Sequence[Delivery],
        times: Times,
        further: Mapping[str, str] = NOTHING_FURTHER,
    ) -> None:
        """A request was answered.

        `row` is its entry, `deliveries` are what came of it, `further` goes into the log.
        """
        taken, _, ended = times
        seconds = ended - taken
        self.figures.requests[request.type, response.result] += 1
        self.figures.answers.observe(seconds)
        self._log.taken(peer, request, response, row, seconds, ended, further)
        if self._spans is not None and row is not None:
            self._spans.taken(peer, request, response, row, deliveries, times)

    def own_messages(self, deliveries: Sequence[Delivery], times: Times) -> None:
        """Linkage had something to say that was no answer to a request."""
        if self._spans is not None:
            self._spans.own_messages(deliveries, times[2])

    def acknowledged(self, response: Response, count: int) -> None:
        """So many deliveries were answered alike."""
        self.figures.deliveries[min(response.result, RESULT_MAX)] += count

    def delivered(
        self, receiver: str, request: Request, response: Response, took_s: float
    ) -> None:
        """A receiver has just answered a delivery, so many seconds after it was pushed."""
        self._log.delivered(receiver, request, response, took_s, self._clock.now())
        if self._spans is not None:
            self._spans.delivered(receiver, request, response, took_s)
