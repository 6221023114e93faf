"""Transfers that are commanded: blind, and after a consultation."""

from __future__ import annotations

import pytest

from protocol.messages import (
    CallPhase,
    CallState,
    CallStateNotice,
    HangupNotice,
    Hold,
    HoldAction,
    TransferMode,
    TransferNotice,
)
from protocol.reasons import Reason
from tests.fakes.asterisk import FakeAsterisk
from tests.fakes.hotline_calls import over, speak, transfer
from tests.fakes.running_adapter import Place, forgotten


async def test_a_blind_transfer(asterisk: FakeAsterisk, place: Place) -> None:
    async with place.run() as adapter:
        call_id, channel = await speak(asterisk, adapter)
        await transfer(adapter, call_id, TransferMode.BLIND, to_login_id="13")
        await adapter.notices.next(TransferNotice, phase=CallPhase.RINGING)
        assert [line.number for line in asterisk.lines.values()] == ["13800138000", "1002"]
        await asterisk.pick_up("1002")
        await adapter.notices.next(TransferNotice, phase=CallPhase.DONE)
        await adapter.notices.next(CallStateNotice, state=CallState.BRIDGED)
        (bridge,) = asterisk.bridges.values()
        assert not bridge.music
        await asterisk.hang_up(channel)
        end = await over(adapter, call_id)
    assert end.login_id == "13"


async def test_a_blind_transfer_that_fails_rings_the_officer_again(
    asterisk: FakeAsterisk, place: Place
) -> None:
    asterisk.telephones["1003"] = "absent"
    async with place.run() as adapter:
        call_id, _ = await speak(asterisk, adapter)
        await transfer(adapter, call_id, TransferMode.BLIND, to_login_id="33")
        failed = await adapter.notices.next(TransferNotice, phase=CallPhase.FAILED)
        again = await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
        await asterisk.pick_up("1001")
        await adapter.notices.next(CallStateNotice, state=CallState.BRIDGED)
    assert (failed.reason, again.login_id) == (Reason.UNREACHABLE, "23")


@pytest.mark.parametrize("when", ["rings", "answered", "swapped"])
@pytest.mark.parametrize("how", ["command", "hang-up"])
async def test_a_consultation_ends_with_the_caller_at_the_other_officer(
    asterisk: FakeAsterisk, place: Place, when: str, how: str
) -> None:
    async with place.run() as adapter:
        call_id, channel = await speak(asterisk, adapter)
        await transfer(adapter, call_id, TransferMode.CONSULT, to_login_id="13")
        await adapter.notices.next(TransferNotice, phase=CallPhase.RINGING)
        assert asterisk.lines[channel].music
        if when != "rings":
            await asterisk.pick_up("1002")
            await adapter.notices.next(TransferNotice, phase=CallPhase.CONSULTING)
        if when == "swapped":
            await transfer(adapter, call_id, TransferMode.SWAP)
        if how == "command":
            await transfer(adapter, call_id, TransferMode.COMPLETE)
        else:
            await asterisk.hang_up(asterisk.leg("1001").id)
        if when == "rings":
            await asterisk.until(lambda: not asterisk.lines[channel].music)
            await adapter.notices.any(HangupNotice, login_id="23")
            assert not adapter.notices.of(TransferNotice, phase=CallPhase.DONE)
            await asterisk.pick_up("1002")
        await adapter.notices.next(TransferNotice, phase=CallPhase.DONE)
        (bridge,) = asterisk.bridges.values()
        together = {channel, asterisk.leg("1002").id}
        await asterisk.until(lambda: set(bridge.members) == together)
        assert not asterisk.lines[channel].music
        assert not bridge.music
        assert "tone:ring" not in asterisk.plays.values()


@pytest.mark.parametrize("how", ["cancel", "reconnect", "refuse", "hang-up"])
async def test_a_consultation_ends_with_the_caller_back(
    asterisk: FakeAsterisk, place: Place, how: str
) -> None:
    async with place.run() as adapter:
        call_id, channel = await speak(asterisk, adapter)
        await transfer(adapter, call_id, TransferMode.CONSULT, to_login_id="13")
        await adapter.notices.next(TransferNotice, phase=CallPhase.RINGING)
        if how == "refuse":
            await asterisk.hang_up(asterisk.leg("1002").id, 21)
        else:
            await asterisk.pick_up("1002")
            await adapter.notices.next(TransferNotice, phase=CallPhase.CONSULTING)
        if how == "cancel":
            await transfer(adapter, call_id, TransferMode.CANCEL)
        elif how == "reconnect":
            await adapter.do(Hold(call_id=call_id, action=HoldAction.RECONNECT))
        elif how == "hang-up":
            await asterisk.hang_up(asterisk.leg("1002").id)
        by_command = how in {"cancel", "reconnect"}
        phase = CallPhase.CANCELLED if by_command else CallPhase.FAILED
        await adapter.notices.next(TransferNotice, phase=phase)
        await adapter.notices.next(CallStateNotice, state=CallState.BRIDGED)
        (bridge,) = asterisk.bridges.values()
        assert set(bridge.members) == {channel, asterisk.leg("1001").id}
        assert not asterisk.plays


async def test_a_caller_who_hangs_up_ends_the_consultation(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        call_id, channel = await speak(asterisk, adapter)
        await transfer(adapter, call_id, TransferMode.CONSULT, to_login_id="13")
        await adapter.notices.next(TransferNotice, phase=CallPhase.RINGING)
        await asterisk.hang_up(channel)
        await adapter.notices.next(TransferNotice, phase=CallPhase.FAILED)
        await over(adapter, call_id)
        await forgotten(place, asterisk)
