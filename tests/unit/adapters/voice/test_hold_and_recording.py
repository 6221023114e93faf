"""Hold keys, recordings that Asterisk gives up, carriers' tones, and what becomes of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from protocol.messages import (
    CallPhase,
    CallState,
    CallStateNotice,
    HangupNotice,
    HoldNotice,
    HoldNoticeAction,
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
from tests.fakes.asterisk import FakeAsterisk
from tests.fakes.running_adapter import Place, Running, forgotten

TIMES = "adapters.voice.media.call_recording"


@pytest.fixture
async def asterisk() -> AsyncIterator[FakeAsterisk]:
    async with FakeAsterisk() as server:
        yield server


@pytest.fixture
def place(asterisk: FakeAsterisk, tmp_path: Path) -> Place:
    line = {"officers": ["1001", "1002"], "record": True}
    settings = asterisk.settings(hotline={"12345": line}, trunk="PJSIP/{number}@trunk")
    return Place.at(tmp_path, settings)


async def speak(asterisk: FakeAsterisk, adapter: Running) -> tuple[str, str, str]:
    """A recorded call; returns CallId, the caller's channel and the officer's."""
    caller = await asterisk.call()
    call = await adapter.notices.next(IncomingCallNotice)
    await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
    officer = await asterisk.pick_up("1001")
    await adapter.notices.any(CallStateNotice, state=CallState.BRIDGED)
    await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.START)
    return call.call_id, caller, officer


def actions(adapter: Running) -> list[RecordingNoticeAction | None]:
    return [each.action for each in adapter.notices.of(RecordingNotice)]


def recordings(asterisk: FakeAsterisk) -> int:
    """How often Asterisk was asked to record."""
    return sum(path.endswith("/record") for _, path in asterisk.requests)


async def recorded_again(asterisk: FakeAsterisk, times: int) -> None:
    await asterisk.until(lambda: recordings(asterisk) == times)


# --- the hold key --------------------------------------------------------------------------------
async def test_the_hold_key_gives_the_other_music_where_he_is(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        _, caller, officer = await speak(asterisk, adapter)
        line = asterisk.lines[caller]
        for _ in range(2):  # and once more, for it is told twice
            await asterisk.hold(officer)
        await asterisk.until(lambda: line.music)
        assert line.bridge is not None
        await asterisk.unhold(officer)
        await asterisk.until(lambda: not line.music)
        await adapter.notices.any(HoldNotice, action=HoldNoticeAction.RETRIEVE)
        told = adapter.notices.of(HoldNotice)
    assert [(each.action, each.login_id) for each in told] == [
        (HoldNoticeAction.HOLD, "23"),
        (HoldNoticeAction.RETRIEVE, "23"),
    ]


async def test_who_is_held_by_the_key_is_brought_back_before_he_is_transferred(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        call_id, caller, officer = await speak(asterisk, adapter)
        await asterisk.hold(officer)
        await adapter.notices.any(HoldNotice, action=HoldNoticeAction.HOLD)
        await adapter.do(Transfer(call_id=call_id, to_login_id="13", mode=TransferMode.BLIND))
        await asterisk.pick_up("1002")
        await adapter.notices.any(TransferNotice, phase=CallPhase.DONE)
        line = asterisk.lines[caller]
        await asterisk.until(lambda: line.bridge is not None and not line.music)


async def test_who_was_let_go_while_nobody_looked_is_brought_back(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        _, caller, officer = await speak(asterisk, adapter)
        await asterisk.hold(officer)
        await adapter.notices.any(HoldNotice, action=HoldNoticeAction.HOLD)
    line = asterisk.lines[caller]
    async with place.run():
        assert line.music  # he is on hold still
    await asterisk.unhold(officer)
    async with place.run() as adapter:
        await adapter.notices.any(HoldNotice, action=HoldNoticeAction.RETRIEVE)
        await asterisk.until(lambda: line.bridge is not None and not line.music)


# --- recordings ----------------------------------------------------------------------------------
async def test_a_recording_that_asterisk_gave_up_goes_on_under_its_name(
    asterisk: FakeAsterisk, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{TIMES}.AT_ONCE_S", 0.0)
    async with place.run() as adapter:
        _, caller, _ = await speak(asterisk, adapter)
        await asterisk.fall_silent(heard_s=3)
        await recorded_again(asterisk, 2)
        await asterisk.fall_silent(heard_s=3)  # and nobody has spoken meanwhile
        await recorded_again(asterisk, 3)
        await asterisk.fall_silent(heard_s=9)  # but now
        await recorded_again(asterisk, 4)
        await asterisk.hang_up(caller)
        await forgotten(place, asterisk)
    told = adapter.notices.of(RecordingNotice)
    assert len({each.record_id for each in told}) == 1
    assert [each.action for each in told] == [
        RecordingNoticeAction.START,
        RecordingNoticeAction.PAUSE,
        RecordingNoticeAction.RESUME,
        RecordingNoticeAction.PAUSE,
        RecordingNoticeAction.STOP,
        RecordingNoticeAction.SAVED,
    ]
    assert {each.reason for each in told if each.action is RecordingNoticeAction.PAUSE} == {
        Reason.RECORDING_NO_MEDIA
    }


async def test_a_recording_that_is_made_for_longer_than_silence_lasts_has_sound(
    asterisk: FakeAsterisk, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{TIMES}.AT_ONCE_S", 0.0)
    monkeypatch.setattr(f"{TIMES}.SOUND_WITHIN_S", 0.05)
    async with place.run() as adapter:
        await speak(asterisk, adapter)
        await asterisk.fall_silent(heard_s=3)
        await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.RESUME)


async def test_a_recording_that_ends_at_once_is_not_asked_for_in_circles(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        await speak(asterisk, adapter)
        await asterisk.fall_silent(heard_s=0)
        await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.PAUSE)
        assert recordings(asterisk) == 1
        await recorded_again(asterisk, 2)  # a second later


async def test_a_recording_with_which_asterisk_will_not_go_on_is_kept_as_far_as_it_is(
    asterisk: FakeAsterisk, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{TIMES}.AT_ONCE_S", 0.0)
    async with place.run() as adapter:
        await speak(asterisk, adapter)
        asterisk.refuse[("POST", "/record")] = 500
        await asterisk.fall_silent(heard_s=3)
        saved = await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.SAVED)
    assert saved.duration == 2  # what the file holds


async def test_an_empty_bridge_is_recorded_again_when_somebody_enters(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        call_id, caller, officer = await speak(asterisk, adapter)
        for channel in (caller, officer):  # the recording ends with the bridge empty
            await asterisk.take_out(channel)
        await asterisk.put_in(officer, f"linkage-{call_id}-b")
        await recorded_again(asterisk, 2)
    assert RecordingNoticeAction.STOP not in actions(adapter)


async def test_a_pause_by_command_outlasts_silence(
    asterisk: FakeAsterisk, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{TIMES}.AT_ONCE_S", 0.0)
    async with place.run() as adapter:
        call_id, _, _ = await speak(asterisk, adapter)

        async def control(action: RecordingAction) -> Any:
            return await adapter.do(RecordingControl(call_id=call_id, action=action))

        await control(RecordingAction.PAUSE)
        await asterisk.fall_silent(heard_s=3)
        kept = place.memory.table
        await place.memory.until(lambda: '"live": true' not in kept[f"call:{call_id}"])
        assert recordings(asterisk) == 1
        await control(RecordingAction.RESUME)
        await recorded_again(asterisk, 2)
        await control(RecordingAction.STOP)
        await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.SAVED)
    assert actions(adapter) == [
        RecordingNoticeAction.START,
        RecordingNoticeAction.PAUSE,
        RecordingNoticeAction.RESUME,
        RecordingNoticeAction.STOP,
        RecordingNoticeAction.SAVED,
    ]


async def test_a_recording_that_ended_while_nobody_looked_goes_on(
    asterisk: FakeAsterisk, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{TIMES}.AT_ONCE_S", 0.0)
    async with place.run() as adapter:
        await speak(asterisk, adapter)
    await asterisk.fall_silent(heard_s=3)
    async with place.run() as adapter:
        await recorded_again(asterisk, 2)
        paused = await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.PAUSE)
    assert paused.reason == Reason.RECORDING_NO_MEDIA


# --- ringing -------------------------------------------------------------------------------------
async def test_a_carriers_tone_is_ringing_and_each_is_told_once(
    asterisk: FakeAsterisk, place: Place
) -> None:
    asterisk.telephones["139@trunk"] = "dialled"
    async with place.run() as adapter:
        call_id, _, _ = await speak(asterisk, adapter)
        await adapter.do(Transfer(call_id=call_id, to_num="139", mode=TransferMode.BLIND))
        await asterisk.until(lambda: "139@trunk" in asterisk.dialled)
        for _ in range(2):
            await asterisk.announce("139@trunk")
        await adapter.notices.any(TransferNotice, phase=CallPhase.RINGING)
        await asterisk.ring("139@trunk")
        await asterisk.announce("139@trunk")
        await asterisk.pick_up("139@trunk")
        await adapter.notices.any(TransferNotice, phase=CallPhase.DONE)
        states = [each.state for each in adapter.notices.of(CallStateNotice, to_num="139")]
    assert states == [
        CallState.DIALLING,
        CallState.EARLY_MEDIA,
        CallState.ALERTING,
        CallState.ANSWERED,
    ]
    assert len(adapter.notices.of(TransferNotice, phase=CallPhase.RINGING)) == 1


async def test_what_sip_said_is_the_reason_that_is_told(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        await asterisk.call()
        await adapter.notices.any(CallStateNotice, state=CallState.ALERTING)
        await asterisk.hang_up(asterisk.leg("1001").id, 127, 608)
        failed = await adapter.notices.any(HangupNotice, login_id="23")
    assert failed.reason == Reason.REJECTED


# --- keys ----------------------------------------------------------------------------------------
async def test_keys_within_the_sound_of_a_talk_are_collected(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        call_id, caller, _ = await speak(asterisk, adapter)
        await adapter.do(
            MediaControl(call_id=call_id, action=MediaAction.COLLECT, max_digits=4, timeout=20)
        )
        await asterisk.press(caller, "1*37")
        told = await adapter.notices.any(MediaNotice, action=MediaNoticeAction.DIGITS)
    assert told.digits == "1*37"


async def test_what_a_caller_says_by_keys_is_told_unasked_and_at_once(
    asterisk: FakeAsterisk, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.voice.media.playback.UNASKED_S", 0.05)
    async with place.run() as adapter:
        call_id, caller, officer = await speak(asterisk, adapter)
        await asterisk.press(officer, "1234")  # a password, perhaps
        await asterisk.press(caller, "55#")
        told = await adapter.notices.any(MediaNotice)
    assert (told.action, told.digits) == (MediaNoticeAction.DIGITS, "55#")
    assert (told.call_id, told.request_id) == (call_id, None)


# --- callers -------------------------------------------------------------------------------------
async def test_a_withheld_number_is_none_and_the_name_says_so(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        await asterisk.call(number="anonymous")
        told = await adapter.notices.next(IncomingCallNotice)
    assert (told.phone_num, told.caller_name) == (None, "anonymous")


async def test_who_calls_in_is_not_led_out_by_the_trunk(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        await asterisk.call(dials="13900000000")
        end = await adapter.notices.any(HangupNotice)
    assert end.reason == Reason.UNALLOCATED
    assert asterisk.dialled == []
