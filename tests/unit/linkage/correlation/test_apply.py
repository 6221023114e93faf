"""Which event an operation belongs to, and why (protocol.md#events).

After each test the bench proves that a rebuild from the journal gives the same rows.
"""

from __future__ import annotations

import pytest

from protocol import messages as m
from protocol.message import Message
from tests.fakes.core_bench import Bench
from tests.fakes.said import call_out, create, hangup, incoming


def leg(call_id: str = "L1", parent: str = "C1", **fields: object) -> Message:
    return m.CallStateNotice(
        call_id=call_id,
        parent_call_id=parent,
        state=m.CallState.ALERTING,
        **fields,  # type: ignore[arg-type]  # the same
    )


def recording(action: m.RecordingNoticeAction, **fields: object) -> Message:
    values: dict[str, object] = {"call_id": "C1", "record_id": "R1", "action": action, **fields}
    return m.RecordingNotice(**values)  # type: ignore[arg-type]  # the same


SAVED = m.RecordingNoticeAction.SAVED
START = m.RecordingNoticeAction.START


# --- causes --------------------------------------------------------------------------------------
def test_a_call_belongs_to_no_event_until_somebody_says_so(bench: Bench) -> None:
    bench.say("pbx", incoming())

    call = bench.operation("call")
    assert (call.event_pk, call.cause, call.owner) == (None, None, "desk")
    assert (call.direction, call.from_num, call.to_num) == ("in", "139123444444", "2222")


def test_a_notice_that_names_an_event_binds_explicitly(bench: Bench) -> None:
    bench.say("desk", create(call_id=None))
    bench.say("pbx", incoming(event_id="E1"))

    assert bench.bound() == {"call:C1": ("E1", "explicit")}


def test_creating_an_event_binds_the_call_and_what_came_of_it_before(bench: Bench) -> None:
    bench.say("pbx", incoming())
    bench.say("pbx", leg())
    bench.say("pbx", recording(START))
    bench.say("pbx", m.TransferNotice(call_id="C1", to_num="3013", phase=m.CallPhase.START))
    bench.heard("desk")

    assert bench.say("desk", create()).result == 0

    assert bench.bound() == {
        "call:C1": ("E1", "created"),
        "call:L1": ("E1", "derived"),
        "rec:R1": ("E1", "derived"),
        "transfer:1": ("E1", "derived"),
    }
    told = [item.message for item in bench.heard("desk")]
    assert [message.number for message in told] == [101] * 4
    assert [(message.op_id, message.event_id) for message in told] == [
        ("1", "E1"),
        ("2", "E1"),
        ("3", "E1"),
        ("4", "E1"),
    ]


def test_what_comes_of_a_bound_call_later_follows_it(bench: Bench) -> None:
    bench.say("pbx", incoming())
    bench.say("desk", create())
    bench.heard("desk")

    bench.say("pbx", leg())
    bench.say("pbx", recording(START, call_id="L1"))
    bench.say("pbx", hangup())

    assert bench.bound()["call:L1"] == ("E1", "derived")
    assert bench.bound()["rec:R1"] == ("E1", "derived")
    # What is bound as it comes needs no 101: its own notice carries the EventId.
    heard = bench.heard("desk")
    assert [item.type for item in heard] == [115, 108, 102]
    assert {item.message.event_id for item in heard} == {"E1"}


def test_the_outcome_of_a_command_belongs_to_the_command_s_event(bench: Bench) -> None:
    bench.say("desk", call_out(), "4711")
    (sent,) = bench.heard("pbx")
    assert sent.request.id != "4711", "the platform hears an Id of linkage's"

    bench.say(
        "pbx",
        m.CallOutResultNotice(call_id="C9", phone_num="13912344444", request_id=sent.request.id),
    )

    assert bench.bound() == {"call:C9": ("E1", "command")}
    (heard,) = bench.heard("desk")
    assert (heard.message.event_id, heard.message.request_id) == ("E1", "4711")


@pytest.mark.parametrize("written", ["1", "999999999999", "²", "٣", "x"])
def test_a_request_id_that_is_no_command_to_this_platform_binds_nothing(
    bench: Bench, written: str
) -> None:
    bench.say("desk", call_out())
    assert bench.heard("pbx2") == []

    assert bench.say("pbx2", incoming(request_id=written)).result == 0

    assert bench.bound() == {"call:C1": (None, None)}


# --- by hand -------------------------------------------------------------------------------------
def two_events(bench: Bench) -> None:
    bench.say("pbx", incoming())
    bench.say("desk", create("E1"))
    bench.say("desk", create("E2", call_id=None))
    bench.say("pbx", leg())
    bench.heard("desk")


def move(action: m.BindAction, event_id: str, **what: object) -> Message:
    return m.BindEvent(event_id=event_id, action=action, **what)  # type: ignore[arg-type]  # the same


def test_a_move_by_hand_takes_along_what_follows(bench: Bench) -> None:
    two_events(bench)
    bench.say("pbx", recording(START, call_id="L1"))

    assert bench.say("desk", move(m.BindAction.MOVE, "E2", call_id="C1")).result == 0

    assert bench.bound() == {
        "call:C1": ("E2", "manual"),
        "call:L1": ("E2", "derived"),
        "rec:R1": ("E2", "derived"),
    }
    moved = [i.message for i in bench.heard("desk") if isinstance(i.message, m.EventBoundNotice)]
    assert {(item.old_event_id, item.event_id) for item in moved} == {("E1", "E2")}


def test_a_leg_moved_by_hand_leaves_its_call_where_it_is(bench: Bench) -> None:
    two_events(bench)
    bench.say("pbx", recording(START, call_id="L1"))

    bench.say("desk", move(m.BindAction.MOVE, "E2", op_id="2"))

    assert bench.bound()["call:C1"] == ("E1", "created")
    assert bench.bound()["rec:R1"] == ("E2", "derived")


def test_a_person_s_correction_outranks_the_stamp_of_the_platform(bench: Bench) -> None:
    two_events(bench)
    bench.say("desk", move(m.BindAction.MOVE, "E2", call_id="C1"))

    bench.say("pbx", hangup(event_id="E1"))

    assert bench.bound()["call:C1"] == ("E2", "manual")
    assert bench.heard("desk")[-1].message.event_id == "E2"


def test_a_stamp_of_the_platform_outranks_what_was_derived(bench: Bench) -> None:
    two_events(bench)

    bench.say("pbx", leg(event_id="E2"))

    assert bench.bound() == {"call:C1": ("E1", "created"), "call:L1": ("E2", "explicit")}


def test_what_was_unbound_by_hand_stays_unbound(bench: Bench) -> None:
    two_events(bench)

    assert bench.say("desk", move(m.BindAction.UNBIND, "E1", call_id="C1")).result == 0
    bench.say("pbx", leg())
    bench.say("pbx", hangup(event_id="E1"))

    assert bench.bound() == {"call:C1": (None, "manual"), "call:L1": (None, "manual")}
    bindings = bench.answers("desk", m.QueryEventRecord(event_id="E1"))
    assert isinstance(bindings[0], m.EventRecordNotice)
    assert bindings[0].records == ()


def test_what_was_unbound_can_be_bound_again_with_what_follows_it(bench: Bench) -> None:
    two_events(bench)
    bench.say("desk", move(m.BindAction.UNBIND, "E1", call_id="C1"))

    assert bench.say("desk", move(m.BindAction.BIND, "E2", call_id="C1")).result == 0

    assert bench.bound() == {"call:C1": ("E2", "manual"), "call:L1": ("E2", "derived")}


# --- calls and their legs ------------------------------------------------------------------------
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


# --- transfers -----------------------------------------------------------------------------------
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


# --- recordings ----------------------------------------------------------------------------------
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


# --- conferences ---------------------------------------------------------------------------------
def joined(number: str, **fields: object) -> Message:
    values: dict[str, object] = {"call_id": "C1", "conference_id": "2", **fields}
    return m.CallOutResultNotice(phone_num=number, **values)  # type: ignore[arg-type]  # the same


def conference(action: m.ConferenceNoticeAction | None = None, **fields: object) -> Message:
    values: dict[str, object] = {"call_id": "C1", "conference_id": "2", **fields}
    return m.ConferenceNotice(action=action, **values)  # type: ignore[arg-type]  # the same


def test_two_different_110_with_one_id_both_count(bench: Bench) -> None:
    bench.say("pbx", conference())
    first = bench.say("pbx", joined("13912344444"), "20009")
    second = bench.say("pbx", joined("13912344413"), "20009")

    assert (first.result, second.result) == (0, 0)
    assert [item.to_num for item in bench.operations("member")] == ["13912344444", "13912344413"]


def test_a_conference_under_a_call_follows_it_with_its_members(bench: Bench) -> None:
    bench.say("pbx", incoming())
    bench.say("pbx", conference(m.ConferenceNoticeAction.CREATED))
    bench.say("pbx", joined("139"))
    bench.say("desk", create())

    bench.say("pbx", joined("138", reason=123))

    assert bench.bound() == {
        "call:C1": ("E1", "created"),
        "conf:2": ("E1", "derived"),
        "member:2/139": ("E1", "derived"),
        "member:2/138": ("E1", "derived"),
    }
    outcomes = {item.to_num: item.outcome for item in bench.operations("member")}
    assert outcomes == {"139": "joined", "138": "failed"}


def test_creating_an_event_may_name_the_conference_alone(bench: Bench) -> None:
    bench.say("pbx", conference(call_id=None))
    bench.say("pbx", joined("139", call_id=None))

    assert bench.say("desk", create(call_id=None, conference_id="2")).result == 0

    assert bench.bound() == {"conf:2": ("E1", "created"), "member:2/139": ("E1", "derived")}


def test_a_conference_number_used_again_is_another_conference(bench: Bench) -> None:
    bench.say("pbx", conference(m.ConferenceNoticeAction.CREATED, call_id=None))
    bench.say("desk", create(call_id=None, conference_id="2"))
    bench.say("pbx", conference(m.ConferenceNoticeAction.ENDED, call_id=None))
    bench.say("pbx", m.ConferenceMemberNotice(conference_id="2", phone_num="late"))
    assert len(bench.operations("conference")) == 1, "what comes late is of the ended one"

    bench.say("pbx", conference(m.ConferenceNoticeAction.CREATED, call_id=None))
    bench.say("pbx", joined("139", call_id=None))

    assert [item.event_pk is None for item in bench.operations("conference")] == [False, True]
    assert bench.bound()["member:2/139"] == (None, None)


def test_a_call_is_no_member_of_an_ended_conference_of_the_number_it_names(bench: Bench) -> None:
    bench.say("pbx", conference(call_id=None))
    bench.say("desk", create(call_id=None, conference_id="2"))
    bench.say("pbx", m.HangupNotice(conference_id="2"))
    assert bench.operation("conference").ended_at is not None

    bench.say("pbx", incoming(conference_id="2"))

    assert bench.bound()["call:C1"] == (None, None)
    assert bench.operation("call").parent is None


def member(action: m.MemberNoticeAction | None, **fields: object) -> Message:
    return m.ConferenceMemberNotice(
        conference_id="2",
        phone_num="139",
        action=action,
        **fields,  # type: ignore[arg-type]  # the same
    )


def test_a_member_comes_and_goes_and_comes_again(bench: Bench) -> None:
    act = m.MemberNoticeAction
    bench.say("pbx", member(act.RINGING))
    assert bench.operation("member").state == "ringing"
    bench.say("pbx", member(act.JOINED))
    assert bench.operation("member").outcome == "joined"
    bench.say("pbx", member(act.KICKED, reason=130))
    kicked = bench.operation("member")
    assert (kicked.outcome, kicked.reason, kicked.ended_at is None) == ("kicked", 130, False)
    bench.say("pbx", member(act.JOINED))
    assert (bench.operation("member").outcome, bench.operation("member").ended_at) == (
        "joined",
        None,
    )


# --- events --------------------------------------------------------------------------------------
def link(action: m.LinkAction, event_id: str = "E1", other: str = "E2") -> Message:
    return m.LinkEvent(event_id=event_id, other_event_id=other, action=action)


def test_a_merge_redirects_and_an_unmerge_restores(bench: Bench) -> None:
    two_events(bench)
    before = bench.bound()

    assert bench.say("desk", link(m.LinkAction.MERGE)).result == 0
    bench.say("pbx", m.HoldNotice(call_id="C1"))
    assert bench.heard("desk")[-1].message.event_id == "E2"
    assert bench.bound() == before, "history is not rewritten"
    refused = bench.say("desk", m.UpdateEvent(event_id="E1", title="x"))
    assert (refused.result, refused.detail) == (312, "E2")
    (page,) = bench.answers("desk", m.QueryEventRecord(event_id="E2"))
    assert isinstance(page, m.EventRecordNotice)
    assert len(page.records) == 2

    assert bench.say("desk", link(m.LinkAction.UNMERGE)).result == 0
    bench.say("pbx", m.HoldNotice(call_id="C1", action=m.HoldNoticeAction.HOLD))
    assert bench.heard("desk")[-1].message.event_id == "E1"
    (page,) = bench.answers("desk", m.QueryEventRecord(event_id="E2"))
    assert isinstance(page, m.EventRecordNotice)
    assert page.records == ()


def test_merges_are_followed_to_their_end(bench: Bench) -> None:
    two_events(bench)
    bench.say("desk", create("E3", call_id=None))
    bench.say("desk", link(m.LinkAction.MERGE, "E1", "E2"))
    bench.say("desk", link(m.LinkAction.MERGE, "E2", "E3"))

    refused = bench.say("desk", create("E1"))

    assert (refused.result, refused.detail) == (312, "E3")
    bench.say("pbx", hangup())
    assert bench.heard("desk")[-1].message.event_id == "E3"


def test_events_are_linked_and_unlinked(bench: Bench) -> None:
    bench.say("desk", create("E1", call_id=None))
    bench.say("desk", create("E2", call_id=None))
    for action in (m.LinkAction.LINK_PARENT, m.LinkAction.LINK_CHILD, m.LinkAction.LINK):
        assert bench.say("desk", link(action)).result == 0
    one, two = (bench.events()[name].event_pk for name in ("E1", "E2"))
    assert links(bench) == {(one, two, "parent"), (two, one, "parent"), (one, two, "related")}

    assert bench.say("desk", link(m.LinkAction.UNLINK)).result == 0

    assert links(bench) == set()


def links(bench: Bench) -> set[tuple[int, int, str]]:
    with bench.engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT event_pk, other_pk, kind FROM event_link WHERE valid_to IS NULL"
        )
        return {(row[0], row[1], row[2]) for row in rows}


def test_an_event_is_told_by_what_is_known_of_it(bench: Bench) -> None:
    bench.say("desk", create("E0", call_id=None))
    bench.say("desk", create(call_id=None, title="火灾", level="1", parent_event_id="E0"))
    bench.say("desk", m.UpdateEvent(event_id="E1", level="2", lon=116.4, lat=39.9))
    bench.say(
        "desk",
        m.CloseEvent(event_id="E1", action=m.CloseAction.CLOSE, summary="out"),
    )

    event = bench.events()["E1"]
    assert (event.title, event.level, event.lon, event.status) == ("火灾", "2", 116.4, "closed")
    assert (event.summary, event.closed_at is None) == ("out", False)
    bench.say("desk", m.CloseEvent(event_id="E1", action=m.CloseAction.REOPEN))
    assert bench.events()["E1"].status == "open"


def test_a_notice_naming_the_event_of_one_application_only_finds_it(bench: Bench) -> None:
    bench.say("desk", create("E1", call_id=None))
    # Nobody takes this number alone, so the call is nobody's yet.
    bench.say("pbx", incoming(to_num="999", event_id="E1"))

    assert bench.bound() == {"call:C1": ("E1", "explicit")}
    assert bench.operation("call").owner == "desk"


def test_a_notice_naming_an_event_of_two_applications_is_not_guessed(bench: Bench) -> None:
    bench.say("desk", create("E1", call_id=None))
    bench.say("other", create("E1", call_id=None))

    bench.say("pbx", incoming(to_num="999", event_id="E1"))

    assert bench.operation("call").event_pk is None


@pytest.mark.parametrize(
    ("message", "kind", "state"),
    [
        (m.SmsReceivedNotice(sms_id="S1", phone_num="139", content="help"), "sms", "open"),
        (m.FaxReceivedNotice(fax_id="S1", phone_num="139"), "fax", "open"),
        (m.MailReceivedNotice(mail_id="S1", sender="a@b", subject="x"), "mail", "open"),
        (
            m.VideoSessionNotice(video_id="S1", action=m.VideoSessionAction.OPENED),
            "video",
            "opened",
        ),
        (m.BroadcastNotice(broadcast_id="S1", action=m.BroadcastAction.END), "broadcast", "end"),
        (m.LocationNotice(phone_num="139", lon=116.4, lat=39.9), "location", "ended"),
    ],
)
def test_other_communication_makes_operations_too(
    bench: Bench, message: Message, kind: str, state: str
) -> None:
    bench.say("pbx", message)

    assert bench.operation(kind).state == state
