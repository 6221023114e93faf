"""The Asterisk adapter against an Asterisk in this process; `tests/real` has the real one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from linkage.ports import AdapterRefusedError, AdapterUnavailableError
from protocol.messages import (
    AnswerAction,
    AnswerCall,
    CallDirection,
    CallPhase,
    CallState,
    CallStateNotice,
    CreateEvent,
    GapCause,
    GapNotice,
    Hangup,
    HangupNotice,
    HangupScope,
    HangupSide,
    Hold,
    HoldAction,
    HoldNotice,
    IncomingCallNotice,
    MediaAction,
    MediaControl,
    MediaNotice,
    MediaNoticeAction,
    RecordingAction,
    RecordingControl,
    RecordingNotice,
    RecordingNoticeAction,
    Transfer,
    TransferMode,
    TransferNotice,
)
from protocol.reasons import Reason
from protocol.results import Result
from tests.fakes.adapter_ports import KilledError, Notices
from tests.fakes.asterisk import WAV, FakeAsterisk, Line
from tests.fakes.running_adapter import Place, Running, forgotten, refused

SOON_S = 0.05


@pytest.fixture
async def asterisk() -> AsyncIterator[FakeAsterisk]:
    async with FakeAsterisk() as server:
        yield server


@pytest.fixture
def place(asterisk: FakeAsterisk, tmp_path: Path) -> Place:
    return Place.at(tmp_path, asterisk.settings())


def hotline(asterisk: FakeAsterisk, tmp_path: Path, **more: Any) -> Place:
    """A place whose hotline is as said."""
    settings = {"officers": ["1001", "1002"], **more}
    return Place.at(tmp_path, asterisk.settings(hotline={"12345": settings}))


async def speak(asterisk: FakeAsterisk, adapter: Running) -> tuple[str, str]:
    """A caller and the first officer are connected; returns CallId and the caller's channel."""
    channel = await asterisk.call()
    call = await adapter.notices.next(IncomingCallNotice)
    await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
    await asterisk.pick_up("1001")
    await adapter.notices.next(CallStateNotice, state=CallState.BRIDGED)
    return call.call_id, channel


async def over(adapter: Running, call_id: str) -> HangupNotice:
    return await adapter.notices.any(HangupNotice, call_id=call_id, scope=HangupScope.CALL)


# --- hotlines ------------------------------------------------------------------------------------
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


# --- transfers -----------------------------------------------------------------------------------
async def transfer(adapter: Running, call_id: str, mode: TransferMode, **more: Any) -> None:
    await adapter.do(Transfer(call_id=call_id, mode=mode, **more))


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


# --- commands ------------------------------------------------------------------------------------
async def test_a_command_that_asterisk_refuses_leaves_the_call_as_it_was(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        call_id, _ = await speak(asterisk, adapter)
        start = RecordingControl(call_id=call_id, action=RecordingAction.START)
        for status, result in ((409, 2), (404, 301), (422, 103), (500, 506)):
            asterisk.refuse[("POST", "/record")] = status
            if status == 409:  # the name is ours: it records already, from before a crash
                continue
            assert await refused(adapter, start) == result
        asterisk.refuse.clear()
        await adapter.do(start)
        await adapter.notices.next(RecordingNotice, action=RecordingNoticeAction.START)
        assert await refused(adapter, start) == Result.ALREADY_EXISTS


async def test_a_command_finds_its_call_without_a_call_id(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        call_id, _ = await speak(asterisk, adapter)
        assert await refused(adapter, Hangup(phone_num="110")) == Result.NO_CALL
        await adapter.do(Hangup(phone_num="13800138000", scope=HangupScope.CALL))
        end = await over(adapter, call_id)
    assert (end.side, end.request_id) == (HangupSide.OPERATOR, "C2")


async def test_all_calls_of_an_event_are_hung_up(asterisk: FakeAsterisk, place: Place) -> None:
    async with place.run() as adapter:
        call_id, _ = await speak(asterisk, adapter)
        await adapter.do(CreateEvent(call_id=call_id, event_id="E1"))
        hangup = Hangup(event_id="E2", scope=HangupScope.EVENT)
        assert await refused(adapter, hangup) == Result.NO_CALL
        await adapter.do(Hangup(event_id="E1", scope=HangupScope.EVENT))
        await over(adapter, call_id)


async def test_a_call_in_which_a_step_fails_goes_on_without_it(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        call_id, channel = await speak(asterisk, adapter)
        # A digit that no notice can carry must not reach one; an odd bridge and cause neither.
        odd: list[Any] = [{"id": 5}, [], {"id": "x" * 5000}]
        for bridge in odd:
            await asterisk.say("ChannelLeftBridge", channel, bridge=bridge)
        await asterisk.say("ChannelHangupRequest", channel, cause=10**30)
        await asterisk.say("PlaybackFinished", playback={"id": f"linkage-{call_id}-p9"})
        await asterisk.say("RecordingStarted", recording={"name": f"linkage-{call_id}-r9"})
        await asterisk.hang_up(channel)
        end = await over(adapter, call_id)
        await forgotten(place, asterisk)
    assert end.reason == Reason.CALL_FAILED


async def test_one_leg_is_hung_up_and_the_next_officer_rung(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        await asterisk.call()
        rings = await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
        outcome = await adapter.do(
            AnswerCall(
                call_id=rings.parent_call_id or "", login_id="23", action=AnswerAction.REJECT
            )
        )
        gone = await adapter.notices.next(HangupNotice, scope=HangupScope.LEG)
        other = await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
    assert outcome.result == Result.ACCEPTED
    assert (gone.call_id, gone.reason, gone.request_id) == (rings.call_id, Reason.REJECTED, "C1")
    assert other.login_id == "13"


async def test_hold_plays_music_to_the_caller(asterisk: FakeAsterisk, place: Place) -> None:
    async with place.run() as adapter:
        call_id, channel = await speak(asterisk, adapter)
        await adapter.do(Hold(call_id=call_id, action=HoldAction.HOLD, moh="alarm"))
        await adapter.notices.next(HoldNotice)
        assert asterisk.lines[channel].music
        assert asterisk.lines[channel].bridge is None
        await adapter.do(Hold(call_id=call_id, action=HoldAction.RETRIEVE))
        await adapter.notices.next(HoldNotice)
        assert not asterisk.lines[channel].music
        assert asterisk.lines[channel].bridge is not None


async def test_digits_that_do_not_come_are_told(asterisk: FakeAsterisk, place: Place) -> None:
    async with place.run() as adapter:
        call_id, channel = await speak(asterisk, adapter)
        collect = MediaControl(
            call_id=call_id, action=MediaAction.COLLECT, max_digits=4, timeout=1
        )
        await adapter.do(collect)
        none = await adapter.notices.next(MediaNotice, action=MediaNoticeAction.FAILED)
        await adapter.do(collect)
        await asterisk.press(channel, "12#")
        some = await adapter.notices.next(MediaNotice, action=MediaNoticeAction.DIGITS)
    assert none.reason == Reason.NO_ANSWER
    assert some.digits == "12"


async def test_an_announcement_is_stopped(asterisk: FakeAsterisk, place: Place) -> None:
    async with place.run() as adapter:
        call_id, _ = await speak(asterisk, adapter)
        stop = MediaControl(call_id=call_id, action=MediaAction.STOP)
        assert await refused(adapter, stop) == Result.WRONG_STATE
        play = MediaControl(call_id=call_id, action=MediaAction.PLAY, file_id="../etc/passwd")
        assert await refused(adapter, play) == Result.NO_FILE
        await adapter.do(MediaControl(call_id=call_id, action=MediaAction.PLAY, file_id="beep"))
        await adapter.notices.next(MediaNotice, action=MediaNoticeAction.START)
        await adapter.do(stop)
        await adapter.notices.next(MediaNotice, action=MediaNoticeAction.DONE)


# --- recordings ----------------------------------------------------------------------------------
async def test_a_recording_that_cannot_be_kept_is_kept_when_there_is_room_again(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    place = hotline(asterisk, tmp_path, record=True)
    place.files.full = True
    async with place.run() as adapter:
        call_id, channel = await speak(asterisk, adapter)
        await asterisk.hang_up(channel)
        await over(adapter, call_id)
        failed = await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.FAILED)
    place.files.full = False
    async with place.run() as adapter:
        saved = await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.SAVED)
        await forgotten(place, asterisk)
    assert failed.reason == Reason.RECORDING_DISK
    assert (saved.call_id, saved.size) == (call_id, len(WAV))
    assert not asterisk.stored


async def test_a_recording_that_asterisk_lost_is_told(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    place = hotline(asterisk, tmp_path, record=True)
    asterisk.refuse[("GET", "/file")] = 404
    async with place.run() as adapter:
        _, channel = await speak(asterisk, adapter)
        await asterisk.hang_up(channel)
        failed = await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.FAILED)
        await forgotten(place, asterisk)
    assert failed.reason == Reason.RECORDING_NO_MEDIA
    assert not place.files.saved


async def test_recordings_stay_at_asterisk_where_the_settings_say_so(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    line = {"officers": ["1001"], "record": True}
    settings = asterisk.settings(hotline={"12345": line}, keep_recordings=True)
    place = Place.at(tmp_path, settings)
    async with place.run() as adapter:
        _, channel = await speak(asterisk, adapter)
        await asterisk.hang_up(channel)
        saved = await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.SAVED)
        await forgotten(place, asterisk)
    assert list(asterisk.stored) == [saved.record_id]


# --- bad events ----------------------------------------------------------------------------------
async def test_events_that_make_no_sense_cost_nothing_but_themselves(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        call_id, channel = await speak(asterisk, adapter)
        for text in ("", "[]", "nonsense", "{}", '{"type": 5}', '{"type": "StasisStart"}'):
            await asterisk.send_raw(text)
        await asterisk.send_raw("[" * 100_000)
        await asterisk.send_raw('{"type":"ChannelDestroyed","channel":{"id":"nobody"}}')
        await asterisk.send_raw('{"type":"RecordingFinished","recording":{"name":"linkage-x-r1"}}')
        await asterisk.say("ChannelDtmfReceived", channel, digit="\x00")
        await asterisk.say("ChannelUnheardOf", channel)
        await asterisk.hang_up(channel)
        end = await over(adapter, call_id)
    assert end.reason == Reason.NORMAL


async def test_events_that_come_twice_count_once(asterisk: FakeAsterisk, tmp_path: Path) -> None:
    asterisk.stutter = True
    place = hotline(asterisk, tmp_path, record=True)
    async with place.run() as adapter:
        call_id, channel = await speak(asterisk, adapter)
        await transfer(adapter, call_id, TransferMode.BLIND, to_login_id="13")
        await adapter.notices.next(TransferNotice, phase=CallPhase.RINGING)
        await asterisk.pick_up("1002")
        await adapter.notices.next(TransferNotice, phase=CallPhase.DONE)
        await asterisk.hang_up(channel)
        await over(adapter, call_id)
        await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.SAVED)
        await forgotten(place, asterisk)
        told = adapter.notices.listing()
    assert len(told) == len(set(told))
    assert len(adapter.notices.of(IncomingCallNotice)) == 1


async def test_a_late_start_of_a_channel_that_ended_begins_no_call(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        call_id, channel = await speak(asterisk, adapter)
        start = next(each for each in asterisk.events if each["type"] == "StasisStart")
        await asterisk.hang_up(channel)
        await over(adapter, call_id)
        await forgotten(place, asterisk)
        await asterisk.send_raw(json.dumps(start))
        await asterisk.call()
        second = await adapter.notices.next(IncomingCallNotice)
    assert second.call_id != call_id
    assert len(adapter.notices.of(IncomingCallNotice)) == 2


async def test_a_slow_core_delays_one_call_only_in_its_telling(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        adapter.notices.gate.clear()
        channel = await asterisk.call()
        # The telephone rings although the core has taken no notice yet.
        await asterisk.until(lambda: len(asterisk.lines) == 2)
        await asterisk.pick_up("1001")
        await asterisk.hang_up(channel)
        adapter.notices.gate.set()
        call = await adapter.notices.next(IncomingCallNotice)
        await over(adapter, call.call_id)
        states = [each.state for each in adapter.notices.of(CallStateNotice)]
    assert states[:3] == [CallState.DIALLING, CallState.ALERTING, CallState.ANSWERED]


async def test_too_much_that_waits_gives_the_link_up(
    asterisk: FakeAsterisk, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.voice.call_registry.BACKLOG_MAX", 3)
    async with place.run() as adapter:
        adapter.notices.gate.clear()
        channel = await asterisk.call()
        for _ in range(6):
            await asterisk.press(channel, "1")
        error = await adapter.ended()
    assert isinstance(error, AdapterUnavailableError)
    assert "wait" in str(error)


# --- loss ----------------------------------------------------------------------------------------
async def test_calls_that_died_with_asterisk_are_closed_as_reconstructed(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    place = hotline(asterisk, tmp_path, record=True)
    async with place.run() as adapter:
        call_id, _ = await speak(asterisk, adapter)
        await asterisk.restart()
        assert isinstance(await adapter.ended(), AdapterUnavailableError)
    async with place.run() as adapter:
        end = await over(adapter, call_id)
        gap = adapter.notices.of(GapNotice)
        told = [each.reconstructed for each in adapter.notices.told if each.message is end]
        await forgotten(place, asterisk)
        await speak(asterisk, adapter)
    assert (end.reason, told) == (Reason.PLATFORM_FAULT, [True])
    assert [each.cause for each in gap] == [GapCause.RESTART]


async def test_a_caller_whose_channel_is_called_like_one_before_the_restart_is_a_new_caller(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        _, channel = await speak(asterisk, adapter)
        await asterisk.restart()
        await adapter.ended()
    async with place.run() as adapter:
        await asterisk.call(channel=channel)
        await adapter.notices.next(IncomingCallNotice)


async def test_a_new_caller_is_not_taken_for_one_from_before_the_restart(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        call_id, channel = await speak(asterisk, adapter)
        await asterisk.restart()
        await adapter.ended()
    asterisk.lines[channel] = Line(
        id=channel,
        name="PJSIP/caller-00000000",
        state="Ring",
        args=["caller", "12345", "13900139000"],
        number="13900139000",
        in_app=True,
    )
    async with place.run() as adapter:
        end = await over(adapter, call_id)
        call = await adapter.notices.any(IncomingCallNotice)
        await adapter.notices.any(CallStateNotice, state=CallState.ALERTING)
    assert end.reason == Reason.PLATFORM_FAULT
    assert call.phone_num == "13900139000"


async def test_people_in_talk_are_left_alone_by_one_that_knows_nothing_of_them(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        await speak(asterisk, adapter)
    (bridge,) = asterisk.bridges.values()
    together = set(bridge.members)
    place.memory.table.clear()  # somebody has deleted our data, or it is another linkage's call
    async with place.run() as adapter:
        await asterisk.call(number="13900139000")
        call = await adapter.notices.next(IncomingCallNotice)
        assert adapter.notices.of(IncomingCallNotice) == [call]
        assert set(bridge.members) == together
    assert call.phone_num == "13900139000"
    assert ("DELETE", f"bridges/{bridge.id}") not in asterisk.requests


async def test_an_unreadable_record_is_forgotten_and_nothing_else(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        call_id, channel = await speak(asterisk, adapter)
    place.memory.table |= {
        "call:x": '{"call": {}}',
        "call:y": "[]",
        "rec:z": '{"fetch": {"do": []}}',
    }
    async with place.run() as adapter:
        await asterisk.hang_up(channel)
        await over(adapter, call_id)
        await forgotten(place, asterisk)


async def test_another_program_that_takes_the_application_is_said_so(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        await asterisk.say("ApplicationReplaced")
        error = await adapter.ended()
    assert isinstance(error, AdapterUnavailableError)
    assert "app" in str(error)


async def test_wrong_credentials_are_refused_for_good(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    place = Place.at(tmp_path, asterisk.settings(password="wrong"))
    with pytest.raises(AdapterRefusedError, match=r"ari\.conf"):
        async with place.run():
            pass


async def test_nobody_at_the_address_is_tried_again(tmp_path: Path) -> None:
    async with FakeAsterisk() as gone:
        settings = gone.settings()
    with pytest.raises(AdapterUnavailableError, match="cannot be reached"):
        async with Place.at(tmp_path, settings).run():
            pass


async def _transfer_story(asterisk: FakeAsterisk, adapter: Running) -> None:
    call_id, channel = await speak(asterisk, adapter)
    await transfer(adapter, call_id, TransferMode.CONSULT, to_login_id="13")
    await adapter.notices.next(TransferNotice, phase=CallPhase.RINGING)
    await asterisk.pick_up("1002")
    await adapter.notices.next(TransferNotice, phase=CallPhase.CONSULTING)
    await transfer(adapter, call_id, TransferMode.COMPLETE)
    await adapter.notices.next(TransferNotice, phase=CallPhase.DONE)
    await asterisk.hang_up(channel)
    await over(adapter, call_id)
    await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.SAVED)


async def test_wherever_it_is_killed_a_call_is_brought_to_its_end(tmp_path: Path) -> None:
    """Kill the adapter at every write to its memory in turn; the next one must finish the call."""
    kills = 0
    while True:
        async with FakeAsterisk() as asterisk:
            place = hotline(asterisk, tmp_path, record=True)
            killed, told = await _killed_at(asterisk, place, kills)
            if not killed:
                break
            await _comes_to_an_end(asterisk, place, kills, told)
        kills += 1
    assert kills > 30


async def _killed_at(asterisk: FakeAsterisk, place: Place, write: int) -> tuple[bool, Notices]:
    async with place.run() as adapter:
        place.memory.fail_at = place.memory.puts + write
        story = asyncio.get_running_loop().create_task(_transfer_story(asterisk, adapter))
        await asyncio.wait({story, adapter.task}, return_when=asyncio.FIRST_COMPLETED)
        killed = not story.done() or story.exception() is not None
        if killed:
            story.cancel()
            await asyncio.wait({story})
            assert isinstance(await adapter.ended(), KilledError)
        else:
            end = asyncio.get_running_loop().create_task(forgotten(place, asterisk))
            await asyncio.wait({end, adapter.task}, return_when=asyncio.FIRST_COMPLETED)
            killed = adapter.task.done()
            end.cancel()
            await asyncio.wait({end})
            if killed:
                assert isinstance(adapter.task.exception(), KilledError)
    place.memory.fail_at = None
    return killed, adapter.notices


async def _comes_to_an_end(
    asterisk: FakeAsterisk, place: Place, write: int, before: Notices
) -> None:
    """A new adapter takes up what lives; then the caller hangs up, and nothing is left."""
    async with place.run() as adapter:
        for line in list(asterisk.lines.values()):
            if line.args[0] == "caller":
                await asterisk.hang_up(line.id)
        await forgotten(place, asterisk)
        both = (before, adapter.notices)
        ends = [len(each.of(HangupNotice, scope=HangupScope.CALL)) for each in both]
        begins = [len(each.of(IncomingCallNotice)) for each in both]
        lost = adapter.notices.of(RecordingNotice, action=RecordingNoticeAction.FAILED)
        # Once, or once more by the next one when the first was killed while telling.
        assert max(ends) == 1, f"killed at write {write}"
        assert max(begins) == 1, f"killed at write {write}"
        assert not lost, f"killed at write {write}"
        assert not asterisk.stored, f"killed at write {write}"
