"""Events: merged, linked, told by what is known of them."""

from __future__ import annotations

import pytest

from protocol import messages as m
from protocol.message import Message
from tests.fakes.call_notices import two_events
from tests.fakes.core_bench import Bench
from tests.fakes.said import create, hangup, incoming


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
