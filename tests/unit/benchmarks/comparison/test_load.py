"""The load of the comparison, against a system that lives in memory."""

import asyncio
from collections.abc import Sequence

import pytest

from benchmarks.comparison.load import WINDOW, Flow, Line, Load
from benchmarks.comparison.notice import Names, make_notice, name_of
from protocol.codec import decode
from protocol.envelope import Request
from protocol.messages import IncomingCallNotice


class Instant(Line):
    """Takes a notice, delivers it and answers, each in a turn of the loop of its own."""

    def __init__(self, flow: Flow, refuses: int = 0) -> None:
        self.flow = flow
        self.most = 0
        self.open = 0
        self.refuses = refuses

    def send(self, name: str) -> None:
        self.open += 1
        self.most = max(self.most, self.open)
        asyncio.get_running_loop().call_soon(self._answer, name)

    def _answer(self, name: str) -> None:
        self.open -= 1
        accepted = self.refuses == 0
        self.refuses -= not accepted
        if accepted:
            self.flow.arrived(name)
        self.flow.answered(name, accepted=accepted)


def load_over(lines: Sequence[Line], flow: Flow, *, delivers: bool = True) -> Load:
    return Load(flow, lines, delivers)


async def test_a_closed_loop_keeps_the_window_of_each_line_full_and_no_fuller() -> None:
    flow = Flow()
    lines = [Instant(flow), Instant(flow)]
    await load_over(lines, flow).keep_full(0.02)
    assert [line.most for line in lines] == [WINDOW, WINDOW]
    assert flow.sent == flow.accepted == flow.delivered == flow.answers.count
    assert not flow.due
    assert not flow.unanswered


async def test_an_open_loop_sends_what_is_due_and_counts_each() -> None:
    flow = Flow()
    await load_over([Instant(flow)], flow).keep_pace(2000, 0.05)
    assert (flow.sent, flow.delivered, flow.deliveries.count) == (100, 100, 100)


async def test_what_was_refused_is_not_waited_for() -> None:
    flow = Flow()
    await load_over([Instant(flow, refuses=3)], flow).keep_pace(2000, 0.01)
    assert (flow.refused, flow.accepted, flow.delivered) == (3, 17, 17)


async def test_figures_start_anew_with_each_measurement() -> None:
    flow = Flow()
    load = load_over([Instant(flow)], flow)
    await load.keep_pace(2000, 0.01)
    await load.keep_pace(2000, 0.005)
    assert (flow.sent, flow.deliveries.count) == (10, 10)


async def test_an_echo_that_delivers_nothing_is_not_waited_for() -> None:
    class Echo(Instant):
        def _answer(self, name: str) -> None:
            self.flow.answered(name, accepted=True)

    flow = Flow()
    await load_over([Echo(flow)], flow, delivers=False).keep_pace(2000, 0.01)
    assert (flow.accepted, flow.delivered, flow.due) == (20, 0, {})


async def test_a_notice_that_comes_twice_is_counted_as_repeated() -> None:
    flow = Flow()
    await load_over([Instant(flow)], flow).keep_pace(2000, 0.001)
    flow.arrived("unknown")
    flow.arrived(None)
    assert (flow.delivered, flow.repeated) == (2, 2)


def test_the_notice_is_one_of_the_protocol_and_is_known_again() -> None:
    names = Names()
    name, other = names.take(), names.take()
    assert name != other
    assert name_of(make_notice(name)) == name
    request = decode(make_notice(name))
    assert isinstance(request, Request)
    assert isinstance(request.message, IncomingCallNotice)
    assert request.message.call_id == name


@pytest.mark.parametrize("text", [b"", b"<request/>"])
def test_what_is_no_notice_has_no_name(text: bytes) -> None:
    assert name_of(text) is None
