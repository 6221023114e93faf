"""What must be bound is bound, by the right cause: correlation beside a model of its own.

The model knows nothing of rows, trees and tables: it keeps calls with their legs, what was sent to
whom and when, which event stands for which, and says after each conversation to which event each
must belong, and why. A rebuild that gives the same rows proves nothing where no row is ever bound;
this does.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.store.read.reader import StoreReader
from linkage.store.sql.rebuild import differences, rebuild
from protocol import messages as m
from tests.fakes.core_bench import Bench
from tests.fakes.said import create, hangup, incoming

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
EVENTS = ("E1", "E2", "E3")
NUMBERS = ("13900000001", "13900000002")

events = st.sampled_from(EVENTS)
numbers = st.sampled_from(NUMBERS)
calls = st.sampled_from([0, 0, 0, 1])
"""Which of the calls there are, counted from the latest."""

of_calls = st.one_of(
    st.tuples(st.just("call"), st.none() | events, numbers),
    st.tuples(st.just("leg"), calls, st.none()),
    st.tuples(st.just("leg"), calls, events),
    st.tuples(st.just("create"), calls, events),
    st.tuples(st.just("move"), calls, events),
    st.tuples(st.just("unbind"), calls),
    st.tuples(st.just("end"), calls),
)
of_events = st.one_of(
    st.tuples(st.just("merge"), events, events),
    st.tuples(st.just("unmerge"), events, events),
    st.tuples(st.just("split"), calls, events),
)
amid_merges = st.one_of(
    of_events,
    st.just(("unmerge", "E1", "E2")),
    st.tuples(st.just("answer"), numbers, st.just(value=False)),
    st.tuples(st.sampled_from(["unbind", "end"]), calls),
    st.tuples(st.just("split"), calls, st.just("E3")),
    st.tuples(st.just("leg"), calls, st.none()),
    st.tuples(st.just("call"), events, numbers),
    st.tuples(st.just("send"), events, numbers),
    st.tuples(st.just("close"), events),
)
MERGED: list[tuple[Any, ...]] = [
    ("call", "E1", NUMBERS[0]),
    ("leg", 0, None),
    ("send", "E2", NUMBERS[1]),
    ("merge", "E1", "E2"),
]
"""A call of an event that was merged into another, with something of its own."""
merged_conversations = st.lists(amid_merges, min_size=1, max_size=8).map(
    lambda said: [*MERGED, *said]
)
of_messages = st.one_of(
    st.tuples(st.just("send"), events, numbers),
    st.tuples(st.just("answer"), numbers, st.booleans()),
    st.tuples(st.just("answer"), numbers, st.just(value=False)),
    st.tuples(st.just("close"), events),
    st.tuples(st.just("wait"), st.sampled_from([1.0, 13.0])),
)
conversations = st.one_of(
    st.lists(of_calls, min_size=4, max_size=15).map(
        lambda said: [("call", None, NUMBERS[0]), *said]
    ),
    st.lists(of_messages, min_size=4, max_size=15).map(
        lambda said: [("send", "E1", NUMBERS[0]), *said]
    ),
    st.lists(of_calls | of_messages, min_size=4, max_size=25),
    st.lists(of_calls | of_messages | of_events, min_size=6, max_size=25).map(
        lambda said: [("call", "E1", NUMBERS[0]), ("send", "E2", NUMBERS[0]), *said]
    ),
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
    merged: dict[str, str] = field(default_factory=dict)
    """EventId → the one that it was merged into."""
    callers: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Call → from which number, and when."""
    bound: dict[str, Bound] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    legs: dict[str, list[str]] = field(default_factory=dict)
    over: set[str] = field(default_factory=set)
    sent: list[Sent] = field(default_factory=list)

    def open(self, event: str) -> None:
        self.known.setdefault(event, True)

    def final(self, event: str) -> str:
        while event in self.merged:
            event = self.merged[event]
        return event

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
        """An answer goes with what it answers; one to several merged events is of the last."""
        found = {
            self.bound[each.sms_id][0]
            for each in self.sent
            if each.number == number
            and self.now - each.at <= DAY_S
            and named in {None, each.sms_id}
        }
        if named is None:
            found |= {
                self.bound[call][0]
                for call, (caller, at) in self.callers.items()
                if caller == number and self.now - at <= DAY_S
            }
        fits = {event for event in found if event is not None and self.known[self.final(event)]}
        finals = {self.final(event) for event in fits}
        if len(finals) != 1:
            return None, None
        return (fits if len(fits) == 1 else finals).pop(), "reply"


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

    def do_call(self, event: str | None, number: str) -> None:
        name = f"C{self.next()}"
        self.say("pbx", incoming(name, event_id=event, phone_num=number))
        model = self.model
        model.callers[name] = (number, model.now)
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
        seen = self.model.final(event)
        unbind = m.BindEvent(event_id=seen, action=m.BindAction.UNBIND, call_id=call)
        if self.say("desk", unbind) != 0:
            return
        for name in (call, *self.model.legs[call]):
            at, cause = self.model.bound[name]
            is_there = at is not None and self.model.final(at) == seen
            if is_there and (name == call or cause == "derived"):
                self.model.bound[name] = (None, "manual")

    def counts(self) -> dict[str, int]:
        """How many operations are found under each event, each once."""
        counts = dict.fromkeys(self.model.known, 0)
        for event, _ in self.model.bound.values():
            if event is not None:
                counts[self.model.final(event)] += 1
        return counts

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

    def do_merge(self, event: str, into: str) -> None:
        model = self.model
        may = {event, into} <= set(model.known) and event != into
        may = may and event not in model.merged and into not in model.merged
        merge = m.LinkEvent(event_id=event, other_event_id=into, action=m.LinkAction.MERGE)
        assert (self.say("desk", merge) == 0) is may
        if may:
            model.merged[event] = into

    def do_unmerge(self, event: str, into: str) -> None:
        may = self.model.merged.get(event) == into
        unmerge = m.LinkEvent(event_id=event, other_event_id=into, action=m.LinkAction.UNMERGE)
        assert (self.say("desk", unmerge) == 0) is may
        if may:
            del self.model.merged[event]

    def do_split(self, which: int, to: str) -> None:
        model = self.model
        call = model.call_of(which)
        event = None if call is None else model.bound[call][0]
        if call is None or event is None:
            return
        seen = model.final(event)
        op_ids = [str(each.op_id) for each in self.bench.operations() if each.call_id == call]
        split = m.LinkEvent(
            event_id=seen, other_event_id=to, action=m.LinkAction.SPLIT, op_ids=tuple(op_ids)
        )
        may = to != seen and to not in model.merged and model.known.get(to, True)
        assert (self.say("desk", split) == 0) is may
        if may:
            model.open(to)
            model.bound[call] = (to, "manual")
            for leg in model.legs[call]:
                if model.bound[leg][0] is None or model.bound[leg][1] == "derived":
                    model.bound[leg] = (to, "derived")

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
    check(conversation, restart_after)


@settings(max_examples=100)
@given(conversation=merged_conversations, restart_after=st.integers(0, 12))
def test_merged_and_told_apart_again_each_event_has_its_own(
    conversation: list[tuple[Any, ...]], restart_after: int
) -> None:
    check(conversation, restart_after)


def check(conversation: list[tuple[Any, ...]], restart_after: int) -> None:
    """Play it, and compare what came of it with what the model says."""
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
            assert counted(bench) == play.counts()
            owners = {event.event_pk: event.owner for event in bench.events().values()}
            bound = [each for each in bench.operations() if each.event_pk is not None]
            assert all(each.owner == owners[each.event_pk or 0] for each in bound)
            again = rebuild(bench.engine)
            assert differences(bench.engine, again) == []
            again.dispose()
        finally:
            bench.close()


def counted(bench: Bench) -> dict[str, int | None]:
    with StoreReader.open(bench.config.database_path) as reader:
        return {event.event_id: event.operations for event in reader.list_events()}


def rows_of(bench: Bench, *tables: str) -> list[list[tuple[Any, ...]]]:
    with bench.engine.connect() as connection:
        return [
            sorted(
                (tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {table}")),
                key=str,
            )
            for table in tables
        ]


@settings(max_examples=40)
@given(
    conversation=conversations | merged_conversations,
    merges=st.lists(st.tuples(events, events), min_size=1, max_size=6),
    order=st.randoms(use_true_random=False),
    restarts=st.booleans(),
)
def test_merges_that_are_undone_in_whatever_order_leave_nothing_but_their_history(
    conversation: list[tuple[Any, ...]], merges: list[tuple[str, str]], order: Any, restarts: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        play = Play(bench)
        try:
            for step in conversation:
                play.step(step)
            before = rows_of(bench, "event", "operation", "binding")
            was_merged = dict(play.model.merged)
            for event, into in merges:
                play.do_merge(event, into)
            made = [pair for pair in play.model.merged.items() if pair[0] not in was_merged]
            order.shuffle(made)
            if restarts:
                bench.restart()
            for event, into in made:
                play.do_unmerge(event, into)

            assert rows_of(bench, "event", "operation", "binding") == before
            assert play.model.merged == was_merged
        finally:
            bench.close()
