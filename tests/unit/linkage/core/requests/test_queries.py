"""Answers from the projections: 280 → 180, 215 and 293 → 193, 292 → 192, 296 → 196."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from linkage.core.requests.queries import PAGE_SIZE
from protocol import messages as m
from protocol.codec import encode
from protocol.envelope import Request
from tests.fakes.core_bench import PEERS, Bench, peer
from tests.fakes.said import create, hangup, incoming


def records(bench: Bench, message: m.QueryEventRecord, source: str = "desk") -> list[m.Record]:
    found: list[m.Record] = []
    for page in bench.answers(source, message):
        assert isinstance(page, m.EventRecordNotice)
        found += page.records
    return found


def fill(bench: Bench) -> None:
    bench.say("pbx", incoming())
    bench.say("desk", create())
    bench.say("pbx", m.CallStateNotice(call_id="C1", state=m.CallState.ANSWERED))
    bench.say(
        "pbx",
        m.CallStateNotice(
            call_id="L1", parent_call_id="C1", to_num="3013", state=m.CallState.ALERTING
        ),
    )
    bench.say("pbx", m.SmsReceivedNotice(sms_id="S1", phone_num="138", event_id="E1", content="x"))


def test_an_event_s_operations_are_found_in_the_order_in_which_they_began(bench: Bench) -> None:
    fill(bench)

    found = records(bench, m.QueryEventRecord(event_id="E1"))

    assert [(item.kind, item.call_id, item.cause) for item in found] == [
        (m.OperationKind.CALL, "C1", m.BindCause.CREATED),
        (m.OperationKind.CALL, "L1", m.BindCause.DERIVED),
        (m.OperationKind.SMS, None, m.BindCause.EXPLICIT),
    ]
    assert found[0].answer_time is not None
    assert found[1].parent_op_id == found[0].op_id


def test_a_search_is_narrowed_by_kind_number_and_time(bench: Bench) -> None:
    fill(bench)
    ask = m.QueryEventRecord
    began = bench.clock.utc() - timedelta(seconds=0.6)

    assert len(records(bench, ask(event_id="E1", kinds=(m.OperationKind.SMS,)))) == 1
    assert len(records(bench, ask(event_id="E1", phone_num="3013"))) == 1
    assert len(records(bench, ask(event_id="E1", from_time=began))) == 2
    assert len(records(bench, ask(event_id="E1", to_time=began))) == 1


def test_long_answers_come_in_pages_of_which_each_fits_a_frame(bench: Bench) -> None:
    bench.say("desk", create(call_id=None))
    longest = "长" * 60_000
    for number in range(PAGE_SIZE + 1):
        bench.say("pbx", m.SmsReceivedNotice(sms_id=f"S{number}", event_id="E1", content=longest))

    pages = bench.answers("desk", m.QueryEventRecord(event_id="E1"))

    assert [len(page.records) for page in pages if isinstance(page, m.EventRecordNotice)] == [
        PAGE_SIZE,
        1,
    ]
    assert all(len(encode(Request(id="q", message=page))) < 65_535 for page in pages)
    (second,) = bench.answers("desk", m.QueryEventRecord(event_id="E1", page=2))
    assert isinstance(second, m.EventRecordNotice)
    assert (second.page, second.pages, len(second.records)) == (2, 2, 1)
    (beyond,) = bench.answers("desk", m.QueryEventRecord(event_id="E1", page=2**53))
    assert isinstance(beyond, m.EventRecordNotice)
    assert beyond.records == ()


def test_ids_that_are_no_numbers_do_not_spoil_an_answer(bench: Bench) -> None:
    bench.say("pbx", m.ConferenceNotice(conference_id="2/3"))
    bench.say("pbx", m.ConferenceMemberNotice(conference_id="2/3", member_id="m/" * 32))
    bench.say("desk", create(call_id=None, conference_id="2/3"))

    assert len(records(bench, m.QueryEventRecord(event_id="E1"))) == 2
    (page,) = bench.answers("desk", m.SnapshotRequest())
    assert isinstance(page, m.SnapshotNotice)
    assert page.conferences[0].members[0].member_id == "m/" * 32


def test_a_snapshot_shows_what_lives_now_and_from_which_seq_on_it_is_old(bench: Bench) -> None:
    fill(bench)
    bench.say("pbx", incoming("C2"))
    bench.say("pbx", hangup("C2"))
    bench.say("pbx2", incoming("X", to_num="3333"))
    last = bench.heard("desk")[-1].seq

    (page,) = bench.answers("desk", m.SnapshotRequest())

    assert isinstance(page, m.SnapshotNotice)
    assert page.as_of_seq == last
    assert [(call.call_id, call.event_id, call.state) for call in page.calls] == [
        ("C1", "E1", m.CallState.ANSWERED),
        ("L1", "E1", m.CallState.ALERTING),
    ]
    assert page.calls[1].parent_call_id == "C1"


def test_a_snapshot_of_nothing_is_one_empty_page(bench: Bench) -> None:
    (page,) = bench.answers("desk", m.SnapshotRequest())

    assert isinstance(page, m.SnapshotNotice)
    assert (page.page, page.pages, page.calls, page.conferences) == (1, 1, (), ())


@pytest.mark.parametrize(
    ("query", "calls"),
    [
        (m.QueryCall(call_id="C1"), ["C1"]),
        (m.QueryCall(phone_num="3013"), ["L1"]),
        (m.QueryCall(login_id="23"), ["C1"]),
        (m.QueryCall(event_id="E1"), ["C1", "L1"]),
    ],
)
def test_calls_are_asked_for_by_any_of_their_marks(
    bench: Bench, query: m.QueryCall, calls: list[str]
) -> None:
    fill(bench)
    bench.say("pbx", incoming("C7", login_id="7"))

    (page,) = bench.answers("desk", query)

    assert isinstance(page, m.SnapshotNotice)
    assert [call.call_id for call in page.calls] == calls


def test_a_snapshot_may_be_of_conferences_alone(bench: Bench) -> None:
    fill(bench)
    bench.say("pbx", m.ConferenceNotice(conference_id="2", subject="火灾"))
    bench.say("pbx", m.ConferenceMemberNotice(conference_id="2", phone_num="139"))

    (page,) = bench.answers("desk", m.SnapshotRequest(kind=m.SnapshotKind.CONFERENCE))

    assert isinstance(page, m.SnapshotNotice)
    assert page.calls == ()
    (found,) = page.conferences
    assert (found.conference_id, found.subject) == ("2", "火灾")
    assert [member.phone_num for member in found.members] == ["139"]


def test_a_screen_sees_the_calls_of_its_dispatcher(tmp_path: Path) -> None:
    bench = Bench(tmp_path, (*PEERS, peer("cs", "communication-screen", login="23")))
    fill(bench)
    bench.say("pbx", incoming("C2", login_id="24"))
    ask = m.message_class(493)
    assert ask is not None

    (page,) = bench.answers("cs", ask())

    assert page.number == 393
    assert [call.call_id for call in getattr(page, "calls")] == ["C1"]  # noqa: B009 - made by the mirror rule
    bench.close()


def test_capabilities_are_told_as_far_as_they_are_known(bench: Bench) -> None:
    bench.peers.by_id["pbx"].capability = {202: frozenset(), 205: frozenset({1, 2})}

    (one,) = bench.answers("desk", m.QueryCapability())
    (unknown,) = bench.answers("desk", m.QueryCapability(platform_id="pbx2"))

    assert isinstance(one, m.CapabilityNotice)
    assert one.platform_id == "pbx"
    assert [(item.no, item.actions) for item in one.capabilities] == [(202, None), (205, "1 2")]
    assert isinstance(unknown, m.CapabilityNotice)
    assert unknown.capabilities == ()


def test_the_time_is_told_with_the_difference(bench: Bench) -> None:
    theirs = bench.clock.utc() + timedelta(seconds=2)

    (answer,) = bench.answers("desk", m.TimeSync(time=theirs))

    assert isinstance(answer, m.TimeNotice)
    assert answer.time == bench.clock.utc()
    assert answer.offset == pytest.approx(2.0)


def test_a_time_decades_away_is_a_bad_value_and_no_bug(bench: Bench) -> None:
    for year in (1, 9999):
        response = bench.say("desk", m.TimeSync(time=bench.clock.utc().replace(year=year)))
        assert response.result == 103


def test_a_diagnosis_echoes(bench: Bench) -> None:
    assert bench.say("desk", m.Diagnose(echo_text="是我")).detail == "是我"


def test_queries_name_the_asking_request(bench: Bench) -> None:
    done = bench.do(bench.submit("desk", m.SnapshotRequest(), "ask-1"))[0]

    assert [message.request_id for _, message in done.answers] == ["ask-1"]
