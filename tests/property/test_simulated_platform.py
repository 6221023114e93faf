"""Whatever is asked of the simulated platform, its telephones and its notices stay consistent."""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from protocol.messages import (
    AnswerAction,
    AnswerCall,
    CallMode,
    CallOut,
    CallOutResultNotice,
    CallOutType,
    CallPhase,
    CallState,
    CallStateNotice,
    ConferenceAction,
    ConferenceControl,
    ConferenceMemberControl,
    Hangup,
    HangupNotice,
    HangupScope,
    Hold,
    HoldAction,
    IncomingCallNotice,
    Member,
    MemberAction,
    RecordingAction,
    RecordingControl,
    RecordingNotice,
    RecordingNoticeAction,
    Transfer,
    TransferMode,
    TransferNotice,
)
from protocol.results import Result
from simulators.platform.exchange import RefusedError
from simulators.platform.parties import Behaviour
from tests.fakes.platform_engine import Bench, group, party, staff

NUMBERS = [f"1390000000{n}" for n in range(8)]
PARTIES = [
    party(NUMBERS[0], talks_s=20.0),
    party(NUMBERS[1], patience_s=1.5),
    party(NUMBERS[2], Behaviour.BUSY, Behaviour.ANSWERS),
    party(NUMBERS[3], Behaviour.NO_ANSWER),
    party(NUMBERS[4], Behaviour.FAILS),
    party(NUMBERS[5], talks_s=3.0),
]
LOGINS = ["23", "24", "13"]
numbers = st.sampled_from([*NUMBERS, "3021", "3013"])
# Ids are counted up from 100 by the engine: these meet calls, legs and nothing.
call_ids = st.integers(100, 130).map(str)
conference_ids = st.integers(1, 4).map(str)


class PlatformMachine(RuleBasedStateMachine):
    """Callers, officers and applications who do anything at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench(*PARTIES)
        self.called_out: Counter[str] = Counter()

    @rule(phone=st.sampled_from(NUMBERS), to=st.sampled_from(["2222", "3333", "3013"]))
    def somebody_calls(self, phone: str, to: str) -> None:
        try:
            self.bench.call(phone, to)
        except RefusedError:
            assert phone in self.bench.engine.busy_lines

    @rule(number=numbers)
    def somebody_hangs_up(self, number: str) -> None:
        self.bench.put_down(number)
        assert number not in self.bench.engine.busy_lines

    @rule(seconds=st.sampled_from([0.5, 2.0, 5.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self.bench.run(seconds)

    @rule(call_id=call_ids, scope=st.sampled_from([None, HangupScope.LEG, HangupScope.CALL]))
    def hang_up(self, call_id: str, scope: HangupScope | None) -> None:
        self.bench.do(Hangup(call_id=call_id, scope=scope))

    @rule(call_id=call_ids, login=st.sampled_from(LOGINS), mode=st.sampled_from(TransferMode))
    def transfer(self, call_id: str, login: str, mode: TransferMode) -> None:
        self.bench.do(Transfer(call_id=call_id, to_login_id=login, mode=mode))

    @rule(call_id=call_ids, action=st.sampled_from(HoldAction))
    def hold(self, call_id: str, action: HoldAction) -> None:
        self.bench.do(Hold(call_id=call_id, action=action))

    @rule(call_id=call_ids, action=st.sampled_from(AnswerAction), to=numbers)
    def answer(self, call_id: str, action: AnswerAction, to: str) -> None:
        self.bench.do(AnswerCall(call_id=call_id, action=action, to_num=to))

    @rule(call_id=call_ids, action=st.sampled_from(RecordingAction))
    def record(self, call_id: str, action: RecordingAction) -> None:
        self.bench.do(RecordingControl(call_id=call_id, action=action))

    @rule(
        called=st.lists(numbers, min_size=1, max_size=4, unique=True),
        mode=st.sampled_from([CallMode.ALL, CallMode.SEQUENTIAL, CallMode.FIRST_WINS]),
        kind=st.sampled_from([CallOutType.SINGLE, CallOutType.CONFERENCE]),
        record=st.booleans(),
    )
    def call_out(
        self, called: list[str], mode: CallMode, kind: CallOutType, *, record: bool
    ) -> None:
        people = group(mode, *(staff(f"s{number}", number) for number in called))
        command = CallOut(login_id="13", call_type=kind, groups=(people,), record=record)
        request_id = f"out{len(self.called_out)}"
        if self.bench.do(command, id=request_id).result is Result.ACCEPTED:
            self.called_out[request_id] = len(called)

    @rule(conference=conference_ids, action=st.sampled_from(ConferenceAction))
    def control(self, conference: str, action: ConferenceAction) -> None:
        self.bench.do(ConferenceControl(conference_id=conference, action=action))

    @rule(conference=conference_ids, action=st.sampled_from(MemberAction), number=numbers)
    def control_member(self, conference: str, action: MemberAction, number: str) -> None:
        self.bench.do(
            ConferenceMemberControl(
                conference_id=conference, action=action, members=(Member(phone_num=number),)
            )
        )

    @invariant()
    def no_telephone_is_in_two_calls(self) -> None:
        ended = {notice.call_id for notice in self.bench.of(HangupNotice)}
        talking = [
            notice.to_num
            for notice in self.bench.of(CallStateNotice, State=4)
            if notice.parent_call_id is not None and notice.call_id not in ended
        ]
        calling = [
            notice.phone_num
            for notice in self.bench.of(IncomingCallNotice)
            if notice.call_id not in ended
        ]
        assert max(Counter([*talking, *calling]).values(), default=0) <= 1

    @invariant()
    def no_call_ends_twice_and_none_that_ended_lives(self) -> None:
        ends = Counter(notice.call_id for notice in self.bench.of(HangupNotice))
        assert not ends or max(ends.values()) == 1
        assert not self.bench.engine.live_calls & set(ends)

    def teardown(self) -> None:
        """At closing time everything that began has ended, and said so once."""
        bench = self.bench
        for call_id in bench.engine.live_calls:
            bench.do(Hangup(call_id=call_id, scope=HangupScope.CALL))
        bench.run(1000)
        assert not bench.engine.live_calls
        assert not bench.engine.busy_lines
        ended = Counter(notice.call_id for notice in bench.of(HangupNotice))
        failed = Counter(notice.call_id for notice in bench.of(CallStateNotice, State=7))
        for incoming in bench.of(IncomingCallNotice):
            assert ended[incoming.call_id] == 1
        for state in bench.of(CallStateNotice):
            if state.state is CallState.ALERTING:
                assert ended[state.call_id] + failed[state.call_id] == 1
        self._check_persons()
        self._check_transfers()
        self._check_recordings()

    def _check_persons(self) -> None:
        results = self.bench.of(CallOutResultNotice)
        assert Counter(str(notice.request_id) for notice in results) == self.called_out
        told = Counter((notice.request_id, notice.staff_id) for notice in results)
        assert max(told.values(), default=0) <= 1

    def _check_transfers(self) -> None:
        final = {CallPhase.DONE, CallPhase.FAILED, CallPhase.CANCELLED}
        notices = self.bench.of(TransferNotice)
        begun = Counter(one.new_call_id for one in notices if one.phase is CallPhase.START)
        over = Counter(one.new_call_id for one in notices if one.phase in final)
        assert begun == over

    def _check_recordings(self) -> None:
        begun = [
            notice.record_id
            for notice in self.bench.of(RecordingNotice)
            if notice.action is RecordingNoticeAction.START
        ]
        assert sorted(begun, key=str) == sorted(
            (one.record_id for one in self.bench.to_save), key=str
        )


PlatformMachine.TestCase.settings = settings(stateful_step_count=40)
TestPlatform = PlatformMachine.TestCase
