"""A fault of one object is that object's; only what Asterisk says of all is about all."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from linkage.ports import AdapterRefusedError, AdapterUnavailableError
from protocol.messages import (
    CallState,
    CallStateNotice,
    HangupNotice,
    HangupScope,
    IncomingCallNotice,
    MediaAction,
    MediaControl,
    MuteAction,
    MuteCall,
    RecordingNotice,
    RecordingNoticeAction,
)
from protocol.reasons import Reason
from protocol.results import Result
from tests.fakes.asterisk import FakeAsterisk
from tests.fakes.running_adapter import Place, Running, refused
from tests.fakes.telephones import park


@pytest.fixture
async def asterisk() -> AsyncIterator[FakeAsterisk]:
    async with FakeAsterisk() as server:
        yield server


@pytest.fixture
def place(asterisk: FakeAsterisk, tmp_path: Path) -> Place:
    line = {"officers": ["1001", "1002"], "record": True}
    return Place.at(tmp_path, asterisk.settings(hotline={"12345": line}))


async def speak(asterisk: FakeAsterisk, adapter: Running) -> tuple[str, str]:
    """A caller and the first officer are connected; returns CallId and the caller's channel."""
    channel = await asterisk.call()
    call = await adapter.notices.next(IncomingCallNotice)
    await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
    await asterisk.pick_up("1001")
    await adapter.notices.next(CallStateNotice, state=CallState.BRIDGED)
    return call.call_id, channel


# --- recordings ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, Reason.RECORDING_FORBIDDEN),
        (403, Reason.RECORDING_FORBIDDEN),
        (409, Reason.RECORDING_UPLOAD),
        (500, Reason.RECORDING_UPLOAD),
        (599, Reason.RECORDING_UPLOAD),
    ],
)
async def test_a_recording_that_asterisk_does_not_give_is_told_once_and_had_later(
    asterisk: FakeAsterisk, place: Place, status: int, reason: Reason
) -> None:
    asterisk.refuse[("GET", "/file")] = status
    async with place.run() as adapter:
        _, channel = await speak(asterisk, adapter)
        await asterisk.hang_up(channel)
        failed = await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.FAILED)
        await place.memory.until(lambda: '"failed": true' in "".join(place.memory.table.values()))
        await speak(asterisk, adapter)  # and calls go on
    async with place.run() as adapter:
        await asterisk.call(number="13900139000")
        await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
        assert not adapter.notices.of(RecordingNotice, action=RecordingNoticeAction.FAILED)
    asterisk.refuse.clear()
    async with place.run() as adapter:
        saved = await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.SAVED)
    assert (failed.reason, failed.record_id) == (reason, saved.record_id)


async def test_a_recording_that_never_comes_does_not_hold_up_calls(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    line = {"officers": ["1001", "1002"], "record": True}
    place = Place.at(tmp_path, asterisk.settings(hotline={"12345": line}, timeout_s=1.0))
    asterisk.silent.add("/file")
    async with place.run() as adapter:
        _, channel = await speak(asterisk, adapter)
        await asterisk.hang_up(channel)
        failed = await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.FAILED)
        await speak(asterisk, adapter)
    assert failed.reason == Reason.RECORDING_UPLOAD


@pytest.mark.parametrize("status", [401, 403, 500])
async def test_a_recording_that_cannot_be_looked_up_is_taken_to_go_on(
    asterisk: FakeAsterisk, place: Place, status: int
) -> None:
    async with place.run() as adapter:
        call_id, channel = await speak(asterisk, adapter)
        await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.START)
    (name,) = next(iter(asterisk.bridges.values())).live
    asterisk.refuse[("GET", f"live/{name}")] = status
    async with place.run() as adapter:
        await asterisk.hang_up(channel)
        await adapter.notices.any(HangupNotice, call_id=call_id, scope=HangupScope.CALL)
        await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.SAVED)


# --- channels, sounds ----------------------------------------------------------------------------
@pytest.mark.parametrize("status", [401, 403, 404, 409, 422, 500, 503, 599])
async def test_a_refused_request_is_about_what_it_names(
    asterisk: FakeAsterisk, place: Place, status: int
) -> None:
    async with place.run() as adapter:
        call_id, _ = await speak(asterisk, adapter)
        asterisk.refuse[("POST", "/mute")] = status
        mute = MuteCall(call_id=call_id, login_id="23", action=MuteAction.MUTE)
        assert await refused(adapter, mute) not in {Result.TIMEOUT, Result.UNREACHABLE}
        asterisk.refuse.clear()
        await adapter.do(mute)


@pytest.mark.parametrize("status", [401, 403, 500, 599])
async def test_the_next_officer_is_rung_where_asterisk_will_not_ring_one(
    asterisk: FakeAsterisk, place: Place, status: int
) -> None:
    asterisk.refuse_dialling["1001"] = status
    async with place.run() as adapter:
        await asterisk.call()
        await adapter.notices.any(CallStateNotice, state=CallState.ALERTING, to_num="1002")


@pytest.mark.parametrize("status", [403, 404, 500])
async def test_a_sound_that_cannot_be_played_is_that_sounds(
    asterisk: FakeAsterisk, place: Place, status: int
) -> None:
    async with place.run() as adapter:
        call_id, _ = await speak(asterisk, adapter)
        asterisk.refuse[("POST", "-p2")] = status
        play = MediaControl(call_id=call_id, action=MediaAction.PLAY, file_id="spoilt")
        assert await refused(adapter, play) in {Result.NO_CALL, Result.VENDOR}
        await adapter.do(MuteCall(call_id=call_id, login_id="23", action=MuteAction.MUTE))


# --- the whole -----------------------------------------------------------------------------------
async def test_a_password_that_is_not_taken_any_more_is_about_all(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        call_id, _ = await speak(asterisk, adapter)
        asterisk.password = "another"
        with pytest.raises(AdapterUnavailableError, match=r"ari\.conf.*not begun"):
            await adapter.do(MuteCall(call_id=call_id, login_id="23", action=MuteAction.MUTE))
        assert isinstance(await adapter.ended(), AdapterRefusedError)
    asterisk.password = str(place.settings["password"])
    async with place.run() as adapter:
        await asterisk.hang_up(asterisk.leg("1001").id)
        await adapter.notices.any(HangupNotice, call_id=call_id, scope=HangupScope.CALL)


async def test_a_user_who_may_only_read_is_about_all(asterisk: FakeAsterisk, place: Place) -> None:
    asterisk.read_only = True
    with pytest.raises(AdapterRefusedError, match="read_only"):
        async with place.run():
            pass
    asterisk.read_only = False
    async with place.run() as adapter:
        await speak(asterisk, adapter)
        asterisk.read_only = True
        await asterisk.call(number="13900139000")
        assert isinstance(await adapter.ended(), AdapterRefusedError)


# --- the memory, events --------------------------------------------------------------------------
CALL: dict[str, Any] = {"id": "x", "anchor": "x", "started": "2026-11-30T08:00:00+00:00"}
SPOILT: dict[str, Any] = {
    "call:text": "{torn",
    "call:none": None,
    "call:list": [],
    "call:number": 7,
    "call:empty": {"call": {}},
    "call:no legs": {"call": CALL},
    "call:legs": {"call": CALL | {"legs": {"x": {"id": 3, "channel": None}}}},
    "call:time": {"call": CALL | {"started": "yesterday"}},
    "call:pending": {"call": CALL | {"begun": False}, "pending": 5},
    "call:effects": {"call": CALL | {"begun": False}, "pending": [1, 2]},
    "call:do": {"call": CALL | {"begun": False}, "pending": [{"do": "HangUp"}]},
    "call:channel": {
        "call": CALL | {"begun": False},
        "pending": [{"do": "HangUp", "channel": 5, "reason": [], "owner": None}],
    },
    "call:half a character": {
        "call": CALL
        | {
            "conference": {"id": "7"},
            "recordings": {"\ud800": {"name": "\ud800", "started": CALL["started"]}},
        },
    },
    "call:tell": {"call": CALL | {"begun": False}, "pending": [{"tell": 999}]},
    "call:unfinished": {"call": CALL | {"begun": False}, "unfinished": {"before": 1}},
    "call:before": {
        "call": CALL | {"begun": False},
        "unfinished": {
            "before": {"id": 1},
            "began": "2026-11-30T08:00:00+00:00",
            "until": "2026-11-30T08:00:00+00:00",
        },
    },
    "rec:text": "{torn",
    "rec:none": None,
    "rec:list": [1],
    "rec:fetch": {"fetch": 1},
    "rec:saved": {
        "fetch": {
            "fetch": "linkage-x-r1",
            "call_id": "x",
            "login_id": None,
            "started": "2026-11-30T08:00:00+00:00",
            "duration_s": 1,
            "reconstructed": False,
        },
        "saved": {"size_bytes": "many"},
    },
}


@pytest.mark.parametrize("key", SPOILT)
async def test_a_record_that_cannot_be_read_is_that_records(
    asterisk: FakeAsterisk, place: Place, key: str
) -> None:
    async with place.run() as adapter:
        call_id, channel = await speak(asterisk, adapter)
    place.memory.table[key] = json.dumps(SPOILT[key])
    async with place.run() as adapter:
        assert key not in place.memory.table
        await asterisk.hang_up(channel)
        await adapter.notices.any(HangupNotice, call_id=call_id, scope=HangupScope.CALL)


@pytest.mark.parametrize(
    "record",
    [
        "{torn",
        [],
        {"seen": 3, "saved": "x", "ahead_s": "much", "revoked": 7, "startup": []},
        {"saved": "2026-11-30T08:00:00+00:00", "ahead_s": 1e300, "revoked": [None]},
    ],
)
async def test_a_record_of_the_link_that_cannot_be_read_is_made_anew(
    asterisk: FakeAsterisk, place: Place, record: Any
) -> None:
    place.memory.table["link"] = json.dumps(record)
    async with place.run() as adapter:
        await speak(asterisk, adapter)


async def test_a_caller_whose_record_cannot_be_read_is_a_new_caller(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        await asterisk.call()
        call = await adapter.notices.next(IncomingCallNotice)
        await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
        await place.memory.until(
            lambda: '"pending": []' in place.memory.table[f"call:{call.call_id}"]
        )
    place.memory.table[f"call:{call.call_id}"] = '"torn"'
    async with place.run() as adapter:
        again = await adapter.notices.next(IncomingCallNotice)
        await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
    assert again.phone_num == call.phone_num
    assert again.call_id != call.call_id


async def test_an_event_out_of_all_time_costs_nothing(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        _, channel = await speak(asterisk, adapter)
        event = {
            "type": "ChannelHold",
            "timestamp": "0001-01-01T00:00:00+14:00",
            "channel": {"id": channel},
        }
        await asterisk.send_raw(json.dumps(event))
        await asterisk.hang_up(channel)
        await adapter.notices.any(HangupNotice, scope=HangupScope.CALL)


@pytest.mark.parametrize("status", [403, 500])
async def test_a_channel_that_cannot_be_looked_up_ends_nothing(
    asterisk: FakeAsterisk, place: Place, status: int
) -> None:
    async with place.run() as adapter:
        call_id, channel = await speak(asterisk, adapter)
        asterisk.refuse[("GET", f"channels/{channel}")] = status
        await park(asterisk, channel)
        await asterisk.until(lambda: ("GET", f"channels/{channel}") in asterisk.requests)
        await adapter.do(MuteCall(call_id=call_id, login_id="23", action=MuteAction.MUTE))
        assert not adapter.notices.of(HangupNotice, scope=HangupScope.CALL)
