"""Spans as plain data: what happened with a message, made after it has happened.

```
 receive CallOut            taking it, to its answer          (peer: desk)
 ├─ journal                 the commit
 └─ deliver CallOut         push to acknowledgement           (peer: asterisk1)
    ├─ execute CallOut      an adapter at work
    └─ receive CallOutResultNotice                            (peer: asterisk1)
       ├─ journal
       └─ deliver CallOutResultNotice                         (peer: desk)
```
Names of attributes follow OpenTelemetry's conventions for messaging where there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from linkage.ports import Clock
from linkage.tracing.context import SpanIds, TraceContext, parse_trace
from protocol.envelope import Request, Response
from protocol.results import FIRST_REFUSAL, result_text

if TYPE_CHECKING:  # the core makes use of this module
    from linkage.core.scope import Delivery
    from linkage.store.rows import JournalRow

SYSTEM: Final = "eventid"
NS: Final = 1_000_000_000

Attributes = dict[str, str | int]


class Kind(Enum):
    """Whether a span receives, sends, calls, or is within linkage."""

    CONSUMER = "consumer"
    PRODUCER = "producer"
    CLIENT = "client"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One span; `parent_id` 0: it has none. Times are nanoseconds since 1970; `error` in words."""

    name: str
    kind: Kind
    trace_id: int
    span_id: int
    parent_id: int
    start_ns: int
    end_ns: int
    attributes: Mapping[str, str | int]
    error: str | None = None


Put = Callable[[Span], None]
"""Takes a span; must neither block nor raise."""


class SpanMaker:
    """Makes the spans of one core's messages; called in the event loop, after the commit.

    Args:
        own_id: linkage's PeerId.
        put: where they go.
        clock: the monotonic times of the core are told in those of the wall.
    """

    def __init__(self, own_id: str, put: Put, clock: Clock) -> None:
        self._ids = SpanIds(own_id)
        self._put = put
        self._clock = clock

    def own_messages(self, deliveries: Sequence[Delivery], ended: float) -> None:
        """What linkage had to say that was no answer to a request; `ended` is the commit's end."""
        (ended_ns,) = self._ns(ended)
        self._own_messages(deliveries, 0, 0, ended_ns)

    def _ns(self, *monotonic: float) -> list[int]:
        """Nanoseconds since 1970."""
        offset_s = self._clock.utc().timestamp() - self._clock.now()
        return [round((offset_s + time) * NS) for time in monotonic]

    def taken(
        self,
        peer: str,
        request: Request,
        response: Response,
        row: JournalRow,
        deliveries: Sequence[Delivery],
        times: tuple[float, float, float],
    ) -> None:
        """A request was committed; `times` are monotonic: taken, commit begun, commit ended."""
        if response.detail == "duplicate":
            return
        context = parse_trace(row.trace)
        if not _is_recorded(context):
            return
        own = self._ids.receive(row.seq)
        taken, began, ended = self._ns(*times)
        message = request.message
        self._put(
            Span(
                name=f"receive {message.english}",
                kind=Kind.CONSUMER,
                trace_id=context.trace_id,
                span_id=own,
                # What begins a trace is named as its own parent.
                parent_id=0 if context.span_id == own else context.span_id,
                start_ns=taken,
                end_ns=ended,
                attributes=_row_attributes(row, peer, request, response),
                error=error_of(response.result),
            )
        )
        self._put(
            Span(
                name="journal",
                kind=Kind.INTERNAL,
                trace_id=context.trace_id,
                span_id=SpanIds.below(own, "journal"),
                parent_id=own,
                start_ns=max(taken, began),
                end_ns=ended,
                attributes={"linkage.journal.seq": row.seq},
            )
        )
        self._own_messages(deliveries, row.seq, own, ended)

    def _own_messages(
        self, deliveries: Sequence[Delivery], request_seq: int, parent_id: int, at_ns: int
    ) -> None:
        """What linkage itself had to say, because of that request (0: of none)."""
        told = {request_seq}
        for delivery in deliveries:
            seq = delivery.row.journal_seq
            context = parse_trace(delivery.request.trace)
            if seq in told or delivery.since_us is not None or not _is_recorded(context):
                continue
            told.add(seq)
            message = delivery.request.message
            self._put(
                Span(
                    name=f"tell {message.english}",
                    kind=Kind.INTERNAL,
                    trace_id=context.trace_id,
                    span_id=self._ids.receive(seq),
                    parent_id=parent_id,
                    start_ns=at_ns,
                    end_ns=at_ns,
                    attributes={"linkage.type": message.number, "linkage.journal.seq": seq},
                )
            )

    def delivered(
        self, receiver: str, request: Request, response: Response, took_s: float
    ) -> None:
        """A receiver has just answered a delivery that was pushed so many seconds ago."""
        context = parse_trace(request.trace)
        if not _is_recorded(context):
            return
        seq = int(request.id)
        (end,) = self._ns(self._clock.now())
        self._put(
            Span(
                name=f"deliver {request.message.english}",
                kind=Kind.PRODUCER,
                trace_id=context.trace_id,
                span_id=self._ids.deliver(seq, receiver),
                parent_id=self._ids.receive(seq),
                start_ns=end - round(took_s * NS),
                end_ns=end,
                attributes={
                    **request_attributes("send", receiver, request),
                    "linkage.journal.seq": seq,
                    "linkage.result": int(response.result),
                },
                error=error_of(response.result),
            )
        )


def executed(
    peer: str, kind: str, request: Request, result: int, start_ns: int, end_ns: int
) -> Span | None:
    """An adapter's work at a command; None where it is in no trace."""
    context = parse_trace(request.trace)
    if not _is_recorded(context):
        return None
    return Span(
        name=f"execute {request.message.english}",
        kind=Kind.CLIENT,
        trace_id=context.trace_id,
        span_id=SpanIds.below(context.span_id, "execute"),
        parent_id=context.span_id,
        start_ns=start_ns,
        end_ns=end_ns,
        attributes={
            **request_attributes("process", peer, request),
            "linkage.adapter": kind,
            "linkage.result": int(result),
        },
        error=error_of(result),
    )


def request_attributes(operation: str, peer: str, request: Request) -> Attributes:
    """What every span of a message has; ids only, and nobody's number."""
    message = request.message
    found: dict[str, Any] = {
        "messaging.system": SYSTEM,
        "messaging.operation.type": operation,
        "messaging.destination.name": peer,
        "messaging.message.id": request.id,
        "linkage.peer": peer,
        "linkage.type": request.type,
        "linkage.event_id": message.event_id,
        "linkage.op_id": message.op_id,
        "linkage.seq": request.seq,
    }
    return {name: value for name, value in found.items() if value is not None}


def _row_attributes(
    row: JournalRow, peer: str, request: Request, response: Response
) -> Attributes:
    attributes = request_attributes("receive", peer, request)
    attributes["messaging.message.body.size"] = len(row.body)
    attributes["linkage.result"] = int(response.result)
    attributes["linkage.journal.seq"] = row.seq
    if row.event_id is not None:
        attributes["linkage.event_id"] = row.event_id
    if row.op_id is not None:
        attributes["linkage.op_id"] = str(row.op_id)
    return attributes


def _is_recorded(context: TraceContext | None) -> TypeGuard[TraceContext]:
    return context is not None and context.sampled


def error_of(result: int) -> str | None:
    """What went wrong, for a result that refuses."""
    return result_text(result) if result >= FIRST_REFUSAL else None
