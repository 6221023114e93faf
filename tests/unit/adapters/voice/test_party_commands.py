"""Commands to one call or leg: hold, digits, announcements, hanging up; recordings kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from protocol.messages import (
    AnswerAction,
    AnswerCall,
    CallState,
    CallStateNotice,
    CreateEvent,
    Hangup,
    HangupNotice,
    HangupScope,
    HangupSide,
    Hold,
    HoldAction,
    HoldNotice,
    MediaAction,
    MediaControl,
    MediaNotice,
    MediaNoticeAction,
    RecordingAction,
    RecordingControl,
    RecordingNotice,
    RecordingNoticeAction,
)
from protocol.reasons import Reason
from protocol.results import Result
from tests.fakes.asterisk import WAV, FakeAsterisk
from tests.fakes.hotline_calls import hotline, over, speak
from tests.fakes.running_adapter import Place, forgotten, refused


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
