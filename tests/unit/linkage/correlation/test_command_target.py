"""Which of several calls with one CallId a command means (protocol.md#events)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol import messages as m
from protocol.message import Message
from tests.fakes.core_bench import Bench
from tests.fakes.said import create, hangup, incoming, transfer


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Two platforms, each with a call 1: of 139… with dispatcher 23, of 138… with 24."""
    made = Bench(tmp_path)
    made.say("pbx", incoming("1", phone_num="13911111111", login_id="23"))
    made.say("pbx2", incoming("1", phone_num="13822222222", login_id="24"))
    made.heard("desk")
    yield made
    made.check()
    made.close()


def reached(bench: Bench) -> list[str]:
    """The platforms that the last commands went to."""
    return [platform for platform in ("pbx", "pbx2") for _ in bench.heard(platform)]


BY_NAME = [
    m.Hangup(call_id="1", phone_num="13911111111"),
    m.Hangup(call_id="1", op_id="1"),
    m.Hold(op_id="1", action=m.HoldAction.HOLD),
    m.Hangup(call_id="1", login_id="23"),
    m.Hangup(call_id="1", phone_num="+86 139 1111 1111"),
    m.Hangup(phone_num="13911111111"),
    transfer("1", from_login_id="23"),
    m.Hold(action=m.HoldAction.HOLD, login_id="23"),
    m.Supervise(target_login_id="23", action=m.SupervisionAction.BARGE, reason="drill"),
]


@pytest.mark.parametrize("command", BY_NAME, ids=[repr(each)[:60] for each in BY_NAME])
def test_the_call_that_fits_all_that_is_named_is_meant(bench: Bench, command: Message) -> None:
    assert bench.say("desk", command).result == 1

    assert reached(bench) == ["pbx"]


@pytest.mark.parametrize(
    "command",
    [
        m.Hangup(call_id="1", phone_num="13822222222"),
        m.Hangup(call_id="1", op_id="2"),
        m.Hold(op_id="2", action=m.HoldAction.HOLD),
        transfer("1", from_login_id="24"),
    ],
)
def test_nor_does_it_matter_which_was_first(bench: Bench, command: Message) -> None:
    assert bench.say("desk", command).result == 1

    assert reached(bench) == ["pbx2"]


def test_where_nothing_tells_them_apart_the_sender_has_to_choose(bench: Bench) -> None:
    answer = bench.say("desk", m.Hangup(call_id="1"))

    assert answer.result == 306
    assert answer.detail is not None
    assert "OpId 1 at pbx (13911111111 to 2222, 23)" in answer.detail
    assert "OpId 2 at pbx2" in answer.detail
    assert reached(bench) == []


def test_what_fits_none_of_them_is_refused(bench: Bench) -> None:
    for command in (
        m.Hangup(call_id="1", phone_num="13700000000"),
        m.Hangup(call_id="1", login_id="25"),
        m.Hangup(call_id="1", op_id="99"),
    ):
        assert bench.say("desk", command).result == 301
    assert reached(bench) == []


def test_an_event_is_bound_to_the_call_of_the_dispatcher_that_is_named(bench: Bench) -> None:
    assert bench.say("desk", create("E1", "1", login_id="23")).op_id == "1"
    assert bench.say("desk", create("E2", "1", login_id="24")).op_id == "2"
    assert bench.say("desk", create("E3", "1")).result == 306

    events = {event.event_pk: event.event_id for event in bench.events().values()}
    assert [events[call.event_pk or 0] for call in bench.operations("call")] == ["E1", "E2"]


def test_the_event_that_a_command_names_tells_them_apart(bench: Bench) -> None:
    bench.say("desk", create("E1", "1", login_id="23"))
    bench.say("desk", create("E2", "1", login_id="24"))
    reached(bench)

    assert bench.say("desk", m.Hangup(call_id="1", event_id="E1")).result == 1

    assert reached(bench) == ["pbx"]


def test_a_call_that_lives_is_meant_before_one_that_has_ended(bench: Bench) -> None:
    bench.say("pbx2", hangup("1"))

    assert bench.say("desk", m.Hangup(call_id="1")).result == 1

    assert reached(bench) == ["pbx"]


def test_an_event_for_the_call_that_just_ended_is_not_bound_to_the_one_that_lives(
    bench: Bench,
) -> None:
    bench.say("pbx", hangup("1"))

    assert bench.say("desk", create("E1", "1", login_id="23")).op_id == "1"


def test_the_op_id_of_an_ended_call_does_not_hang_up_the_one_that_has_its_call_id_now(
    bench: Bench,
) -> None:
    bench.say("pbx2", hangup("1"))
    bench.say("pbx", hangup("1"))
    now = bench.say("pbx", incoming("1", phone_num="13733333333")).op_id

    assert bench.say("desk", m.Hangup(call_id="1", op_id="1")).result == 301
    assert bench.say("desk", m.Hangup(call_id="1", op_id=now)).result == 1
    assert reached(bench) == ["pbx"]


def test_a_dispatcher_in_calls_of_two_platforms_is_not_guessed_about(bench: Bench) -> None:
    bench.say("pbx2", incoming("7", phone_num="13733333333", login_id="23"))

    answer = bench.say("desk", m.Hold(action=m.HoldAction.HOLD, login_id="23"))

    assert answer.result == 306
    assert reached(bench) == []
    by_both = m.Hangup(phone_num="13733333333", login_id="23")
    assert bench.say("desk", by_both).result == 1
    assert reached(bench) == ["pbx2"]


def test_a_supervised_call_is_at_its_platform(bench: Bench) -> None:
    bench.say("pbx2", incoming("8", phone_num="13733333333", login_id="25"))
    by_call = m.Supervise(target_call_id="8", action=m.SupervisionAction.BARGE, reason="drill")

    assert bench.say("desk", by_call).result == 1
    assert reached(bench) == ["pbx2"]
    both = m.Supervise(target_call_id="1", action=m.SupervisionAction.BARGE, reason="drill")
    assert bench.say("desk", both).result == 306


def test_conferences_are_told_apart_alike(bench: Bench) -> None:
    for platform, call in (("pbx", "1"), ("pbx2", "1")):
        bench.say(
            platform,
            m.ConferenceNotice(
                conference_id="5",
                call_id=call,
                login_id="31" if platform == "pbx" else "32",
                action=m.ConferenceNoticeAction.CREATED,
            ),
        )
    reached(bench)
    lock = m.ConferenceControl(conference_id="5", action=m.ConferenceAction.LOCK)

    assert bench.say("desk", lock).result == 306
    named = m.ConferenceControl(conference_id="5", login_id="32", action=m.ConferenceAction.LOCK)
    assert bench.say("desk", named).result == 1
    assert reached(bench) == ["pbx2"]
