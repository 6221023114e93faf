"""Conferences, call-outs and members, as operations."""

from __future__ import annotations

from protocol import messages as m
from protocol.message import Message
from tests.fakes.core_bench import Bench
from tests.fakes.said import create, incoming


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
