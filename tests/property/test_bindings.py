"""What must be bound is bound, by the right cause: correlation beside a model of its own.

The model knows nothing of rows, trees and tables: it keeps calls with their legs, what was sent to
whom and when, and says after each conversation to which event each must belong, and why. A rebuild
that gives the same rows proves nothing where no row is ever bound; this does.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.store.sql.rebuild import differences, rebuild
from protocol import messages as m
from tests.fakes.core_bench import Bench
from tests.fakes.said import create, hangup, incoming

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
EVENTS = ("E1", "E2")
NUMBERS = ("13900000001", "13900000002")

events = st.sampled_from(EVENTS)
numbers = st.sampled_from(NUMBERS)
calls = st.sampled_from([0, 0, 0, 1])
"""Which of the calls there are, counted from the latest."""

of_calls = st.one_of(
    st.tuples(st.just("call"), st.none() | events),
    st.tuples(st.just("leg"), calls, st.none()),
    st.tuples(st.just("leg"), calls, events),
    st.tuples(st.just("create"), calls, events),
    st.tuples(st.just("move"), calls, events),
    st.tuples(st.just("unbind"), calls),
    st.tuples(st.just("end"), calls),
)
of_messages = st.one_of(
    st.tuples(st.just("send"), events, numbers),
    st.tuples(st.just("answer"), numbers, st.booleans()),
    st.tuples(st.just("answer"), numbers, st.just(value=False)),
    st.tuples(st.just("close"), events),
    st.tuples(st.just("wait"), st.sampled_from([1.0, 13.0])),
)
conversations = st.one_of(
    st.lists(of_calls, min_size=4, max_size=15).map(lambda said: [("call", None), *said]),
    st.lists(of_messages, min_size=4, max_size=15).map(
        lambda said: [("send", "E1", NUMBERS[0]), *said]
    ),
    st.lists(of_calls | of_messages, min_size=4, max_size=25),
)
Bound = tuple[str | None, str | None]


@dataclass
class Sent:
    """An SMS that went out: to whom, when, and for which event."""

    number: str
    at: float
    event: str
    sms_id: str


@dataclass
class Model:
    """What must be true."""

    now: float = 0.0
    known: dict[str, bool] = field(default_factory=dict)
    """EventId → whether it is open."""
    bound: dict[str, Bound] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    legs: dict[str, list[str]] = field(default_factory=dict)
    over: set[str] = field(default_factory=set)
    sent: list[Sent] = field(default_factory=list)

    def open(self, event: str) -> None:
        self.known.setdefault(event, True)

    def free(self, name: str) -> bool:
        return self.bound[name] == (None, None)

    def follow(self, call: str) -> None:
        """Legs without an event follow their call, unless a person took it from its event."""
        event, _ = self.bound[call]
        for leg in self.legs[call]:
            if self.free(leg) and event is not None:
                self.bound[leg] = (event, "derived")

    def call_of(self, which: int) -> str | None:
        return self.calls[-1 - which] if which < len(self.calls) else None

    def answered(self, number: str, named: str | None) -> Bound:
        fits = {
            each.event
            for each in self.sent
            if each.number == number
            and self.now - each.at <= DAY_S
            and self.known[each.event]
            and named in {None, each.sms_id}
        }
        return (fits.pop(), "reply") if len(fits) == 1 else (None, None)


class Play:
    """Says a step to the core, and to the model what must come of it."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.model = Model()
        self.count = 0

    def next(self) -> int:
        self.count += 1
        return self.count

    def say(self, source: str, message: Any) -> int:
        self.model.now += 0.25
        return self.bench.say(source, message).result

    def step(self, step: tuple[Any, ...]) -> None:
        getattr(self, f"do_{step[0]}")(*step[1:])

    def do_call(self, event: str | None) -> None:
        name = f"C{self.next()}"
        self.say("pbx", incoming(name, event_id=event))
        model = self.model
        model.calls.append(name)
        model.legs[name] = []
        model.bound[name] = (None, None) if event is None else (event, "explicit")
        if event is not None:
            model.open(event)

    def do_leg(self, which: int, event: str | None) -> None:
        call = self.model.call_of(which)
        if call is None or call in self.model.over:
            return
        name = f"L{self.next()}"
        state = m.CallState.ALERTING
        leg = m.CallStateNotice(call_id=name, parent_call_id=call, state=state, event_id=event)
        self.say("pbx", leg)
        model = self.model
        model.legs[call].append(name)
        if event is not None:
            model.open(event)
            model.bound[name] = (event, "explicit")
            # The rest of the call follows its part, where it has no event of its own.
            for other in (call, *model.legs[call]):
                if model.free(other):
                    model.bound[other] = (event, "derived")
            return
        of_call, _ = model.bound[call]
        model.bound[name] = (None, None) if of_call is None else (of_call, "derived")

    def do_create(self, which: int, event: str) -> None:
        call = self.model.call_of(which)
        if call is None:
            return
        if self.say("desk", create(event, call)) not in {0, 2}:
            return
        model = self.model
        model.open(event)
        if model.bound[call][0] != event:
            model.bound[call] = (event, "created")
        model.follow(call)

    def do_move(self, which: int, event: str) -> None:
        call = self.model.call_of(which)
        if call is None:
            return
        move = m.BindEvent(event_id=event, action=m.BindAction.MOVE, call_id=call)
        if self.say("desk", move) != 0:
            return
        self.model.bound[call] = (event, "manual")
        for leg in self.model.legs[call]:
            at, cause = self.model.bound[leg]
            if at is None or cause == "derived":
                self.model.bound[leg] = (event, "derived")

    def do_unbind(self, which: int) -> None:
        call = self.model.call_of(which)
        event = None if call is None else self.model.bound[call][0]
        if call is None or event is None:
            return
        unbind = m.BindEvent(event_id=event, action=m.BindAction.UNBIND, call_id=call)
        if self.say("desk", unbind) != 0:
            return
        for name in (call, *self.model.legs[call]):
            at, cause = self.model.bound[name]
            if at == event and (name == call or cause == "derived"):
                self.model.bound[name] = (None, "manual")

    def do_end(self, which: int) -> None:
        call = self.model.call_of(which)
        if call is not None:
            self.say("pbx", hangup(call))
            self.model.over.add(call)

    def do_send(self, event: str, number: str) -> None:
        receivers = (m.Receiver(phone_num=number),)
        if self.say("desk", m.SendSms(event_id=event, receivers=receivers, content="x")) != 1:
            return
        self.model.open(event)
        asked = self.bench.heard("pbx")[-1].request.id
        sms_id = f"S{self.next()}"
        status = m.SmsSendStatus.ACCEPTED
        self.say(
            "pbx",
            m.SmsSendResultNotice(
                sms_id=sms_id, phone_num=number, status=status, request_id=asked
            ),
        )
        self.model.bound[sms_id] = (event, "command")
        self.model.sent.append(Sent(number, self.model.now, event, sms_id))

    def do_answer(self, number: str, by_name: bool) -> None:
        sent = [each for each in self.model.sent if each.number == number]
        named = sent[-1].sms_id if by_name and sent else None
        name = f"R{self.next()}"
        self.say("pbx", m.SmsReceivedNotice(sms_id=name, phone_num=number, in_reply_to=named))
        self.model.bound[name] = self.model.answered(number, named)

    def do_close(self, event: str) -> None:
        if self.say("desk", m.CloseEvent(event_id=event, action=m.CloseAction.CLOSE)) == 0:
            self.model.known[event] = False

    def do_wait(self, hours: float) -> None:
        self.bench.clock.advance(hours * HOUR_S)
        self.model.now += hours * HOUR_S


def valid_bindings(bench: Bench) -> dict[str, Bound]:
    """What the table of bindings says; a person who unbound leaves the cause, and no row."""
    with bench.engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT native, event_id, binding.cause, operation.cause FROM operation"
            " LEFT JOIN binding ON binding.op_id = operation.op_id AND valid_to IS NULL"
            " LEFT JOIN event ON event.event_pk = binding.event_pk"
        ).all()
    return {
        native.partition(":")[2]: (event, cause if event is not None else kept)
        for native, event, cause, kept in rows
    }


@settings(max_examples=60)
@given(conversation=conversations, restart_after=st.integers(0, 25))
def test_what_must_be_bound_is_bound_and_nothing_else(
    conversation: list[tuple[Any, ...]], restart_after: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        play = Play(bench)
        try:
            for number, step in enumerate(conversation):
                play.step(step)
                if number == restart_after:
                    bench.restart()
            found = {name.partition(":")[2]: bound for name, bound in bench.bound().items()}
            assert found == play.model.bound
            assert valid_bindings(bench) == found
            owners = {event.event_pk: event.owner for event in bench.events().values()}
            bound = [each for each in bench.operations() if each.event_pk is not None]
            assert all(each.owner == owners[each.event_pk or 0] for each in bound)
            again = rebuild(bench.engine)
            assert differences(bench.engine, again) == []
            again.dispose()
        finally:
            bench.close()
