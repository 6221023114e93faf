"""What becomes of a command of which nobody knows how much of it was done."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from adapters.voice.interrupted_command import InterruptedCommand, Settled, settle
from adapters.voice.json_codec import to_json
from adapters.voice.model import Call, Conference, Leg, LegState
from adapters.voice.platform_actions import HangUp, Originate
from adapters.voice.step import Effect, Tell
from protocol.messages import HangupSide, HoldNotice, HoldNoticeAction
from protocol.reasons import Reason

NOW = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)


def call_of(*names: str) -> Call:
    """A conference of these members."""
    legs = {
        name: Leg(id=name, channel=name, state=LegState.ANSWERED, started=NOW) for name in names
    }
    return Call(id="x", anchor="x", started=NOW, legs=legs, conference=Conference(id="7"))


def dial(name: str) -> Originate:
    return Originate(
        channel=name, call_id="x", leg_id=name, endpoint="PJSIP/1", give_up_s=40.0, owner=name
    )


def hang_up(name: str) -> HangUp:
    return HangUp(channel=name)


def judged(
    *pending: Effect, before: Call, after: Call, channels: Sequence[str], late: bool = False
) -> Settled:
    command = InterruptedCommand(
        before=to_json(before), began=NOW, until=NOW + timedelta(seconds=5)
    )
    return settle(command, after, pending, channels=channels, recordings=(), late=late)


@pytest.mark.parametrize("late", [False, True])
def test_one_of_which_nothing_is_seen_is_taken_back(late: bool) -> None:
    before, after = call_of("a", "b"), call_of("a", "b", "c")
    told = Tell(message=HoldNotice(call_id="x", action=HoldNoticeAction.HOLD), at=NOW)
    found = judged(
        told, dial("c"), hang_up("b"), before=before, after=after, channels=["a", "b"], late=late
    )
    assert found == Settled(call=before, pending=(), undone=after)


@pytest.mark.parametrize("late", [False, True])
def test_one_whose_telephone_rings_goes_on(late: bool) -> None:
    before, after = call_of("a", "b"), call_of("a", "b", "c")
    pending = (dial("c"), hang_up("b"))
    found = judged(*pending, before=before, after=after, channels=["a", "b", "c"], late=late)
    assert found == Settled(call=after, pending=[hang_up("b")])


def test_whoever_was_rung_before_the_last_that_is_seen_is_not_rung_again() -> None:
    before, after = call_of(), call_of("a", "b", "c")
    pending = (dial("a"), dial("b"), dial("c"))
    found = judged(*pending, before=before, after=after, channels=["b"])
    assert found.pending == [dial("c")]


def test_past_its_time_nobody_else_is_rung() -> None:
    before, after = call_of(), call_of("a", "b", "c")
    pending = (dial("a"), dial("b"), dial("c"))
    found = judged(*pending, before=before, after=after, channels=["b"], late=True)
    assert found == Settled(call=after, pending=[])


def test_in_time_the_rest_is_hung_up_past_it_nobody_else() -> None:
    before, after = call_of("a", "b", "c"), call_of("a", "b", "c")
    for leg in after.legs.values():
        leg.leaving, leg.reason, leg.side = NOW, Reason.KICKED, HangupSide.OPERATOR
    pending = (hang_up("a"), hang_up("b"), hang_up("c"))
    found = judged(*pending, before=before, after=after, channels=["b", "c"])
    assert found == Settled(call=after, pending=list(pending))
    found = judged(*pending, before=before, after=after, channels=["b", "c"], late=True)
    assert (found.pending, found.undone) == ((), after)
    reasons = [leg.reason for leg in found.call.legs.values()]
    assert reasons == [Reason.KICKED, None, None]


def test_a_telephone_that_was_not_rung_in_time_leaves_the_call_as_it_was() -> None:
    # 200: the telephones that ring are stopped before another is rung.
    before, after = call_of("a", "b"), call_of("a", "b", "c")
    pending = (hang_up("b"), dial("c"))
    assert judged(*pending, before=before, after=after, channels=["a"], late=True).undone is after
    assert judged(*pending, before=before, after=after, channels=["a"]).pending == list(pending)


def test_time_that_makes_no_sense_is_over() -> None:
    command = InterruptedCommand(before={}, began=NOW, until=NOW + timedelta(seconds=5))
    moments = [NOW - timedelta(seconds=1), NOW, NOW + timedelta(seconds=5)]
    assert [command.is_late(each) for each in moments] == [True, False, True]
