"""283: events merged, linked, split, and that undone; who is told of it (183)."""

from __future__ import annotations

from dataclasses import astuple

import pytest

from linkage.store.read.reader import StoreReader
from protocol import messages as m
from protocol.message import Message
from tests.fakes.call_notices import leg, two_events
from tests.fakes.core_bench import Bench
from tests.fakes.said import create, hangup, incoming

MERGE, UNMERGE, SPLIT = m.LinkAction.MERGE, m.LinkAction.UNMERGE, m.LinkAction.SPLIT
LINK, UNLINK = m.LinkAction.LINK, m.LinkAction.UNLINK


def link(action: m.LinkAction, event_id: str = "E1", other: str = "E2", *op_ids: str) -> Message:
    return m.LinkEvent(event_id=event_id, other_event_id=other, action=action, op_ids=op_ids)


def links(bench: Bench) -> set[tuple[int, int, str]]:
    with bench.engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT event_pk, other_pk, kind FROM event_link WHERE valid_to IS NULL"
        )
        return {(row[0], row[1], row[2]) for row in rows}


def told_of_links(bench: Bench, peer: str = "desk") -> list[tuple[object, ...]]:
    return [
        (told.event_id, told.other_event_id, told.action, told.moved)
        for heard in bench.heard(peer)
        for told in [heard.message]
        if isinstance(told, m.EventLinkNotice)
    ]


# --- merge and un-merge --------------------------------------------------------------------------
def test_a_merge_and_its_end_are_told_by_183_with_how_many_operations_moved(bench: Bench) -> None:
    two_events(bench)
    bench.say("desk", link(MERGE))
    bench.say("desk", link(UNMERGE))

    assert told_of_links(bench) == [("E1", "E2", MERGE, 2), ("E1", "E2", UNMERGE, 2)]


def test_what_comes_after_a_merge_goes_back_with_what_it_follows(bench: Bench) -> None:
    two_events(bench)
    bench.say("desk", link(MERGE))
    bench.say("pbx", leg("L2"))
    bench.say("pbx", incoming("C2", event_id="E1"))

    assert bench.say("desk", link(UNMERGE)).result == 0

    assert {name: event for name, (event, _) in bench.bound().items()} == {
        "call:C1": "E1", "call:L1": "E1", "call:L2": "E1", "call:C2": "E1",
    }  # fmt: skip


def test_an_event_of_a_chain_leaves_with_what_is_its_own_and_what_was_merged_into_it(
    bench: Bench,
) -> None:
    two_events(bench)
    bench.say("desk", create("E3", call_id=None))
    bench.say("desk", link(MERGE, "E1", "E2"))
    bench.say("desk", link(MERGE, "E2", "E3"))

    too_far = bench.say("desk", link(UNMERGE, "E1", "E3"))
    assert (too_far.result, too_far.detail) == (306, "they are not merged: E1 is merged into E2")
    assert bench.say("desk", link(UNMERGE, "E2", "E3")).result == 0

    bench.heard("desk")
    bench.say("pbx", hangup())
    assert bench.heard("desk")[-1].message.event_id == "E2"


def test_events_are_not_merged_in_a_circle(bench: Bench) -> None:
    for event_id in ("E1", "E2", "E3"):
        bench.say("desk", create(event_id, call_id=None))
    assert bench.say("desk", link(MERGE, "E1", "E2")).result == 0
    assert bench.say("desk", link(MERGE, "E2", "E3")).result == 0

    assert bench.say("desk", link(MERGE, "E3", "E1")).result == 306
    assert bench.say("desk", link(MERGE, "E3", "E2")).result == 306


def test_an_operation_that_came_by_a_merge_is_taken_out_by_the_event_it_is_seen_in(
    bench: Bench,
) -> None:
    two_events(bench)
    bench.say("desk", link(MERGE))
    unbind = m.BindEvent(event_id="E2", call_id="C1", action=m.BindAction.UNBIND)

    assert bench.say("desk", unbind).result == 0

    assert bench.bound() == {"call:C1": (None, "manual"), "call:L1": (None, "manual")}


def test_of_two_calls_of_one_id_the_one_is_meant_whose_event_was_merged_into_the_named_one(
    bench: Bench,
) -> None:
    two_events(bench)
    bench.say("pbx2", incoming())
    bench.say("desk", link(MERGE))

    hold = m.Hold(call_id="C1", event_id="E2", action=m.HoldAction.HOLD)
    assert bench.say("desk", hold).result == 1

    assert bench.types("pbx") == [201, 206]
    assert bench.types("pbx2") == []


def test_what_lives_is_shown_under_the_event_that_stands_for_its_own(bench: Bench) -> None:
    two_events(bench)
    bench.say("desk", link(MERGE))

    (page,) = bench.answers("desk", m.SnapshotRequest(event_id="E2"))

    assert isinstance(page, m.SnapshotNotice)
    assert [(call.call_id, call.event_id) for call in page.calls] == [("C1", "E2"), ("L1", "E2")]


def test_a_command_for_an_event_goes_where_the_calls_are_that_were_merged_into_it(
    bench: Bench,
) -> None:
    for event_id in ("X1", "X2"):
        bench.say("other", create(event_id, call_id=None))
    bench.say("pbx2", incoming("C9", to_num="3333"))
    bench.say("other", create("X1", "C9"))
    bench.say("other", link(MERGE, "X1", "X2"))
    bench.heard("pbx2")
    text = m.SendSms(event_id="X2", receivers=(m.Receiver(phone_num="139"),), content="x")

    assert bench.say("other", text).result == 1

    assert (bench.types("pbx2"), bench.types("pbx")) == ([220], [])


def test_an_answer_after_a_merge_is_of_what_it_answers_and_told_as_of_both(bench: Bench) -> None:
    bench.say("desk", create("E2", call_id=None))
    for event_id, sms_id in (("E1", "S1"), ("E3", "S3")):
        sent_to(bench, event_id, sms_id, "13900000001" if event_id == "E1" else "13900000003")
    bench.say("desk", link(MERGE, "E1", "E2"))
    bench.heard("desk")

    bench.say("pbx", m.SmsReceivedNotice(sms_id="R1", phone_num="13900000001", content="ok"))
    assert bench.heard("desk")[-1].message.event_id == "E2"

    bench.say("desk", link(UNMERGE, "E1", "E2"))
    assert bench.bound()["sms:R1"] == ("E1", "reply")


def test_an_answer_to_two_merged_events_is_of_the_one_that_stands_for_them(bench: Bench) -> None:
    for event_id, sms_id in (("E1", "S1"), ("E2", "S2")):
        sent_to(bench, event_id, sms_id, "13900000001")
    bench.say("desk", link(MERGE))

    bench.say("pbx", m.SmsReceivedNotice(sms_id="R1", phone_num="13900000001", content="ok"))

    assert bench.bound()["sms:R1"] == ("E2", "reply")


def sent_to(bench: Bench, event_id: str, sms_id: str, number: str) -> None:
    receivers = (m.Receiver(phone_num=number),)
    bench.say("desk", m.SendSms(event_id=event_id, receivers=receivers, content="x"))
    result = m.SmsSendResultNotice(
        sms_id=sms_id,
        phone_num=number,
        status=m.SmsSendStatus.ACCEPTED,
        request_id=bench.heard("pbx")[-1].request.id,
    )
    bench.say("pbx", result)


# --- counted once --------------------------------------------------------------------------------
def test_an_operation_counts_once_under_the_event_that_stands_for_its_own(bench: Bench) -> None:
    two_events(bench)
    bench.say("pbx", incoming("C2", event_id="E2"))
    bench.say("desk", create("E3", call_id=None))
    assert counts(bench) == {"E1": 2, "E2": 1, "E3": 0}

    bench.say("desk", link(MERGE, "E1", "E2"))
    bench.say("desk", link(MERGE, "E2", "E3"))
    assert counts(bench) == {"E1": 0, "E2": 0, "E3": 3}

    bench.say("desk", link(UNMERGE, "E2", "E3"))
    assert counts(bench) == {"E1": 0, "E2": 3, "E3": 0}


def counts(bench: Bench) -> dict[str, int | None]:
    with StoreReader.open(bench.config.database_path) as reader:
        return {event.event_id: event.operations for event in reader.list_events()}


# --- links ---------------------------------------------------------------------------------------
def test_a_link_is_told_made_once_and_undone_once(bench: Bench) -> None:
    for event_id in ("E1", "E2"):
        bench.say("desk", create(event_id, call_id=None))

    assert bench.say("desk", link(UNLINK)).result == 306
    assert bench.say("desk", link(LINK)).result == 0
    assert bench.say("desk", link(LINK, "E2", "E1")).result == 2
    assert len(links(bench)) == 1
    assert bench.say("desk", link(UNLINK, "E2", "E1")).result == 0
    assert links(bench) == set()
    assert told_of_links(bench) == [("E1", "E2", LINK, None), ("E2", "E1", UNLINK, None)]


def test_a_merged_event_is_not_linked_but_the_one_that_stands_for_it(bench: Bench) -> None:
    for event_id in ("E1", "E2", "E3"):
        bench.say("desk", create(event_id, call_id=None))
    bench.say("desk", link(MERGE, "E1", "E2"))

    for message in (link(LINK, "E1", "E3"), link(LINK, "E3", "E1")):
        refused = bench.say("desk", message)
        assert (refused.result, refused.detail) == (312, "E2")


def test_the_operations_of_linked_events_are_asked_for_together(bench: Bench) -> None:
    two_events(bench)
    bench.say("pbx", incoming("C2", event_id="E2"))
    bench.say("pbx", incoming("C4", event_id="E4"))
    bench.say("desk", create("E3", call_id=None))
    bench.say("desk", link(m.LinkAction.LINK_PARENT, "E2", "E3"))
    bench.say("desk", link(LINK, "E1", "E3"))
    bench.say("desk", link(MERGE, "E4", "E1"))

    def calls(**asked: object) -> list[str | None]:
        (page,) = bench.answers("desk", m.QueryEventRecord(event_id="E3", **asked))  # type: ignore[arg-type]  # one dict for all fields
        assert isinstance(page, m.EventRecordNotice)
        return [record.call_id for record in page.records]

    assert calls() == []
    assert calls(include_linked=True) == ["C1", "L1", "C2", "C4"]


# --- split ---------------------------------------------------------------------------------------
def test_a_split_takes_operations_out_with_what_follows_them(bench: Bench) -> None:
    two_events(bench)
    bench.say("pbx", incoming("C2", event_id="E1"))
    call, other = (str(each.op_id) for each in bench.operations() if each.call_id != "L1")

    assert bench.say("desk", link(SPLIT, "E1", "E9", call)).result == 0

    assert bench.bound() == {
        "call:C1": ("E9", "manual"), "call:L1": ("E9", "derived"), "call:C2": ("E1", "explicit"),
    }  # fmt: skip
    events = bench.events()
    assert links(bench) == {(events["E9"].event_pk, events["E1"].event_pk, "split")}
    heard = [each.message for each in bench.heard("desk")]
    bound = [each for each in heard if isinstance(each, m.EventBoundNotice)]
    assert [(each.event_id, each.old_event_id) for each in bound[-2:]] == [("E9", "E1")] * 2
    told = heard[-1]
    assert isinstance(told, m.EventLinkNotice)
    assert (told.action, told.event_id, told.other_event_id, told.moved) == (SPLIT, "E1", "E9", 2)
    assert other != call


def test_what_was_merged_can_be_split_from_the_event_that_stands_for_it_and_stays_there(
    bench: Bench,
) -> None:
    two_events(bench)
    bench.say("desk", link(MERGE))
    leg_id = str(bench.operations()[1].op_id)

    assert bench.say("desk", link(SPLIT, "E1", "E3", leg_id)).detail == "E2"
    assert bench.say("desk", link(SPLIT, "E2", "E3", leg_id)).result == 0
    assert bench.say("desk", link(UNMERGE)).result == 0

    assert bench.bound() == {"call:C1": ("E1", "created"), "call:L1": ("E3", "manual")}


@pytest.mark.parametrize(
    ("message", "result"),
    [
        (link(SPLIT, "E1", "E3"), 102),
        (link(SPLIT, "E1", "E3", "99"), 301),
        (link(SPLIT, "E1", "E3", "x"), 301),
        (link(SPLIT, "E2", "E3", "1"), 306),
        (link(SPLIT, "E1", "E1", "1"), 103),
        (link(SPLIT, "E1", "E2", "1"), 308),
        (link(SPLIT, "E1", "E3", "1", "3"), 203),
    ],
)
def test_a_split_that_cannot_be_does_nothing(bench: Bench, message: Message, result: int) -> None:
    two_events(bench)
    bench.say("pbx", incoming("C3", to_num="3333"))
    bench.say("other", create("X1", "C3"))
    bench.say("desk", m.CloseEvent(event_id="E2", action=m.CloseAction.CLOSE))
    before = [astuple(each) for each in bench.operations()], bench.events()

    assert bench.say("desk", message).result == result

    assert ([astuple(each) for each in bench.operations()], bench.events()) == before
