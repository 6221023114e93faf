"""Transfers: blind, with consultation, at the officer's telephone."""

from __future__ import annotations

from protocol.messages import (
    CallPhase,
    Hangup,
    HangupNotice,
    HangupScope,
    Hold,
    HoldAction,
    HoldNotice,
    HoldNoticeAction,
    Transfer,
    TransferMode,
    TransferNotice,
    TransferNoticeMode,
)
from protocol.results import Result
from simulators.platform.parties import Behaviour, Officer, PhoneTransfer
from tests.fakes.platform_engine import CALLER, HOTLINE, Bench, party


def phases(bench: Bench) -> list[CallPhase | None]:
    return [notice.phase for notice in bench.of(TransferNotice)]


def blind(call_id: str, to_login_id: str = "13", to_num: str | None = None) -> Transfer:
    login_id = to_login_id if to_num is None else None
    return Transfer(call_id=call_id, mode=TransferMode.BLIND, to_login_id=login_id, to_num=to_num)


def consult(call_id: str, mode: TransferMode = TransferMode.CONSULT) -> Transfer:
    return Transfer(call_id=call_id, to_login_id="13", mode=mode)


def test_a_blind_transfer_moves_the_call_to_the_other_officer() -> None:
    bench = Bench()
    call_id = bench.answered_call()
    answer = bench.do(blind(call_id), id="t1")
    assert answer.result is Result.ACCEPTED
    bench.run(5)
    assert phases(bench) == [CallPhase.START, CallPhase.RINGING, CallPhase.DONE]
    done = bench.of(TransferNotice)[-1]
    assert (done.call_id, done.from_login_id, done.to_login_id) == (call_id, "23", "13")
    assert (done.from_ext, done.phone_num, done.new_call_id) == ("3021", CALLER, answer.call_id)
    assert (done.mode, done.request_id) == (TransferNoticeMode.BLIND, "t1")
    assert set(bench.engine.busy_lines) == {CALLER, "3013"}
    left = bench.one(HangupNotice)
    assert (left.login_id, left.reason, left.scope) == ("23", 134, HangupScope.LEG)


def test_the_call_ends_under_the_officer_who_has_it_then() -> None:
    bench = Bench()
    call_id = bench.answered_call()
    bench.do(blind(call_id))
    bench.run(5)
    bench.put_down(CALLER)
    assert bench.one(HangupNotice, Scope=2).login_id == "13"


def test_a_blind_transfer_that_fails_comes_back() -> None:
    bench = Bench(party("13900000009", Behaviour.BUSY))
    call_id = bench.answered_call()
    bench.do(blind(call_id, to_num="13900000009"))
    bench.run(5)
    failed = bench.of(TransferNotice)[-1]
    assert (failed.phase, failed.reason) == (CallPhase.FAILED, 101)
    assert failed.mode is TransferNoticeMode.EXTERNAL
    assert failed.to_login_id is None
    assert set(bench.engine.busy_lines) == {CALLER, "3021"}
    assert bench.do(blind(call_id)).result is Result.ACCEPTED


def test_a_consultation_holds_the_caller_and_completes() -> None:
    bench = Bench()
    call_id = bench.answered_call()
    bench.do(consult(call_id))
    assert bench.one(HoldNotice).action is HoldNoticeAction.HOLD
    bench.run(5)
    assert set(bench.engine.busy_lines) == {CALLER, "3021", "3013"}
    bench.do(consult(call_id, TransferMode.COMPLETE))
    assert phases(bench) == [
        CallPhase.START,
        CallPhase.RINGING,
        CallPhase.CONSULTING,
        CallPhase.DONE,
    ]
    assert bench.of(HoldNotice)[-1].action is HoldNoticeAction.RETRIEVE
    assert set(bench.engine.busy_lines) == {CALLER, "3013"}


def test_a_consultation_is_cancelled_and_the_caller_retrieved() -> None:
    bench = Bench()
    call_id = bench.answered_call()
    bench.do(consult(call_id))
    bench.run(5)
    bench.do(consult(call_id, TransferMode.CANCEL))
    assert phases(bench)[-1] is CallPhase.CANCELLED
    assert bench.one(HangupNotice).reason == 137
    assert bench.of(HoldNotice)[-1].action is HoldNoticeAction.RETRIEVE
    assert set(bench.engine.busy_lines) == {CALLER, "3021"}


def test_a_consultation_cannot_complete_before_the_other_answers() -> None:
    bench = Bench()
    call_id = bench.answered_call()
    bench.do(consult(call_id))
    assert bench.refused(consult(call_id, TransferMode.COMPLETE)) is Result.WRONG_STATE


def test_there_is_nothing_to_complete_without_a_consultation() -> None:
    bench = Bench()
    call_id = bench.answered_call()
    for mode in (TransferMode.COMPLETE, TransferMode.CANCEL, TransferMode.SWAP):
        assert bench.refused(consult(call_id, mode)) is Result.WRONG_STATE


def test_the_officer_alternates_between_caller_and_consulted() -> None:
    bench = Bench()
    call_id = bench.answered_call()
    bench.do(consult(call_id))
    bench.run(5)
    bench.do(consult(call_id, TransferMode.SWAP))
    bench.do(Hold(call_id=call_id, action=HoldAction.ALTERNATE))
    held = [n.phone_num for n in bench.of(HoldNotice) if n.action is HoldNoticeAction.ALTERNATE]
    assert held == ["3013", CALLER]
    bench.do(Hold(call_id=call_id, action=HoldAction.RECONNECT))
    assert phases(bench)[-1] is CallPhase.CANCELLED


def test_a_call_can_only_go_one_way_at_a_time() -> None:
    bench = Bench()
    call_id = bench.answered_call()
    bench.do(blind(call_id))
    assert bench.refused(blind(call_id, to_num="24")) is Result.WRONG_STATE


def test_a_ringing_call_cannot_be_transferred() -> None:
    bench = Bench()
    assert bench.refused(blind(bench.call())) is Result.WRONG_STATE


def test_transfers_need_a_target_that_is_there() -> None:
    bench = Bench()
    call_id = bench.answered_call()
    nowhere = Transfer(call_id=call_id, mode=TransferMode.BLIND)
    assert bench.refused(nowhere) is Result.MISSING_FIELD
    assert bench.refused(blind(call_id, to_login_id="99")) is Result.NO_LOGIN
    assert bench.refused(blind("7")) is Result.NO_CALL


def test_queues_and_menus_are_not_served() -> None:
    bench = Bench()
    call_id = bench.answered_call()
    assert bench.refused(consult(call_id, TransferMode.TO_QUEUE)) is Result.NOT_SUPPORTED


def test_the_call_is_found_by_the_officer_who_has_it() -> None:
    bench = Bench()
    call_id = bench.answered_call()
    bench.do(Transfer(from_login_id="23", to_login_id="13", mode=TransferMode.BLIND))
    assert bench.of(TransferNotice)[0].call_id == call_id


def test_an_officer_transfers_at_the_telephone() -> None:
    officers = (
        Officer(login_id="23", ext="3021", transfers=PhoneTransfer(to="13", after_s=10.0)),
        Officer(login_id="24", ext="3024"),
        Officer(login_id="13", ext="3013"),
    )
    bench = Bench(officers=officers)
    bench.call(to_num=HOTLINE)
    bench.run(11.9)
    assert not phases(bench)
    bench.run(3)
    assert phases(bench)[-1] is CallPhase.DONE
    assert bench.of(TransferNotice)[0].request_id is None


def test_when_the_caller_hangs_up_the_transfer_is_off() -> None:
    bench = Bench()
    call_id = bench.answered_call()
    bench.do(blind(call_id))
    bench.put_down(CALLER)
    assert phases(bench)[-1] is CallPhase.CANCELLED
    assert not bench.engine.busy_lines
    assert len(bench.of(HangupNotice, Scope=2)) == 1


def test_when_the_target_is_hung_up_on_the_transfer_has_failed() -> None:
    bench = Bench()
    call_id = bench.answered_call()
    target = bench.do(consult(call_id)).call_id
    bench.do(Hangup(call_id=target))
    assert phases(bench)[-1] is CallPhase.FAILED
    assert set(bench.engine.busy_lines) == {CALLER, "3021"}


def test_when_the_consulting_officer_is_hung_up_on_the_other_has_the_call() -> None:
    bench = Bench()
    call_id = bench.answered_call()
    bench.do(consult(call_id))
    bench.run(5)
    bench.put_down("3021")
    assert phases(bench)[-1] is CallPhase.DONE
    assert set(bench.engine.busy_lines) == {CALLER, "3013"}
    assert bench.engine.live_calls == {call_id}
