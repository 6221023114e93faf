"""Calls from outside: the hotline, answering, holding, the end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from protocol.messages import (
    AnswerAction,
    AnswerCall,
    CallState,
    CallStateNotice,
    CreateEvent,
    Diagnose,
    Hangup,
    HangupNotice,
    HangupScope,
    HangupSide,
    Hold,
    HoldAction,
    HoldNotice,
    HoldNoticeAction,
    IncomingCallNotice,
    KeyValue,
    MuteAction,
    MuteCall,
    MuteNotice,
    SetCallData,
)
from protocol.reasons import Reason
from protocol.results import Result
from simulators.platform.exchange import RefusedError
from simulators.platform.parties import Behaviour, Officer
from tests.fakes.platform_engine import CALLER, EPOCH, HOTLINE, Bench, party


def officers(first: Behaviour, second: Behaviour = Behaviour.ANSWERS) -> tuple[Officer, ...]:
    return (
        Officer(login_id="23", ext="3021", behaviours=(first,)),
        Officer(login_id="24", ext="3024", behaviours=(second,), after_s=4),
        Officer(login_id="13", ext="3013"),
    )


def test_a_call_is_announced_with_the_officer_who_is_rung_first() -> None:
    bench = Bench(party(CALLER, name="报警人"))
    call_id = bench.call()
    notice = bench.one(IncomingCallNotice)
    assert (notice.call_id, notice.login_id) == (call_id, "23")
    assert (notice.phone_num, notice.to_num) == (CALLER, HOTLINE)
    assert notice.caller_name == "报警人"
    assert bench.said.index(notice) == 0


def test_the_officers_leg_alerts_and_then_answers_as_part_of_the_call() -> None:
    bench = Bench()
    call_id = bench.call()
    bench.run(1.9)
    assert [notice.state for notice in bench.of(CallStateNotice)] == [CallState.ALERTING]
    bench.run(0.2)
    leg, call = bench.of(CallStateNotice, State=4)
    assert (leg.parent_call_id, leg.to_num, leg.login_id) == (call_id, "3021", "23")
    assert (call.call_id, call.parent_call_id, call.login_id) == (call_id, None, "23")


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (Behaviour.BUSY, Reason.BUSY),
        (Behaviour.NO_ANSWER, Reason.NO_ANSWER),
        (Behaviour.REJECTS, Reason.REJECTED),
        (Behaviour.UNREACHABLE, Reason.UNREACHABLE),
        (Behaviour.UNALLOCATED, Reason.UNALLOCATED),
        (Behaviour.FAILS, Reason.CALL_FAILED),
        (Behaviour.VOICEMAIL, Reason.ANSWERING_MACHINE),
    ],
)
def test_the_next_officer_is_rung_when_the_first_does_not_take_it(
    behaviour: Behaviour, reason: Reason
) -> None:
    bench = Bench(officers=officers(behaviour))
    bench.call()
    bench.run(30)
    assert bench.one(CallStateNotice, State=7).reason == reason
    assert {notice.login_id for notice in bench.of(CallStateNotice, State=4)} == {"24"}


def test_a_call_that_nobody_takes_ends_with_the_last_officers_reason() -> None:
    bench = Bench(officers=officers(Behaviour.REJECTS, Behaviour.NO_ANSWER))
    call_id = bench.call()
    bench.run(60)
    end = bench.one(HangupNotice)
    assert (end.call_id, end.reason, end.side) == (call_id, 102, HangupSide.PLATFORM)
    assert end.answer_time is None
    assert end.duration is None
    assert not bench.engine.live_calls
    assert not bench.engine.busy_lines


def test_when_all_are_rung_the_first_who_answers_has_the_call() -> None:
    bench = Bench(officers=officers(Behaviour.ANSWERS))
    bench.call(to_num="3333")
    assert bench.one(IncomingCallNotice).login_id is None
    assert len(bench.of(CallStateNotice, State=2)) == 2
    bench.run(10)
    loser = bench.one(HangupNotice)
    assert (loser.login_id, loser.reason, loser.scope) == ("24", 111, HangupScope.LEG)
    assert set(bench.engine.busy_lines) == {CALLER, "3021"}


def test_a_caller_gives_up_when_his_patience_ends() -> None:
    bench = Bench(party(CALLER, patience_s=1.0))
    call_id = bench.call()
    bench.run(60)
    end = bench.one(HangupNotice, Scope=2)
    assert (end.call_id, end.reason, end.side) == (call_id, 110, HangupSide.CALLER)
    assert bench.one(HangupNotice, Scope=1).login_id == "23"
    assert not bench.of(CallStateNotice, State=4)


def test_patience_does_not_end_a_conversation() -> None:
    bench = Bench(party(CALLER, patience_s=5.0))
    call_id = bench.call()
    bench.run(600)
    assert bench.engine.live_calls == {call_id}


def test_a_caller_who_has_talked_enough_hangs_up() -> None:
    bench = Bench(party(CALLER, talks_s=40.0))
    bench.call()
    bench.run(100)
    end = bench.one(HangupNotice, Scope=2)
    assert (end.side, end.reason, end.duration) == (HangupSide.CALLER, 100, 40)
    assert end.answer_time == EPOCH + timedelta(seconds=2)
    assert end.end_time == EPOCH + timedelta(seconds=42)


def test_an_officer_who_has_talked_enough_ends_the_call() -> None:
    bench = Bench(
        officers=(Officer(login_id="23", ext="3021", talks_s=15.0),),
        hotlines=(),
    )
    bench.call(to_num="3021")
    bench.run(100)
    end = bench.one(HangupNotice, Scope=2)
    assert (end.side, end.duration) == (HangupSide.CALLEE, 15)


def test_nobody_is_in_two_calls_at_once() -> None:
    bench = Bench()
    bench.answered_call()
    with pytest.raises(RefusedError, match="is in a call already"):
        bench.call()
    bench.call("13900000002")
    busy = bench.of(CallStateNotice, State=2)[-1]
    bench.run(0.1)
    assert bench.one(CallStateNotice, State=7, Reason=101).call_id == busy.call_id
    bench.run(5)
    assert bench.of(CallStateNotice, State=4)[-1].login_id == "24"


def test_a_number_that_nothing_has_cannot_be_called() -> None:
    with pytest.raises(RefusedError, match="no hotline and no extension"):
        Bench().call(to_num="9999")


def test_the_event_is_stamped_on_everything_after_201() -> None:
    bench = Bench()
    call_id = bench.answered_call()
    assert bench.do(CreateEvent(call_id=call_id, event_id="1213243")).result is Result.OK
    bench.do(Hold(call_id=call_id, action=HoldAction.HOLD))
    bench.do(Hangup(call_id=call_id, content="XXX"))
    after = [*bench.of(HoldNotice), *bench.of(HangupNotice)]
    assert len(after) == 3
    assert {notice.event_id for notice in after} == {"1213243"}


def test_a_hang_up_by_the_application_carries_its_content_and_id() -> None:
    bench = Bench()
    call_id = bench.answered_call()
    answer = bench.do(Hangup(call_id=call_id, content="XXX"), id="h1")
    assert (answer.result, answer.call_id) == (Result.OK, call_id)
    end = bench.one(HangupNotice, Scope=2)
    assert (end.content, end.side, end.request_id) == ("XXX", HangupSide.OPERATOR, "h1")
    assert bench.one(HangupNotice, Scope=1).request_id is None


def test_a_platform_that_lives_faster_tells_the_times_of_the_wall() -> None:
    bench = Bench(pace=20.0)
    call_id = bench.answered_call()
    bench.run(197)
    bench.do(Hangup(call_id=call_id))
    end = bench.one(HangupNotice, Scope=2)
    assert end.start_time is not None
    assert end.answer_time is not None
    assert end.end_time is not None
    assert (end.end_time - end.start_time).total_seconds() == 200 / 20
    assert end.duration == round((end.end_time - end.answer_time).total_seconds())
    assert end.end_time - EPOCH == timedelta(seconds=10)


def test_a_hang_up_of_the_officers_leg_ends_a_call_between_two() -> None:
    bench = Bench()
    call_id = bench.answered_call()
    leg = bench.of(CallStateNotice, State=4)[0]
    bench.do(Hangup(call_id=leg.call_id))
    assert bench.one(HangupNotice, Scope=2).call_id == call_id


def test_a_hang_up_of_an_event_ends_its_calls_and_no_other() -> None:
    bench = Bench()
    first = bench.answered_call()
    second = bench.call("13900000002")
    bench.run(5)
    bench.do(CreateEvent(call_id=first, event_id="E1"))
    bench.do(CreateEvent(call_id=second, event_id="E2"))
    bench.do(Hangup(event_id="E1", scope=HangupScope.EVENT))
    assert bench.engine.live_calls == {second}


@pytest.mark.parametrize(
    "command",
    [
        Hangup(call_id="7"),
        Hangup(phone_num="13999"),
        Hangup(event_id="E", scope=HangupScope.EVENT),
        Hold(call_id="7", action=HoldAction.HOLD),
        CreateEvent(call_id="7", event_id="E"),
        AnswerCall(call_id="7", action=AnswerAction.ANSWER),
    ],
    ids=lambda command: f"{command.number}",
)
def test_a_command_about_a_call_that_is_not_there_is_refused_with_301(command: Hangup) -> None:
    assert Bench().refused(command) is Result.NO_CALL


def test_an_ended_call_is_not_there_any_more() -> None:
    bench = Bench()
    call_id = bench.answered_call()
    bench.put_down(CALLER)
    assert bench.refused(Hangup(call_id=call_id)) is Result.NO_CALL
    assert len(bench.of(HangupNotice, Scope=2)) == 1


def test_unknown_conferences_and_officers_have_codes_of_their_own() -> None:
    bench = Bench()
    assert bench.refused(Hangup(conference_id="9")) is Result.NO_CONFERENCE
    assert bench.refused(Hold(login_id="99", action=HoldAction.HOLD)) is Result.NO_LOGIN


def test_a_call_is_held_and_retrieved_once() -> None:
    bench = Bench()
    call_id = bench.answered_call()
    assert bench.refused(Hold(call_id=call_id, action=HoldAction.RETRIEVE)) is Result.WRONG_STATE
    bench.do(Hold(call_id=call_id, action=HoldAction.HOLD))
    assert bench.refused(Hold(call_id=call_id, action=HoldAction.HOLD)) is Result.WRONG_STATE
    bench.do(Hold(call_id=call_id, action=HoldAction.RETRIEVE))
    assert [notice.action for notice in bench.of(HoldNotice)] == [
        HoldNoticeAction.HOLD,
        HoldNoticeAction.RETRIEVE,
    ]


def test_a_ringing_call_cannot_be_held() -> None:
    bench = Bench()
    call_id = bench.call()
    assert bench.refused(Hold(call_id=call_id, action=HoldAction.HOLD)) is Result.WRONG_STATE


def test_a_call_is_muted_at_the_officers_telephone() -> None:
    bench = Bench()
    call_id = bench.answered_call()
    bench.do(MuteCall(call_id=call_id, action=MuteAction.MUTE), id="m1")
    notice = bench.one(MuteNotice)
    assert (notice.login_id, notice.action, notice.request_id) == ("23", MuteAction.MUTE, "m1")


def test_a_screen_answers_before_the_officer_does() -> None:
    bench = Bench(officers=officers(Behaviour.NO_ANSWER))
    call_id = bench.call()
    answer = bench.do(AnswerCall(call_id=call_id, action=AnswerAction.ANSWER), id="a1")
    assert answer.result is Result.OK
    assert bench.of(CallStateNotice, State=4)[0].request_id == "a1"
    again = AnswerCall(call_id=call_id, action=AnswerAction.CLAIM_FIRST)
    assert bench.refused(again) is Result.CLAIMED


def test_a_screen_rejects_and_the_next_officer_is_rung() -> None:
    bench = Bench()
    call_id = bench.call()
    bench.do(AnswerCall(call_id=call_id, action=AnswerAction.REJECT))
    assert bench.one(CallStateNotice, State=7).reason == Reason.REJECTED
    assert bench.of(CallStateNotice, State=2)[-1].login_id == "24"


def test_a_screen_deflects_to_another_number() -> None:
    bench = Bench()
    call_id = bench.call()
    bench.do(AnswerCall(call_id=call_id, action=AnswerAction.DEFLECT, to_num="3013"))
    bench.run(5)
    assert bench.of(CallStateNotice, State=4)[0].login_id == "13"
    assert set(bench.engine.busy_lines) == {CALLER, "3013"}


def test_a_command_past_its_expiry_is_answered_309_and_not_done() -> None:
    bench = Bench()
    call_id = bench.answered_call()
    bench.run(100)
    stale = bench.do(Hangup(call_id=call_id), time=EPOCH + timedelta(seconds=60), expire_s=30)
    assert stale.result is Result.EXPIRED
    assert bench.engine.live_calls == {call_id}
    fresh = bench.do(Hangup(call_id=call_id), time=EPOCH + timedelta(seconds=100), expire_s=30)
    assert fresh.result is Result.OK


def test_a_command_that_comes_twice_is_done_once_and_answered_alike() -> None:
    bench = Bench()
    call_id = bench.answered_call()
    command = Hold(call_id=call_id, action=HoldAction.HOLD)
    first = bench.do(command, id="x")
    assert bench.do(command, id="x", resend=True) == first
    assert first.result is Result.OK
    bench.one(HoldNotice)


def test_a_command_that_the_platform_does_not_know_is_501() -> None:
    bench = Bench()
    assert bench.refused(Diagnose(level=1)) is Result.NOT_SUPPORTED
    data = SetCallData(call_id="1", data=(KeyValue(key="a", value="b"),))
    assert bench.refused(data) is Result.NOT_SUPPORTED


def test_the_same_story_gives_the_same_messages() -> None:
    def story() -> list[object]:
        bench = Bench(party(CALLER, talks_s=30.0))
        bench.answered_call()
        bench.do(Hold(login_id="23", action=HoldAction.HOLD))
        bench.run(60)
        return list(bench.said)

    assert story() == story()
    assert len(story()) > 5
