"""Calls, their legs, transfers and recordings are one tree of operations."""

from __future__ import annotations

import pytest

from protocol import messages as m
from protocol.message import Message
from tests.fakes.call_notices import START, leg, recording
from tests.fakes.core_bench import Bench
from tests.fakes.said import create, hangup, incoming

SAVED = m.RecordingNoticeAction.SAVED


def test_an_id_that_is_used_again_after_the_call_ended_begins_a_new_call(bench: Bench) -> None:
    bench.say("pbx", incoming())
    bench.say("desk", create("E1"))
    bench.say("pbx", hangup())

    bench.say("pbx", incoming(phone_num="110"))

    first, second = bench.operations("call")
    assert first.event_pk is not None
    assert (second.event_pk, second.from_num, second.ended_at) == (None, "110", None)


@pytest.mark.parametrize("cold", [False, True])
def test_the_end_of_a_call_does_not_end_an_earlier_one_of_its_id(bench: Bench, cold: bool) -> None:
    bench.say("pbx", incoming())
    bench.say("pbx", hangup())
    bench.say("pbx", incoming())
    if cold:
        bench.restart()
    # A command loads every operation of the id, the oldest last.
    bench.say("desk", create("E1"))

    bench.say("pbx", hangup(content="the second"))

    first, second = bench.operations("call")
    assert (first.content, first.event_pk) == (None, None)
    assert (second.content, second.ended_at is None) == ("the second", False)
    assert second.event_pk is not None


def test_an_outgoing_call_may_use_an_id_again_too(bench: Bench) -> None:
    bench.say("pbx", m.CallStateNotice(call_id="C1", state=m.CallState.DIALLING))
    bench.say("pbx", hangup())
    bench.say("pbx", m.CallStateNotice(call_id="C1", state=m.CallState.DIALLING))

    assert [call.state for call in bench.operations("call")] == ["ended", "dialling"]


def test_what_comes_late_of_an_ended_call_belongs_to_it(bench: Bench) -> None:
    bench.say("pbx", incoming())
    bench.say("desk", create())
    bench.say("pbx", hangup())
    bench.restart()

    bench.say("pbx", recording(SAVED, file_id="F1", size=9, sha256="0" * 64))
    bench.say("pbx", hangup(content="said twice"))

    assert bench.bound() == {"call:C1": ("E1", "created"), "rec:R1": ("E1", "derived")}
    assert [item.message.event_id for item in bench.heard("desk")][-2:] == ["E1", "E1"]


def test_two_platforms_may_use_one_call_id(bench: Bench) -> None:
    bench.say("pbx", incoming())
    bench.say("pbx2", incoming(to_num="3333"))

    bench.say("desk", create("E1"))
    bench.say("other", create("E2"))

    assert [(call.platform, call.owner) for call in bench.operations("call")] == [
        ("pbx", "desk"),
        ("pbx2", "other"),
    ]
    assert len({call.event_pk for call in bench.operations("call")}) == 2
    assert [item.message.event_id for item in bench.heard("pbx")] == ["E1"]
    assert [item.message.event_id for item in bench.heard("pbx2")] == ["E2"]


def test_a_command_means_the_call_that_lives(bench: Bench) -> None:
    bench.say("pbx", incoming())
    bench.say("pbx2", incoming())
    bench.say("pbx2", hangup())

    bench.say("desk", create("E1"))

    assert [call.cause for call in bench.operations("call")] == ["created", None]
    assert bench.types("pbx") == [201]
    assert bench.types("pbx2") == []


def test_a_leg_told_of_before_its_call_is_put_under_it(bench: Bench) -> None:
    bench.say("pbx", m.CallStateNotice(call_id="L1", state=m.CallState.ALERTING))
    bench.say("pbx", recording(START, call_id="L1"))
    bench.say("pbx", incoming())
    bench.say("desk", create())
    assert bench.bound()["call:L1"] == (None, None)

    bench.say("pbx", leg())

    assert bench.bound()["call:L1"] == ("E1", "derived")
    assert bench.bound()["rec:R1"] == ("E1", "derived")
    root = {item.root for item in bench.operations()}
    assert root == {bench.operation("call").op_id}


def test_a_refused_hang_up_ends_nothing(bench: Bench) -> None:
    bench.say("pbx", incoming())
    bench.say("desk", m.Hangup(call_id="C1"))
    (command,) = bench.heard("pbx")

    bench.say("pbx", hangup(request_id=command.request.id, result=306))

    assert bench.operation("call").ended_at is None
    assert bench.heard("desk")[-1].message.result == 306


def test_a_made_up_hang_up_does_not_correct_a_real_one(bench: Bench) -> None:
    bench.say("pbx", incoming())
    bench.say("pbx", hangup())
    ended = bench.operation("call").ended_at
    work = bench.submit("pbx", m.HangupNotice(call_id="C1", reason=141))

    bench.clock.advance(60)
    bench.do(type(work)(work.source, work.request, reconstructed=True))

    call = bench.operation("call")
    assert (call.ended_at, call.reason) == (ended, 100)


def transfer(phase: m.CallPhase | None, **fields: object) -> Message:
    return m.TransferNotice(call_id="C1", to_login_id="13", phase=phase, **fields)  # type: ignore[arg-type]  # the same


def test_the_phases_of_a_transfer_are_one_operation(bench: Bench) -> None:
    bench.say("pbx", incoming())
    bench.say("desk", create())

    bench.say("pbx", transfer(m.CallPhase.START, new_call_id="L2"))
    bench.say("pbx", transfer(m.CallPhase.CONSULTING, new_call_id="L2"))
    bench.say("pbx", transfer(m.CallPhase.DONE, new_call_id="L2"))

    done = bench.operation("transfer")
    assert (done.state, done.outcome, done.to_num) == ("ended", "done", "13")
    assert bench.operation("call").login_id == "13"
    assert bench.bound()["call:L2"] == ("E1", "derived")
    assert bench.operation("leg").parent == bench.operation("call").op_id


def test_a_failed_transfer_is_followed_by_another(bench: Bench) -> None:
    bench.say("pbx", incoming())
    bench.say("pbx", transfer(m.CallPhase.START))
    bench.say("pbx", transfer(m.CallPhase.FAILED, reason=101))
    bench.say("pbx", transfer(None))  # the patent's 105 has no phase: it is made

    assert [item.outcome for item in bench.operations("transfer")] == ["failed", "done"]


def test_a_transfer_adopts_the_leg_that_stood_alone(bench: Bench) -> None:
    bench.say("pbx", incoming())
    bench.say("desk", create())
    bench.say("pbx", m.CallStateNotice(call_id="L2", state=m.CallState.DIALLING))
    bench.heard("desk")

    bench.say("pbx", transfer(m.CallPhase.DONE, new_call_id="L2"))

    assert bench.bound()["call:L2"] == ("E1", "derived")
    assert bench.operation("leg").root == bench.operation("call").op_id
    # The leg was known before, unbound: its application hears that it is not any more.
    assert [item.type for item in bench.heard("desk")] == [105, 101]


def test_a_consultation_by_telephone_follows_the_call_with_all_its_legs(bench: Bench) -> None:
    bench.say("pbx", incoming())
    bench.say("desk", create())
    bench.say("pbx", incoming("C2"))
    dialling = m.CallState.DIALLING
    bench.say("pbx", m.CallStateNotice(call_id="L3", parent_call_id="C2", state=dialling))

    bench.say("pbx", transfer(m.CallPhase.DONE, new_call_id="C2"))
    bench.say("pbx", m.HangupNotice(call_id="C2", reason=134))
    bench.say("pbx", m.HangupNotice(call_id="L3", parent_call_id="C1", reason=100))

    bound = bench.bound()
    assert (bound["call:C2"], bound["call:L3"]) == (("E1", "derived"), ("E1", "derived"))
    assert len({each.root for each in bench.operations("leg")}) == 1
    assert len(bench.operations("leg")) == 2


def test_a_new_leg_is_not_an_ended_call_of_its_id(bench: Bench) -> None:
    bench.say("pbx", incoming("L2"))
    bench.say("pbx", hangup("L2"))
    bench.say("pbx", incoming())
    bench.say("desk", create())

    bench.say("pbx", transfer(m.CallPhase.DONE, new_call_id="L2"))

    assert bench.operation("leg").event_pk is not None
    assert next(c for c in bench.operations("call") if c.call_id == "L2").event_pk is None


def test_a_transfer_under_way_ends_with_its_call(bench: Bench) -> None:
    for call, reason in (("C1", 134), ("C2", 100)):
        bench.say("pbx", incoming(call))
        bench.say("pbx", m.TransferNotice(call_id=call, to_num="1", phase=m.CallPhase.RINGING))
        bench.say("pbx", m.HangupNotice(call_id=call, reason=reason))

    assert [item.outcome for item in bench.operations("transfer")] == ["done", "ended"]


def test_an_unanswered_leg_says_so(bench: Bench) -> None:
    bench.say("pbx", incoming())
    bench.say("pbx", leg())
    bench.say("pbx", hangup("L1"))
    bench.say("pbx", m.CallStateNotice(call_id="C1", state=m.CallState.FAILED, reason=101))

    assert bench.operation("leg").outcome == "unanswered"
    assert (bench.operation("call").outcome, bench.operation("call").reason) == ("failed", 101)


def test_a_saved_recording_has_a_file_of_its_call(bench: Bench) -> None:
    bench.say("pbx", incoming())
    bench.say("desk", create())
    bench.say("pbx", recording(START))
    bench.say("pbx", recording(m.RecordingNoticeAction.STOP))
    bench.say("pbx", recording(SAVED, file_id="F1", size=32_044, sha256="a" * 64, duration=2))

    (page,) = bench.answers("desk", m.QueryEventRecord(event_id="E1"))
    assert isinstance(page, m.EventRecordNotice)
    assert [(item.kind, item.file_id) for item in page.records] == [
        (m.OperationKind.CALL, None),
        (m.OperationKind.FILE, "F1"),
    ]
    assert page.records[1].parent_op_id == page.records[0].op_id


def test_two_platforms_may_use_one_file_id_and_one_record_id(bench: Bench) -> None:
    for platform, event in (("pbx", "E1"), ("pbx2", "E2")):
        bench.say(platform, incoming(f"C{event}"))
        bench.say("desk", create(event, f"C{event}"))
        bench.say(platform, recording(SAVED, call_id=f"C{event}", file_id="F1"))

    for event in ("E1", "E2"):
        (page,) = bench.answers("desk", m.QueryEventRecord(event_id=event))
        assert isinstance(page, m.EventRecordNotice)
        assert [record.file_id for record in page.records] == [None, "F1"]


def test_a_record_id_used_again_for_another_call_is_another_recording(bench: Bench) -> None:
    for number in (1, 2):
        bench.say("pbx", incoming(f"C{number}"))
        bench.say("desk", create(f"E{number}", f"C{number}"))
        bench.say("pbx", recording(START, call_id=f"C{number}"))
        bench.say("pbx", recording(SAVED, call_id=f"C{number}", file_id=f"F{number}"))

    assert len({item.event_pk for item in bench.operations("recording")}) == 2
