"""Platforms that restart, count anew, lose answers and repeat, against one who knows it all.

Whatever they do, nothing that happened is swallowed but what nobody could tell from a repetition;
nothing that is certainly a repetition is told twice; and what may be one is marked.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from linkage.clock import ManualClock
from linkage.core.own_entries import Observe
from linkage.core.sessions.registration import Register
from linkage.ports import EntryKind, Role
from protocol import messages as m
from protocol.codec import decode, encode
from protocol.envelope import Request
from protocol.message import Message
from protocol.registration import make_registration
from tests.fakes.core_bench import SECRET, Bench, answer_of
from tests.fakes.said import hangup, incoming

READ_AFTER_S = 60
NEXT_KEPT_S = 3600
HABITS = ("plain", "times", "resends", "boots")
CALLER = "13911111111"
CALLERS = st.sampled_from([CALLER, CALLER, CALLER, "13922222222"])
PAUSES = st.sampled_from([0, 1, 30, 59, 61, 600, 7200])
LOST = st.none() | PAUSES
"""The answers are lost with the connection, which takes so long to come back; or they are not."""


@dataclass(eq=False)
class Happening:
    """What happened at a platform, when and where it was told, and whether its answer was read."""

    id: str
    message: Message
    time: datetime
    boot: int
    connection: int = 0
    answered: bool = False
    told_s: float = 0.0
    call: Happening | None = None
    over: bool = False
    was_told: bool = False
    told_again: bool = False

    def reads_like(self, other: Happening) -> bool:
        return (self.id, self.message) == (other.id, other.message)


@dataclass
class Connection:
    number: int = 0
    happened: list[Happening] = field(default_factory=list)
    lost_s: float | None = None


class Platform(RuleBasedStateMachine):
    @initialize(habit=st.sampled_from(HABITS))
    def start(self, habit: str) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.habit = habit
        self.clock = ManualClock()
        self.bench = Bench(self.folder, clock=self.clock)
        self.nonces = 0
        self.boot = 0
        self.happenings: list[Happening] = []
        self.before, self.now = Connection(), Connection()
        self.count_anew()
        self.connect()

    def teardown(self) -> None:
        if hasattr(self, "bench"):
            self.bench.check()
            self.bench.close()
            shutil.rmtree(self.folder)

    # --- what happens ----------------------------------------------------------------------------
    @rule(caller=CALLERS, lost=LOST)
    def a_call_comes_in(self, caller: str, lost: int | None) -> None:
        self.calls += 1
        self.happens([incoming(f"{self.calls}", phone_num=caller)], lost=lost)
        self.open.append(self.happenings[-1])
        self.come_back(lost)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), lost=LOST)
    def a_call_ends(self, data: st.DataObject, lost: int | None) -> None:
        call = data.draw(st.sampled_from(self.open))
        self.open.remove(call)
        self.happens([hangup(str(call.message.call_id))], call=call, lost=lost)
        call.over = True
        self.come_back(lost)

    @rule(lost=LOST)
    def a_call_comes_and_goes_at_once(self, lost: int | None) -> None:
        self.calls += 1
        call = f"{self.calls}"
        self.happens([incoming(call, phone_num=CALLER), hangup(call)], lost=lost)
        came, went = self.happenings[-2:]
        went.call, came.over = came, True
        self.come_back(lost)

    @rule(seconds=PAUSES)
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule(pause=PAUSES)
    def the_connection_is_lost(self, pause: int) -> None:
        self.lose(self.bench.core.journal_seq)
        self.come_back(pause)

    @rule(pause=PAUSES)
    def linkage_dies(self, pause: int) -> None:
        self.now.lost_s = self.clock.now()
        self.bench.restart()
        self.bench.do(Observe("linkage", EntryKind.STARTED, "started"))
        self.come_back(pause)

    @rule(pause=PAUSES)
    def the_platform_restarts(self, pause: int) -> None:
        self.lose(self.bench.core.journal_seq)
        self.count_anew()
        self.come_back(pause)

    # --- how a platform does it ------------------------------------------------------------------
    def count_anew(self) -> None:
        self.ids = self.calls = 0
        self.boot += 1
        self.open: list[Happening] = []
        self.waiting: list[Happening] = []

    def connect(self) -> None:
        self.nonces += 1
        boot = f"b{self.boot}" if self.habit == "boots" else None
        message = make_registration(
            Role.PLATFORM, "pbx", SECRET, self.clock.utc(), f"nonce-{self.nonces:08d}", boot=boot
        )
        request = decode(encode(Request(id=f"r{self.nonces}", message=message)))
        assert isinstance(request, Request)
        work = Register(request, "here")
        assert answer_of(work, self.bench.do(work)[0]).accepted
        if self.now.happened:
            self.before = self.now
        self.now = Connection(self.now.number + 1)

    def come_back(self, pause: int | None) -> None:
        """After a pause, with what was not answered; None: nothing was lost."""
        if pause is None:
            return
        self.clock.advance(pause)
        self.connect()
        waiting, self.waiting = self.waiting, []
        for each in waiting:
            self.repeats(each)

    def lose(self, answered: int) -> None:
        self.now.lost_s = self.clock.now()
        self.bench.do(Observe("pbx", EntryKind.SESSION_CLOSED, "gone", answered=answered))

    def happens(
        self, messages: list[Message], *, lost: int | None, call: Happening | None = None
    ) -> None:
        """It sends them together; the answers are lost with the connection, or read."""
        answered = self.bench.core.journal_seq
        for message in messages:
            self.ids += 1
            self.clock.advance(0.001)
            new = Happening(str(self.ids), message, self.clock.utc(), self.boot, call=call)
            new.connection, new.told_s = self.now.number, self.clock.now()
            may_be_taken_for_another = self.looks_like_a_repetition(new)
            told = self.send(new, answered)
            assert told is not None or may_be_taken_for_another, "swallowed"
            new.was_told = told is not None
            self.happenings.append(new)
            self.now.happened.append(new)
            if lost is not None:
                self.waiting.append(new)
            new.answered = lost is None
        if lost is not None:
            self.lose(answered)

    def send(self, what: Happening, answered: int, *, again: bool = False) -> bool | None:
        """Whether it was told with a mark; None: not at all."""
        work = self.bench.submit(
            "pbx",
            what.message,
            what.id,
            time=what.time if self.habit == "times" else None,
            resend=again and self.habit == "resends",
        )
        response = answer_of(work, self.bench.do(replace(work, answered=answered))[0])
        assert response.result == 0
        told = [
            heard.request.repeat
            for heard in self.bench.heard("desk")
            if heard.type == what.message.number and getattr(heard.message, "reason", 0) != 141
        ]
        assert len(told) <= 1
        assert (response.detail == "duplicate") is (not told)
        return told[0] if told else None

    def repeats(self, what: Happening) -> None:
        """What was not answered is sent again, in order."""
        certain = self.habit in {"times", "resends"} or self.nobody_can_doubt(what)
        told = self.send(what, 0, again=True)
        if what.was_told:  # else it was taken for another's repetition, and is no news twice
            assert told is None or told, "told twice, without a mark"
            assert told is None or not certain, "a repetition was told"
        if told is not None:
            what.was_told = what.told_again = True
            what.connection, what.told_s = self.now.number, self.clock.now()
            self.now.happened.append(what)
        what.answered = True

    # --- the one who knows -----------------------------------------------------------------------
    def nobody_can_doubt(self, what: Happening) -> bool:
        """Whether a repetition is one by its connection, and nothing speaks against it."""
        recent = self.clock.now() - what.told_s < NEXT_KEPT_S
        return what in self.before.happened and recent and not self.is_over(what)

    def is_over(self, what: Happening) -> bool:
        """Whether the call it tells of cannot begin, or end, once more."""
        if what.over or (what.call is not None and what.call.told_again):
            return True
        return any(
            each.message.call_id == what.message.call_id
            for each in self.happenings[self.happenings.index(what.call or what) + 1 :]
            if isinstance(each.message, m.IncomingCallNotice)
        )

    def looks_like_a_repetition(self, new: Happening) -> bool:
        """Whether something reads the same whose answer its sender may lack, shortly before."""
        if self.habit in {"times", "boots"}:
            return False
        for each in self.before.happened:
            if not each.reads_like(new) or self.before.lost_s is None:
                continue
            is_last = each is self.before.happened[-1]
            may_lack = not each.answered or (
                is_last and each.told_s >= self.before.lost_s - READ_AFTER_S
            )
            recent = self.clock.now() - each.told_s <= NEXT_KEPT_S
            if may_lack and recent and not self.is_over(each):
                return True
        return False


TestPlatform = Platform.TestCase
TestPlatform.settings = settings(max_examples=25, stateful_step_count=15)
