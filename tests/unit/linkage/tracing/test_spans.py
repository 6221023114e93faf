"""One conversation, one trace: its spans, and who hangs below whom."""

from __future__ import annotations

import asyncio
from pathlib import Path

from linkage.core import Core
from linkage.store.sqlite.database import open_store
from linkage.tracing.context import parse_trace
from linkage.tracing.spans import Kind, Span, executed
from protocol import messages as m
from tests.fakes.core_links import Site
from tests.fakes.said import call_out

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
NOT_SAMPLED = TRACE[:-1] + "0"


class Traced(Site):
    """A site whose core makes spans."""

    def _open(self) -> None:
        self.spans: list[Span] = getattr(self, "spans", [])
        self.engine = open_store(self.config.database_path)
        self.core = Core(
            self.config, self.unit(self.engine), self.clock, {}, spans=self.spans.append
        )

    def named(self, name: str) -> Span:
        (span,) = [span for span in self.spans if span.name == name]
        return span


def incoming(call: str = "C1") -> m.IncomingCallNotice:
    return m.IncomingCallNotice(call_id=call, direction=m.CallDirection.IN, to_num="2222")


async def until(site: Traced, count: int) -> None:
    """That many spans are there."""
    async with asyncio.timeout(30):
        while len(site.spans) < count:
            await site.settled()


async def test_a_notice_is_received_journalled_and_delivered_in_its_sender_s_trace(
    tmp_path: Path,
) -> None:
    async with Traced(tmp_path) as site:
        pbx, desk = await site.connect("pbx"), await site.connect("desk")
        desk.answers = lambda _: 0
        await site.say(pbx, incoming(), "n1", trace=TRACE)
        await desk.heard(1)
        await until(site, 3)

    receive = site.named("receive IncomingCallNotice")
    journal = site.named("journal")
    deliver = site.named("deliver IncomingCallNotice")
    assert {span.trace_id for span in site.spans} == {int(TRACE[3:35], 16)}
    assert f"{receive.parent_id:016x}" == TRACE[36:52]
    assert journal.parent_id == deliver.parent_id == receive.span_id
    assert receive.start_ns <= journal.start_ns <= journal.end_ns == receive.end_ns
    assert receive.end_ns <= deliver.end_ns
    assert (receive.kind, deliver.kind) == (Kind.CONSUMER, Kind.PRODUCER)
    assert receive.attributes["linkage.peer"] == "pbx"
    assert receive.attributes["messaging.message.id"] == "n1"
    assert receive.attributes["linkage.op_id"] == "1"
    assert deliver.attributes["linkage.peer"] == "desk"
    assert deliver.error is receive.error is None
    # The receiver's own spans go below the delivery.
    told = parse_trace(desk.pushed[0].trace)
    assert told is not None
    assert told.span_id == deliver.span_id


async def test_what_is_refused_is_an_error(tmp_path: Path) -> None:
    async with Traced(tmp_path) as site:
        desk = await site.connect("desk")
        await site.say(desk, m.Hangup(call_id="nobody's"), trace=TRACE)
    receive = site.named("receive Hangup")
    assert receive.error is not None
    assert receive.attributes["linkage.result"] == 301


async def test_a_call_whose_messages_name_no_trace_is_one_trace_also_after_a_restart(
    tmp_path: Path,
) -> None:
    async with Traced(tmp_path) as site:
        pbx, desk = await site.connect("pbx"), await site.connect("desk")
        desk.answers = lambda _: 0
        await site.say(pbx, incoming())
        await site.say(desk, m.CreateEvent(call_id="C1", event_id="E1"))
        await site.restart()
        pbx = await site.connect("pbx")
        await site.say(pbx, m.HangupNotice(call_id="C1"))
        await site.say(pbx, incoming("C2"))
    calls = {
        span.name: span.trace_id
        for span in site.spans
        if span.attributes.get("linkage.op_id") == "1"
    }
    assert set(calls) >= {
        "receive IncomingCallNotice",
        "receive CreateEvent",
        "receive HangupNotice",
    }
    assert len(set(calls.values())) == 1
    assert len({span.trace_id for span in site.spans}) == 2
    first = next(span for span in site.spans if span.name == "receive IncomingCallNotice")
    assert first.parent_id == 0


async def test_a_command_and_its_outcome_are_one_trace(tmp_path: Path) -> None:
    async with Traced(tmp_path) as site:
        pbx, desk = await site.connect("pbx"), await site.connect("desk")
        desk.answers = pbx.answers = lambda _: 0
        call = call_out("E1")
        response = await site.say(desk, call, trace=TRACE)
        assert response.accepted, response
        await pbx.heard(1)
        (command,) = [item for item in pbx.pushed if item.type == 210]
        outcome = m.CallOutResultNotice(
            event_id="E1", call_id="C9", phone_num="13912344444", request_id=command.id
        )
        await site.say(pbx, outcome)
        await until(site, 5)
    deliver = site.named("deliver CallOut")
    came = site.named("receive CallOutResultNotice")
    assert {span.trace_id for span in site.spans} == {int(TRACE[3:35], 16)}
    assert came.parent_id == deliver.span_id
    span = executed("pbx", "asterisk", command, 0, 1, 2)
    assert span is not None
    assert span.parent_id == deliver.span_id
    assert not [span for span in site.spans if "13912344444" in str(span)]


async def test_what_linkage_says_itself_hangs_below_what_made_it(tmp_path: Path) -> None:
    async with Traced(tmp_path) as site:
        pbx, desk = await site.connect("pbx"), await site.connect("desk")
        desk.answers = lambda _: 0
        await site.say(pbx, incoming(), trace=TRACE)
        await site.say(desk, m.CreateEvent(call_id="C1", event_id="E1"), trace=TRACE)
        await desk.heard(2)
        await until(site, 7)
    create = site.named("receive CreateEvent")
    tell = site.named("tell EventBoundNotice")
    deliver = site.named("deliver EventBoundNotice")
    assert tell.parent_id == create.span_id
    assert deliver.parent_id == tell.span_id


async def test_every_parent_but_the_sender_s_is_a_span_of_the_same_trace(tmp_path: Path) -> None:
    async with Traced(tmp_path) as site:
        pbx, desk = await site.connect("pbx"), await site.connect("desk")
        desk.answers = pbx.answers = lambda _: 0
        for number in range(5):
            await site.say(pbx, incoming(f"C{number}"), trace=TRACE if number % 2 else None)
            create = m.CreateEvent(call_id=f"C{number}", event_id=f"E{number}")
            await site.say(desk, create)
            await site.say(desk, m.Hangup(call_id=f"C{number}"))
        await desk.heard(10)
        await site.settled()
    ids = {(span.trace_id, span.span_id) for span in site.spans}
    assert len(ids) == len(site.spans)
    for span in site.spans:
        known = (span.trace_id, span.parent_id) in ids
        assert known or span.parent_id in {0, int(TRACE[36:52], 16)}, span


async def test_a_trace_that_its_sender_does_not_record_is_not(tmp_path: Path) -> None:
    async with Traced(tmp_path) as site:
        pbx, desk = await site.connect("pbx"), await site.connect("desk")
        desk.answers = lambda _: 0
        await site.say(pbx, incoming(), trace=NOT_SAMPLED)
        await desk.heard(1)
        await site.settled()
        told = parse_trace(desk.pushed[0].trace)
    assert site.spans == []
    assert told is not None
    assert not told.sampled


async def test_without_tracing_a_trace_is_passed_on_as_it_came(tmp_path: Path) -> None:
    async with Site(tmp_path) as site:
        pbx, desk = await site.connect("pbx"), await site.connect("desk")
        desk.answers = pbx.answers = lambda _: 0
        await site.say(pbx, incoming(), trace=TRACE)
        await site.say(pbx, incoming("C2"))
        call = call_out("E1")
        await site.say(desk, call, trace="of my own")
        await pbx.heard(1)
        command = pbx.pushed[-1]
        outcome = m.CallOutResultNotice(
            event_id="E1", call_id="C9", phone_num="1", request_id=command.id
        )
        await site.say(pbx, outcome)
        await desk.heard(3)
    traces = [request.trace for request in desk.pushed]
    assert traces == [TRACE, None, "of my own"]
    assert command.trace == "of my own"
