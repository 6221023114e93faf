"""What binds an operation to an event: by name, by hand, by what it came of."""

from __future__ import annotations

import pytest

from protocol import messages as m
from protocol.message import Message
from tests.fakes.call_notices import START, leg, recording, two_events
from tests.fakes.core_bench import Bench
from tests.fakes.said import call_out, create, hangup, incoming


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


def test_every_binding_that_a_call_had_is_kept_with_when_and_by_whom(bench: Bench) -> None:
    bench.say("pbx", incoming())
    bench.say("desk", create("E1"))
    bench.say("desk", create("E2", call_id=None))
    move = m.BindEvent(event_id="E2", action=m.BindAction.MOVE, call_id="C1")
    assert bench.say("desk", move).result == 0
    unbind = m.BindEvent(event_id="E2", action=m.BindAction.UNBIND, call_id="C1")
    assert bench.say("desk", unbind).result == 0

    created, moved, undone = [
        row.seq
        for row in bench.journal()
        if row.source == "desk" and (row.type == move.number or row.call_id == "C1")
    ]
    with bench.engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT event_id, cause, author, valid_from, valid_to FROM binding"
            " JOIN event USING (event_pk) ORDER BY binding_id"
        ).all()
    assert [tuple(row) for row in rows] == [
        ("E1", "created", "desk", created, moved),
        ("E2", "manual", "desk", moved, undone),
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


def test_a_move_by_hand_leaves_what_was_bound_on_its_own(bench: Bench) -> None:
    for event_id in ("E1", "E2", "E3"):
        bench.say("desk", create(event_id, call_id=None))
    bench.say("pbx", incoming(event_id="E1"))
    bench.say("pbx", leg(event_id="E2"))
    move = m.BindEvent(event_id="E3", action=m.BindAction.MOVE, call_id="C1")
    assert bench.say("desk", move).result == 0

    assert bench.bound() == {"call:C1": ("E3", "manual"), "call:L1": ("E2", "explicit")}


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
