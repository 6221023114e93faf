"""Which trace a message belongs to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkage.tracing.context import (
    CONVERSATIONS_MAX,
    Conversations,
    TraceContext,
    hashed,
    parse_trace,
)

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.booleans())
def test_a_context_is_read_as_it_was_written(trace_id: int, span_id: int, sampled: bool) -> None:
    context = TraceContext(trace_id, span_id, sampled)
    assert parse_trace(str(context)) == context


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "call 7",
        TRACE.upper(),
        TRACE[:-1],
        f"{TRACE}-x",
        f"01{TRACE[2:]}",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01",
    ],
)
def test_what_is_no_traceparent_is_none(text: str | None) -> None:
    assert parse_trace(text) is None


@given(st.text(max_size=64))
def test_whatever_a_peer_writes_there_is_read_without_harm(text: str) -> None:
    parse_trace(text)


def test_ids_are_the_same_in_every_process_and_differ_by_what_they_are_about() -> None:
    one, again, other = Conversations("a").ids, Conversations("a").ids, Conversations("b").ids
    assert one.receive(7) == again.receive(7)
    distinct = {
        one.receive(7),
        one.receive(8),
        one.deliver(7, "x"),
        one.deliver(7, "y"),
        other.receive(7),
        one.below(one.receive(7), "journal"),
    }
    assert len(distinct) == 6


def test_calls_of_one_number_in_two_stores_have_two_traces() -> None:
    known = Conversations("linkage")
    assert known.begin("operation", 1, 1000) == known.begin("operation", 1, 1000)
    assert known.begin("operation", 1, 1000).trace_id != known.begin("operation", 1, 1001).trace_id


@pytest.mark.parametrize(
    ("sample", "least", "most"), [(0.0, 0, 0), (1.0, 400, 400), (0.5, 140, 260)]
)
def test_so_many_of_the_traces_begun_here_are_recorded(
    sample: float, least: int, most: int
) -> None:
    known = Conversations("linkage", sample)
    recorded = sum(known.begin("operation", key, 0).sampled for key in range(400))
    assert least <= recorded <= most


def test_the_oldest_conversations_are_forgotten() -> None:
    known = Conversations("linkage")
    context = TraceContext(hashed(16, 0), 1, sampled=True)
    for key in range(CONVERSATIONS_MAX + 1):
        known.remember("operation", key, context)
    assert known.known("operation", 0) is None
    assert known.known("operation", 1) is not None


def test_what_is_no_trace_goes_on_as_it_came() -> None:
    known = Conversations("linkage")
    assert known.outgoing("call 7", 1, "desk") == "call 7"
    assert known.outgoing(None, 1, "desk") is None
    out = parse_trace(known.outgoing(TRACE, 1, "desk"))
    given = parse_trace(TRACE)
    assert out is not None
    assert given is not None
    assert (out.trace_id, out.span_id) == (given.trace_id, known.ids.deliver(1, "desk"))
