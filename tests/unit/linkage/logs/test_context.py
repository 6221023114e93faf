"""Each line tells whom and what it concerns, and nothing of what others concern."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import ClassVar

from sqlalchemy import Engine

from linkage.clock import ManualClock
from linkage.core.message_log import REFUSALS_PER_S, MessageLog
from linkage.hosting import AdapterHost
from linkage.ports import Adapter, AdapterContext, AdapterPort, Capability, Outcome
from linkage.store.sql.unit import UnitOfWork
from protocol import messages as m
from protocol.envelope import Request, Response
from tests.fakes.core import FakeCore
from tests.fakes.core_links import Site
from tests.fakes.faulty_stores import OnWrite, watch_look_ups
from tests.fakes.hosted_adapter import NO_FILES
from tests.fakes.logged import Log, logging_to

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def incoming(call: str = "C1") -> m.IncomingCallNotice:
    return m.IncomingCallNotice(call_id=call, direction=m.CallDirection.IN, to_num="2222")


async def test_every_message_has_a_line_with_all_its_ids(tmp_path: Path) -> None:
    with logging_to(Log(), messages=True) as log:
        async with Site(tmp_path) as site:
            pbx, desk = await site.connect("pbx"), await site.connect("desk")
            await site.say(pbx, incoming(), "n1", trace=TRACE)
            await site.say(desk, m.CreateEvent(call_id="C1", event_id="E1"), "c1")
            await site.say(pbx, m.HangupNotice(call_id="C1"), "n2")
            await site.say(desk, m.Hangup(call_id="nobody's"), "c2")
    lines = {line["id"]: line for line in log.of("linkage.messages") if "duration_ms" in line}
    first = lines["n1"]
    assert first["event"] == "100 IncomingCallNotice of pbx accepted"
    assert (first["peer"], first["type"], first["result"]) == ("pbx", 100, 0)
    assert (first["op_id"], first["call_id"], first["trace"]) == ("1", "C1", TRACE)
    assert first["duration_ms"] >= 0
    assert "event_id" not in first
    # The hang-up does not name the event: correlation found it.
    assert (lines["n2"]["event_id"], lines["n2"]["op_id"]) == ("E1", "1")
    refused = lines["c2"]
    assert (refused["level"], refused["result"]) == ("info", 301)
    assert refused["event"].startswith("202 Hangup of desk refused: ")


async def test_a_delivery_has_a_line_when_it_is_acknowledged(tmp_path: Path) -> None:
    with logging_to(Log(), messages=True) as log:
        async with Site(tmp_path) as site:
            pbx, desk = await site.connect("pbx"), await site.connect("desk")
            desk.answers = lambda _: 0
            await site.say(pbx, incoming(), trace=TRACE)
            await desk.heard(1)
            await site.settled()
    (line,) = [line for line in log.of("linkage.messages") if "acknowledged" in line["event"]]
    assert line["event"] == "100 IncomingCallNotice acknowledged by desk"
    assert (line["peer"], line["seq"], line["trace"]) == ("desk", 1, TRACE)


class ChattyUnit(UnitOfWork):
    """Logs in the core's thread, as a library might, and has a bug that one call meets."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        watch_look_ups(self, self._looked_up)
        OnWrite(self._tx, lambda: logging.getLogger("tests.library").warning("flushed"))

    def _looked_up(self, native: str) -> None:
        logging.getLogger("tests.library").warning("looked for %s", native)
        if native == "call:BUG":
            raise ZeroDivisionError


async def test_in_a_batch_no_line_has_the_ids_of_another_message(tmp_path: Path) -> None:
    calls = ["C1", "BUG", "C2", "C3"]
    with logging_to(Log()) as log:
        async with Site(tmp_path, unit=ChattyUnit) as site:
            pbx = await site.connect("pbx")
            await asyncio.gather(
                *(site.say(pbx, incoming(call), f"id-{call}") for call in calls),
            )
    looked = [line for line in log.of("tests.library") if "call:" in line["event"]]
    assert {line["id"] for line in looked} == {f"id-{call}" for call in calls}
    for line in looked:
        call = line["event"].removeprefix("looked for call:")
        assert (line["peer"], line["id"], line["call_id"]) == ("pbx", f"id-{call}", call)
    bug = next(line for line in log.of("linkage.core") if "internal error" in line["event"])
    assert (bug["id"], bug["call_id"]) == ("id-BUG", "BUG")
    assert "ZeroDivisionError" in bug["exception"]
    # What concerns the whole batch names none of it.
    flushed = [line for line in log.of("tests.library") if line["event"] == "flushed"]
    assert flushed
    assert not [line for line in flushed if str(line.get("id")).startswith("id-")]


class Chatty(Adapter):
    """Logs in the middle of its commands, when others are in work too."""

    name: ClassVar[str] = "chatty"
    capabilities: ClassVar[Capability] = {202: frozenset()}
    log = logging.getLogger("tests.vendor")

    def __init__(self, context: AdapterContext) -> None:
        super().__init__(context)
        self.both = asyncio.Barrier(2)

    async def run(self, port: AdapterPort) -> None:  # noqa: ARG002 - as the base class has it
        self.log.warning("runs")
        await asyncio.Event().wait()

    async def execute(self, request: Request) -> Outcome:
        await self.both.wait()
        self.log.warning("at %s", request.id)
        return Outcome()


async def test_an_adapter_s_lines_name_it_and_the_command_that_they_concern() -> None:
    clock = ManualClock()
    context = AdapterContext(peer_id="asterisk", settings={}, clock=clock, files=NO_FILES)
    core = FakeCore(peers=("asterisk",))
    with logging_to(Log()) as log:
        host = AdapterHost(Chatty(context), core, clock)
        await host.start()
        for number in ("1", "2"):
            message = m.Hangup(call_id=f"C{number}", event_id=f"E{number}")
            host.push(Request(id=number, message=message, trace=TRACE))
        await core.until(lambda: len(core.answers) == 2)
        await host.stop()
    lines = {line["event"]: line for line in log.of("tests.vendor")}
    assert lines["runs"]["peer"] == "asterisk"
    assert "id" not in lines["runs"]
    for number in ("1", "2"):
        line = lines[f"at {number}"]
        assert (line["peer"], line["event_id"], line["call_id"]) == (
            "asterisk",
            f"E{number}",
            f"C{number}",
        )
        assert line["trace"] == TRACE


def test_a_flood_of_refusals_is_summed_up() -> None:
    request = Request(id="1", message=m.Hangup(call_id="C1"))
    refusal = Response(request_id="1", type=202, result=301)
    with logging_to(Log()) as log:
        messages = MessageLog()
        for _ in range(REFUSALS_PER_S + 7):
            messages.taken("desk", request, refusal, None, 0.001, 5.5)
        messages.taken("desk", request, refusal, None, 0.001, 6.0)
    told = log.of("linkage.messages")
    assert len(told) == REFUSALS_PER_S + 2
    assert told[-2]["event"] == "7 more refusals within a second; the journal has them all"
