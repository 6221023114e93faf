"""Hotlines: officers ring in turn or at once, one answers, and everybody is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.messages import (
    CallDirection,
    CallPhase,
    CallState,
    CallStateNotice,
    HangupNotice,
    HangupScope,
    HangupSide,
    IncomingCallNotice,
    Transfer,
    TransferMode,
    TransferNotice,
)
from protocol.reasons import Reason
from tests.fakes.asterisk import FakeAsterisk
from tests.fakes.hotline_calls import hotline, over, speak
from tests.fakes.running_adapter import Place, forgotten

SOON_S = 0.05


async def test_a_call_is_answered_bridged_and_ended(asterisk: FakeAsterisk, place: Place) -> None:
    async with place.run() as adapter:
        call_id, channel = await speak(asterisk, adapter)
        assert asterisk.lines[channel].state == "Up"
        assert asterisk.lines[channel].variables == {"LINKAGE_CALLID": call_id}
        await asterisk.hang_up(channel)
        end = await over(adapter, call_id)
        await forgotten(place, asterisk)
    assert (end.reason, end.side, end.login_id) == (Reason.NORMAL, HangupSide.CALLER, "23")


@pytest.mark.parametrize(
    ("manner", "reason"),
    [
        ("busy", Reason.BUSY),
        ("rejected", Reason.REJECTED),
        ("unallocated", Reason.UNALLOCATED),
        ("absent", Reason.UNREACHABLE),
    ],
)
async def test_the_next_officer_is_rung_after_one_who_cannot(
    asterisk: FakeAsterisk, place: Place, manner: str, reason: Reason
) -> None:
    asterisk.telephones["1001"] = manner
    async with place.run() as adapter:
        await asterisk.call()
        failed = await adapter.notices.next(CallStateNotice, state=CallState.FAILED)
        rings = await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
        await asterisk.pick_up("1002")
        bridged = await adapter.notices.next(CallStateNotice, state=CallState.BRIDGED)
    assert (failed.login_id, failed.reason) == ("23", reason)
    assert (rings.login_id, bridged.login_id) == ("13", "13")


async def test_a_telephone_that_nobody_answers_rings_so_long_as_it_is_told(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    place = hotline(asterisk, tmp_path, ring_s=SOON_S)
    async with place.run() as adapter:
        await asterisk.call()
        call = await adapter.notices.next(IncomingCallNotice)
        end = await over(adapter, call.call_id)
        legs = adapter.notices.of(HangupNotice, scope=HangupScope.LEG)
        await forgotten(place, asterisk)
    assert [each.reason for each in legs] == [Reason.NO_ANSWER, Reason.NO_ANSWER]
    assert (end.reason, end.side) == (Reason.NO_ANSWER, HangupSide.PLATFORM)


async def test_at_once_means_at_once(asterisk: FakeAsterisk, tmp_path: Path) -> None:
    place = hotline(asterisk, tmp_path, strategy="all")
    async with place.run() as adapter:
        await asterisk.call()
        call = await adapter.notices.next(IncomingCallNotice)
        for _ in range(2):
            await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
        await asterisk.pick_up("1002")
        other = await adapter.notices.next(HangupNotice, login_id="23")
        await adapter.notices.any(CallStateNotice, state=CallState.BRIDGED)
    assert call.login_id is None
    assert other.reason == Reason.ANSWERED_ELSEWHERE


async def test_a_second_officer_who_picks_up_too_late_is_not_in_the_call(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    place = hotline(asterisk, tmp_path, strategy="all")
    asterisk.refuse[("DELETE", "-late")] = 404
    async with place.run() as adapter:
        await asterisk.call()
        for _ in range(2):
            await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
        # Both at the same moment: the second StasisStart is on its way already.
        first, second = asterisk.leg("1001"), asterisk.leg("1002")
        await asterisk.pick_up("1001")
        await asterisk.pick_up("1002")
        lost = await adapter.notices.next(HangupNotice, login_id="13")
        await adapter.notices.any(CallStateNotice, state=CallState.BRIDGED)
        (bridge,) = asterisk.bridges.values()
        assert first.id in bridge.members
        assert second.id not in bridge.members
    assert lost.reason == Reason.ANSWERED_ELSEWHERE


async def test_a_caller_who_gives_up_stops_the_telephones(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        channel = await asterisk.call()
        call = await adapter.notices.next(IncomingCallNotice)
        await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
        await asterisk.hang_up(channel, 127)
        end = await over(adapter, call.call_id)
        await forgotten(place, asterisk)
    assert (end.reason, end.side) == (Reason.CALLER_CANCELLED, HangupSide.CALLER)


async def test_an_officer_calls_out_by_the_trunk(asterisk: FakeAsterisk, tmp_path: Path) -> None:
    place = Place.at(tmp_path, asterisk.settings(trunk="PJSIP/{number}@trunk"))
    async with place.run() as adapter:
        channel = await asterisk.call("13912344444", "1001", "officer")
        call = await adapter.notices.next(IncomingCallNotice)
        await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
        (leg,) = [line for line in asterisk.lines.values() if line.id != channel]
        await asterisk.pick_up(leg.number)
        await adapter.notices.next(CallStateNotice, state=CallState.BRIDGED)
        await adapter.do(Transfer(call_id=call.call_id, to_login_id="13", mode=TransferMode.BLIND))
        await adapter.notices.next(TransferNotice, phase=CallPhase.RINGING)
        await asterisk.pick_up("1002")
        await adapter.notices.next(TransferNotice, phase=CallPhase.DONE)
        await asterisk.hang_up(leg.id)
        end = await over(adapter, call.call_id)
        await forgotten(place, asterisk)
    assert (call.direction, call.login_id) == (CallDirection.OUT, "23")
    assert (call.phone_num, call.to_num) == ("1001", "13912344444")
    assert (end.reason, end.side) == (Reason.NORMAL, HangupSide.CALLEE)
