"""Which trace a message belongs to, and the ids of its spans (W3C Trace Context, version 00).

```
 Trace="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
           the trace, 16 bytes              its parent, 8    sampled
```
Ids of spans are made from what they are about: the entry in the journal, the receiver. So spans of
different processes, or from before and after a restart, find each other, and nothing is remembered
between the moments of a message.

A message belongs to the trace that its sender named; else to that of the command whose outcome it
is; else to that of its call (the root of its operation), else of its event. The first message of a
call that names none begins one.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
SAMPLED: Final = 1
CONVERSATIONS_MAX: Final = 20_000
"""Calls whose trace is remembered; of others the first entry in the journal tells it."""
_RATIO_BITS: Final = 64


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A traceparent: whose child a span is."""

    trace_id: int
    span_id: int
    sampled: bool

    def __str__(self) -> str:
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{self.sampled:02x}"

    def at(self, span_id: int) -> TraceContext:
        """The same trace, further down."""
        return TraceContext(self.trace_id, span_id, self.sampled)


def parse_trace(text: str | None) -> TraceContext | None:
    """None where it is no traceparent: a peer may write anything into its Trace."""
    found = None if text is None else TRACEPARENT.fullmatch(text)
    if found is None:
        return None
    trace_id, span_id = int(found[1], 16), int(found[2], 16)
    if not trace_id or not span_id:
        return None  # the standard's mark of no trace
    return TraceContext(trace_id, span_id, bool(int(found[3], 16) & SAMPLED))


def hashed(size: int, *parts: object) -> int:
    """A number of so many bytes, never 0, made from the parts."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(blake2b(text.encode(), digest_size=size).digest()) or 1


class SpanIds:
    """Ids of the spans of one linkage, `own_id` being its PeerId."""

    __slots__ = ("_own_id",)

    def __init__(self, own_id: str) -> None:
        self._own_id = own_id

    def receive(self, seq: int) -> int:
        """Of taking, or making, the message of that journal entry."""
        return hashed(8, self._own_id, seq, "receive")

    def deliver(self, seq: int, receiver: str) -> int:
        """Of delivering it to that peer."""
        return hashed(8, self._own_id, seq, "deliver", receiver)

    @staticmethod
    def below(span_id: int, what: str) -> int:
        """Of a step within another span."""
        return hashed(8, span_id, what)


class Conversations:
    """Finds the trace of messages that name none. Used by the core's thread only.

    `sample` is the part of the traces begun here that are recorded, 0–1; a trace that a sender
    began is recorded if the sender says so.
    """

    def __init__(self, own_id: str, sample: float = 1.0) -> None:
        self.ids = SpanIds(own_id)
        self._own_id = own_id
        self._bound = round(sample * 2**_RATIO_BITS)
        self._known: OrderedDict[tuple[str, int], TraceContext] = OrderedDict()

    def known(self, kind: str, key: int) -> TraceContext | None:
        """That of a call or event, as far as it is remembered."""
        found = self._known.get((kind, key))
        if found is not None:
            self._known.move_to_end((kind, key))
        return found

    def remember(self, kind: str, key: int, trace: TraceContext) -> None:
        """The first trace of a call or event stays its own."""
        if (kind, key) in self._known:
            return
        self._known[kind, key] = trace
        if len(self._known) > CONVERSATIONS_MAX:
            self._known.popitem(last=False)

    def forget(self) -> None:
        """What was remembered may not be on disk: numbers of calls may be given again."""
        self._known.clear()

    def begin(self, kind: str, key: int, since_us: int) -> TraceContext:
        """A new one; `since_us` tells it from that of another store's call of the same number."""
        trace_id = hashed(16, self._own_id, kind, key, since_us)
        sampled = trace_id % 2**_RATIO_BITS < self._bound
        return TraceContext(trace_id, 0, sampled)

    def outgoing(self, trace: str | None, seq: int, receiver: str) -> str | None:
        """What a receiver is told: its spans go below the delivery to it."""
        context = parse_trace(trace)
        if context is None:
            return trace
        return str(context.at(self.ids.deliver(seq, receiver)))
