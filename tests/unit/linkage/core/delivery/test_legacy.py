"""A legacy application hears the patent's story, however much the platform tells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol import messages as m
from tests.fakes.core_bench import Bench, legacy, peer
from tests.fakes.said import create, hangup, incoming, transfer


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Bench]:
    """A legacy application beside a monitor, and a platform that speaks the profile."""
    bench = Bench(
        tmp_path,
        (
            legacy("old", "application", "10.0.0.1"),
            peer("watch", "monitor"),
            peer("pbx", "platform"),
        ),
    )
    yield bench
    bench.check()
    bench.close()


def phase(number: m.CallPhase) -> m.TransferNotice:
    return m.TransferNotice(
        call_id="C1", from_login_id="23", to_login_id="13", new_call_id="C2", phase=number
    )


def test_of_a_transfer_it_hears_only_that_it_was_made(old: Bench) -> None:
    old.say("pbx", incoming())
    for number in (m.CallPhase.START, m.CallPhase.RINGING, m.CallPhase.DONE):
        old.say("pbx", phase(number))

    heard = old.heard("old")

    assert [item.type for item in heard] == [100, 105]
    assert heard[1].message.to_login_id == "13"  # type: ignore[attr-defined]  # it is a 105
    assert old.types("watch") == [100, 105, 105, 105]


def test_a_transfer_that_failed_is_no_transfer_to_it(old: Bench) -> None:
    old.say("pbx", incoming())
    old.say("pbx", phase(m.CallPhase.FAILED))

    assert old.types("old") == [100]


def test_the_end_of_a_leg_is_not_the_end_of_the_call(old: Bench) -> None:
    old.say("pbx", incoming())
    old.say("pbx", phase(m.CallPhase.DONE))
    old.say("pbx", hangup("C2"))
    old.say("pbx", hangup("C1", scope=m.HangupScope.LEG))
    assert old.types("old") == [100, 105]

    old.say("pbx", hangup("C1", scope=m.HangupScope.CALL))
    assert old.types("old") == [102]


def test_of_a_conference_it_hears_that_it_began(old: Bench) -> None:
    old.say("pbx", incoming())
    for action in m.ConferenceNoticeAction:
        old.say("pbx", m.ConferenceNotice(call_id="C1", conference_id="2", action=action))
    old.say("pbx", m.ConferenceNotice(call_id="C1", conference_id="3"))

    assert old.types("old") == [100, 103, 103]


def test_what_created_an_event_says_so_with_the_id_of_the_request(bench: Bench) -> None:
    """2NN is the command whose outcome is 1NN: the 101 that a 201 brings is its outcome."""
    bench.say("pbx", incoming())
    bench.heard("desk")

    bench.say("desk", create(), id_="mine")

    (told,) = bench.heard("desk")
    assert (told.type, told.message.request_id) == (101, "mine")


def test_a_binding_that_a_notice_brought_answers_no_request(bench: Bench) -> None:
    bench.say("pbx", incoming())
    bench.say("desk", create("E1"))
    bench.say("desk", transfer())
    bench.heard("desk")

    bench.say("pbx", m.HoldNotice(call_id="C1"))
    bench.say("pbx", incoming("C9"))
    bench.say("pbx", m.CallStateNotice(call_id="C9", event_id="E1", state=m.CallState.ANSWERED))

    bound = [item.message for item in bench.heard("desk") if item.type == 101]
    assert [item.request_id for item in bound] == [None]
