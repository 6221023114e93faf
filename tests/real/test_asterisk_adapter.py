"""The adapter against a real Asterisk: SIPp calls, officers' telephones ring, and all is told."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from adapters.asterisk.client import AriClient
from adapters.asterisk.settings import Settings
from linkage.config.adapters import read_settings
from linkage.ports import AdapterRefusedError, AdapterUnavailableError
from protocol.messages import (
    AnswerAction,
    AnswerCall,
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
    HoldNoticeAction,
    IncomingCallNotice,
    KeyValue,
    MediaAction,
    MediaControl,
    MediaNotice,
    MediaNoticeAction,
    MuteAction,
    MuteCall,
    MuteNotice,
    RecordingAction,
    RecordingControl,
    RecordingNotice,
    RecordingNoticeAction,
    SetCallData,
    Transfer,
    TransferMode,
    TransferNotice,
)
from protocol.reasons import Reason
from protocol.results import Result
from tests.fakes.running_adapter import Place, Running, refused
from tests.real.peers.asterisk import AsteriskServer
from tests.real.peers.audio import loudness, samples_of, share_of
from tests.real.peers.ports import free_port
from tests.real.peers.sipp import (
    BUSY,
    CALLER_TONE_HZ,
    FOREVER_S,
    OFFICER_TONE_HZ,
    REJECTED,
    Dtmf,
    Refer,
    Script,
    SippCaller,
    SippOfficer,
    Talk,
    Unhold,
)
from tests.real.peers.sipp import (
    Hold as HoldKey,
)

HOTLINE = "12345"
LOGINS = {"1001": "23", "1002": "13", "1003": "33", "1004": "43", "1005": "53", "1006": "63"}


@dataclass
class Scene:
    """An Asterisk, telephones, and what an adapter of it keeps on disk."""

    asterisk: AsteriskServer
    phones: dict[str, SippOfficer]
    place: Place

    def caller(self, *script: Any, patience_s: float = 30.0, dials: str = HOTLINE) -> SippCaller:
        steps: Script = script or (Talk(FOREVER_S),)
        return SippCaller(self.asterisk.sip_port, dials=dials, script=steps, patience_s=patience_s)

    async def channels(self) -> list[str]:
        """Ids of the channels that live at Asterisk."""
        async with AriClient(read_settings(Settings, "pbx", self.place.settings)) as ari:
            return [each["id"] for each in await ari.request("GET", "/channels")]

    async def variable(self, channel: str, name: str) -> str:
        async with AriClient(read_settings(Settings, "pbx", self.place.settings)) as ari:
            path = f"/channels/{channel}/variable"
            return str((await ari.request("GET", path, {"variable": name}))["value"])


@asynccontextmanager
async def scene(folder: Path, officers: list[str], **hotline: Any) -> AsyncIterator[Scene]:
    """1001 and 1002 answer, 1003 is busy, 1004 rings for ever, 1005 rejects, 1006 is not there."""
    phones = {
        "1001": SippOfficer("1001"),
        "1002": SippOfficer("1002", answer_after_s=0.4),
        "1003": SippOfficer("1003", refuses=BUSY),
        "1004": SippOfficer("1004", answer_after_s=FOREVER_S),
        "1005": SippOfficer("1005", refuses=REJECTED),
    }
    ports = {number: phone.port for number, phone in phones.items()} | {"1006": free_port()}
    async with AsyncExitStack() as stack:
        asterisk = await stack.enter_async_context(AsteriskServer(officers=ports))
        for phone in phones.values():
            await stack.enter_async_context(phone)
        settings = {
            "url": asterisk.ari_url.removesuffix("/ari"),
            "user": asterisk.ari_user,
            "password": asterisk.ari_password,
            "ring_s": 5,
            "hotline": {HOTLINE: {"officers": officers, "ring_s": 10, **hotline}},
            "officer": {
                number: {"login": login, "endpoint": f"PJSIP/{number}"}
                for number, login in LOGINS.items()
            },
        }
        yield Scene(asterisk, phones, Place.at(folder, settings))


async def connected(adapter: Running) -> str:
    """Wait until caller and officer speak; return the call's CallId."""
    return (await adapter.notices.next(CallStateNotice, state=CallState.BRIDGED)).call_id or ""


async def over(adapter: Running, call_id: str) -> HangupNotice:
    """Wait until the whole call is over."""
    return await adapter.notices.any(HangupNotice, call_id=call_id, scope=HangupScope.CALL)


async def nothing_left(place: Place) -> None:
    """Wait until the adapter has nothing of any call on disk."""
    await place.memory.until(lambda: place.memory.table.keys() == {"link"})


# --- hotlines ------------------------------------------------------------------------------------
async def test_a_caller_reaches_the_first_officer_and_everything_is_told(tmp_path: Path) -> None:
    async with scene(tmp_path, ["1001", "1002"]) as stage, stage.place.run() as adapter:
        async with stage.caller(Talk(2)) as phone:
            call = await adapter.notices.next(IncomingCallNotice)
            await phone.wait()
        end = await over(adapter, call.call_id)
        leg = adapter.notices.of(HangupNotice, scope=HangupScope.LEG)
        states = [
            (each.state, each.call_id == call.call_id)
            for each in adapter.notices.of(CallStateNotice)
        ]
        assert not await stage.channels()
    assert (call.phone_num, call.to_num, call.login_id) == ("13800138000", HOTLINE, "23")
    assert len(call.call_id) <= 20
    assert states == [
        (CallState.DIALLING, False),
        (CallState.ALERTING, False),
        (CallState.ANSWERED, False),
        (CallState.BRIDGED, True),
        (CallState.UNBRIDGED, True),
    ]
    assert (end.reason, end.side, end.login_id) == (Reason.NORMAL, HangupSide.CALLER, "23")
    assert end.answer_time is not None
    assert end.end_time is not None
    assert end.duration is not None
    assert end.start_time < end.answer_time < end.end_time  # type: ignore[operator] # it is set
    assert end.duration == pytest.approx((end.end_time - end.answer_time).total_seconds(), abs=1)
    assert end.duration >= 1
    assert [each.parent_call_id for each in leg] == [call.call_id]
    assert stage.place.memory.table.keys() == {"link"}


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        ("1003", Reason.BUSY),
        ("1004", Reason.NO_ANSWER),
        ("1005", Reason.REJECTED),
        ("1006", Reason.UNREACHABLE),
    ],
)
async def test_the_next_officer_is_rung_when_one_does_not_answer(
    tmp_path: Path, first: str, reason: Reason
) -> None:
    hotline: dict[str, Any] = {"ring_s": 3} if first == "1004" else {}
    async with (
        scene(tmp_path, [first, "1001"], **hotline) as stage,
        stage.place.run() as adapter,
        stage.caller(),
    ):
        call_id = await connected(adapter)
        failed = await adapter.notices.any(CallStateNotice, state=CallState.FAILED)
        await adapter.do(Hangup(call_id=call_id))
        end = await over(adapter, call_id)
    assert (failed.login_id, failed.reason) == (LOGINS[first], reason)
    assert failed.parent_call_id == call_id
    assert (end.login_id, end.side) == ("23", HangupSide.OPERATOR)


async def test_all_telephones_ring_and_the_first_to_answer_has_the_call(tmp_path: Path) -> None:
    async with (
        scene(tmp_path, ["1004", "1002", "1001"], strategy="all") as stage,
        stage.place.run() as adapter,
    ):
        async with stage.caller(Talk(2)) as phone:
            call_id = await connected(adapter)
            await phone.wait()
        end = await over(adapter, call_id)
        incoming = adapter.notices.of(IncomingCallNotice)
        reasons = {
            each.login_id: each.reason
            for each in adapter.notices.of(HangupNotice, scope=HangupScope.LEG)
        }
    assert [each.login_id for each in incoming] == [None]
    assert end.login_id == "23"
    assert reasons == {
        "23": Reason.NORMAL,
        "13": Reason.ANSWERED_ELSEWHERE,
        "43": Reason.ANSWERED_ELSEWHERE,
    }


async def test_a_caller_whom_nobody_answers_is_told_so(tmp_path: Path) -> None:
    async with scene(tmp_path, ["1003", "1003"]) as stage, stage.place.run() as adapter:
        async with stage.caller() as phone:
            call = await adapter.notices.next(IncomingCallNotice)
            end = await over(adapter, call.call_id)
            await phone.wait()
        log = phone.log
    assert "refused 486" in log
    assert (end.reason, end.side, end.answer_time) == (Reason.BUSY, HangupSide.PLATFORM, None)


async def test_a_caller_who_gives_up_stops_the_ringing(tmp_path: Path) -> None:
    async with scene(tmp_path, ["1004"], ring_s=20) as stage, stage.place.run() as adapter:
        async with stage.caller(patience_s=3) as phone:
            call = await adapter.notices.next(IncomingCallNotice)
            await phone.wait()
        end = await over(adapter, call.call_id)
        leg = await adapter.notices.any(HangupNotice, scope=HangupScope.LEG)
        assert not await stage.channels()
    assert (end.reason, end.side) == (Reason.CALLER_CANCELLED, HangupSide.CALLER)
    assert leg.reason == Reason.CALLER_CANCELLED
    assert "cancelled" in stage.phones["1004"].log


async def test_an_unknown_number_is_refused(tmp_path: Path) -> None:
    async with scene(tmp_path, ["1001"]) as stage, stage.place.run() as adapter:
        async with stage.caller(dials="999") as phone:
            call = await adapter.notices.next(IncomingCallNotice)
            end = await over(adapter, call.call_id)
            await phone.wait()
        log = phone.log
    assert end.reason == Reason.UNALLOCATED
    assert "refused 404" in log


async def test_an_officer_who_hangs_up_ends_the_call(tmp_path: Path) -> None:
    async with scene(tmp_path, ["1001"]) as stage:
        stage.phones["1001"]._script = (Talk(2),)
        await stage.phones["1001"].stop()
        await stage.phones["1001"].start()
        async with stage.place.run() as adapter, stage.caller() as phone:
            call_id = await connected(adapter)
            end = await over(adapter, call_id)
            await phone.wait()
            assert "was hung up" in phone.log
    assert (end.reason, end.side) == (Reason.NORMAL, HangupSide.CALLEE)


# --- transfers -----------------------------------------------------------------------------------
async def test_a_blind_transfer_brings_the_caller_to_another_officer(tmp_path: Path) -> None:
    async with scene(tmp_path, ["1001"]) as stage, stage.place.run() as adapter:
        async with stage.caller():
            call_id = await connected(adapter)
            outcome = await adapter.do(
                Transfer(call_id=call_id, to_login_id="13", mode=TransferMode.BLIND)
            )
            done = await adapter.notices.next(TransferNotice, phase=CallPhase.DONE)
            await connected(adapter)
            await adapter.do(Hangup(call_id=call_id))
            end = await over(adapter, call_id)
        phases = [each.phase for each in adapter.notices.of(TransferNotice)]
        left = await adapter.notices.any(HangupNotice, login_id="23", scope=HangupScope.LEG)
    assert phases == [CallPhase.START, CallPhase.RINGING, CallPhase.DONE]
    assert (done.call_id, done.from_login_id, done.to_login_id) == (call_id, "23", "13")
    assert (done.from_ext, done.phone_num) == ("1001", "13800138000")
    assert done.new_call_id == outcome.ids["call_id"]
    assert done.request_id == "C1"
    assert left.reason == Reason.TRANSFERRED
    assert end.login_id == "13"


async def test_a_caller_is_not_lost_when_a_blind_transfer_fails(tmp_path: Path) -> None:
    async with scene(tmp_path, ["1001"]) as stage, stage.place.run() as adapter, stage.caller():
        call_id = await connected(adapter)
        await adapter.do(Transfer(call_id=call_id, to_login_id="33", mode=TransferMode.BLIND))
        failed = await adapter.notices.next(TransferNotice, phase=CallPhase.FAILED)
        again = await adapter.notices.next(CallStateNotice, state=CallState.ANSWERED)
        assert await connected(adapter) == call_id
    assert failed.reason == Reason.BUSY
    assert again.login_id == "23"


async def test_a_consultation_that_is_completed(tmp_path: Path) -> None:
    async with scene(tmp_path, ["1001"], record=True) as stage, stage.place.run() as adapter:
        async with stage.caller():
            call_id = await connected(adapter)
            await adapter.do(
                Transfer(call_id=call_id, to_login_id="13", mode=TransferMode.CONSULT)
            )
            await adapter.notices.next(TransferNotice, phase=CallPhase.CONSULTING)
            assert not adapter.notices.of(TransferNotice, phase=CallPhase.DONE)
            await adapter.do(Transfer(call_id=call_id, mode=TransferMode.COMPLETE))
            done = await adapter.notices.next(TransferNotice, phase=CallPhase.DONE)
            await connected(adapter)
            await adapter.do(Hangup(call_id=call_id))
            end = await over(adapter, call_id)
        held = [each.action for each in adapter.notices.of(HoldNotice)]
    assert held == [HoldNoticeAction.HOLD, HoldNoticeAction.RETRIEVE]
    assert done.request_id == "C2"
    assert end.login_id == "13"


async def test_a_consultation_that_is_cancelled(tmp_path: Path) -> None:
    async with scene(tmp_path, ["1001"]) as stage, stage.place.run() as adapter, stage.caller():
        call_id = await connected(adapter)
        await adapter.do(Transfer(call_id=call_id, to_login_id="13", mode=TransferMode.CONSULT))
        await adapter.notices.next(TransferNotice, phase=CallPhase.CONSULTING)
        await adapter.do(Transfer(call_id=call_id, mode=TransferMode.SWAP))
        await adapter.notices.next(HoldNotice, action=HoldNoticeAction.ALTERNATE)
        await connected(adapter)
        await adapter.do(Transfer(call_id=call_id, mode=TransferMode.SWAP))
        await adapter.notices.next(CallStateNotice, state=CallState.UNBRIDGED)
        await adapter.do(Transfer(call_id=call_id, mode=TransferMode.CANCEL))
        await adapter.notices.next(TransferNotice, phase=CallPhase.CANCELLED)
        assert await connected(adapter) == call_id
        gone = await adapter.notices.any(HangupNotice, login_id="13")
    assert gone.reason == Reason.OPERATOR_CANCELLED


async def test_an_officer_has_the_caller_back_when_the_other_does_not_answer(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path, ["1001"]) as stage, stage.place.run() as adapter, stage.caller():
        call_id = await connected(adapter)
        await adapter.do(Transfer(call_id=call_id, to_login_id="53", mode=TransferMode.CONSULT))
        failed = await adapter.notices.next(TransferNotice, phase=CallPhase.FAILED)
        assert await connected(adapter) == call_id
    assert failed.reason == Reason.REJECTED


@pytest.mark.parametrize(
    ("number", "phase"), [("1002", CallPhase.DONE), ("4711", CallPhase.FAILED)]
)
async def test_an_officer_transfers_with_the_key_of_his_telephone(
    tmp_path: Path, number: str, phase: CallPhase
) -> None:
    async with scene(tmp_path, ["1001"]) as stage:
        await stage.phones["1001"].stop()
        stage.phones["1001"]._script = (Talk(2), Refer(number), Talk(FOREVER_S))
        await stage.phones["1001"].start()
        async with stage.place.run() as adapter, stage.caller():
            call_id = await connected(adapter)
            told = await adapter.notices.next(TransferNotice, phase=phase)
            again = await adapter.notices.next(CallStateNotice, state=CallState.BRIDGED)
            assert len(adapter.notices.of(IncomingCallNotice)) == 1
            await adapter.do(Hangup(call_id=call_id))
            await over(adapter, call_id)
            await nothing_left(stage.place)
    assert told.from_login_id == "23"
    assert again.login_id == ("13" if phase is CallPhase.DONE else "23")


# --- hold, media, data ---------------------------------------------------------------------------
async def test_hold_and_retrieve(tmp_path: Path) -> None:
    async with scene(tmp_path, ["1001"]) as stage, stage.place.run() as adapter, stage.caller():
        call_id = await connected(adapter)
        await adapter.do(Hold(call_id=call_id, action=HoldAction.HOLD))
        held = await adapter.notices.next(HoldNotice, action=HoldNoticeAction.HOLD)
        await adapter.notices.next(CallStateNotice, state=CallState.UNBRIDGED)
        assert await refused(adapter, Hold(call_id=call_id, action=HoldAction.HOLD)) == 306
        await adapter.do(Hold(call_id=call_id, action=HoldAction.RETRIEVE))
        await adapter.notices.next(HoldNotice, action=HoldNoticeAction.RETRIEVE)
        await connected(adapter)
    assert (held.login_id, held.phone_num, held.request_id) == ("23", "13800138000", "C1")


async def test_hold_by_the_callers_own_telephone_is_told(tmp_path: Path) -> None:
    async with (
        scene(tmp_path, ["1001"]) as stage,
        stage.place.run() as adapter,
        stage.caller(Talk(2), HoldKey(), Talk(0.3), Unhold(), Talk(1)),
    ):
        await connected(adapter)
        held = await adapter.notices.next(HoldNotice, action=HoldNoticeAction.HOLD)
        await adapter.notices.next(HoldNotice, action=HoldNoticeAction.RETRIEVE)
    assert held.phone_num == "1001"


async def test_a_recording_is_saved_with_both_voices_and_its_digest(tmp_path: Path) -> None:
    async with scene(tmp_path, ["1001"], record=True) as stage, stage.place.run() as adapter:
        async with stage.caller() as phone:
            call_id = await connected(adapter)
            await stage.asterisk.recorded()
            await adapter.do(Hangup(call_id=call_id))
            await phone.wait()
        end = await over(adapter, call_id)
        saved = await adapter.notices.any(
            RecordingNotice, action=RecordingNoticeAction.SAVED, timeout_s=30
        )
        actions = [each.action for each in adapter.notices.of(RecordingNotice)]
        await nothing_left(stage.place)
        assert not list(stage.asterisk.recordings.glob("*.wav"))
    (file,) = stage.place.files.saved
    samples = samples_of(file.path)
    assert actions == [
        RecordingNoticeAction.START,
        RecordingNoticeAction.STOP,
        RecordingNoticeAction.SAVED,
    ]
    assert (saved.call_id, saved.record_id, saved.file_id) == (call_id, end.record_id, "F1")
    assert saved.sha256 == hashlib.sha256(file.path.read_bytes()).hexdigest()
    assert saved.size == file.path.stat().st_size
    assert saved.duration == pytest.approx(len(samples) / 8000, abs=1)
    assert len(samples) > 8000
    assert loudness(samples) > 500
    assert share_of(samples, CALLER_TONE_HZ) > 0.2
    assert share_of(samples, OFFICER_TONE_HZ) > 0.2


async def test_a_recording_is_started_paused_and_stopped_on_command(tmp_path: Path) -> None:
    async with scene(tmp_path, ["1001"]) as stage, stage.place.run() as adapter, stage.caller():
        call_id = await connected(adapter)
        steps = [
            (RecordingAction.START, RecordingNoticeAction.START),
            (RecordingAction.PAUSE, RecordingNoticeAction.PAUSE),
            (RecordingAction.RESUME, RecordingNoticeAction.RESUME),
            (RecordingAction.STOP, RecordingNoticeAction.STOP),
        ]
        for number, (action, told) in enumerate(steps, start=1):
            await adapter.do(RecordingControl(call_id=call_id, action=action))
            notice = await adapter.notices.next(RecordingNotice, action=told)
            assert notice.request_id == f"C{number}"
        await adapter.notices.next(RecordingNotice, action=RecordingNoticeAction.SAVED)
        stop = RecordingControl(call_id=call_id, action=RecordingAction.STOP)
        assert await refused(adapter, stop) == Result.NO_FILE


async def test_sounds_are_played_and_digits_collected(tmp_path: Path) -> None:
    async with (
        scene(tmp_path, ["1001"]) as stage,
        stage.place.run() as adapter,
        stage.caller(Talk(5), Dtmf("12"), Talk(5)),
    ):
        call_id = await connected(adapter)
        await adapter.do(MediaControl(call_id=call_id, action=MediaAction.PLAY, file_id="beep"))
        started = await adapter.notices.next(MediaNotice, action=MediaNoticeAction.START)
        done = await adapter.notices.next(MediaNotice, action=MediaNoticeAction.DONE)
        await adapter.do(
            MediaControl(call_id=call_id, action=MediaAction.PLAY, file_id="not-there")
        )
        failed = await adapter.notices.next(MediaNotice, action=MediaNoticeAction.FAILED)
        await adapter.do(
            MediaControl(call_id=call_id, action=MediaAction.COLLECT, max_digits=2, timeout=20)
        )
        digits = await adapter.notices.next(MediaNotice, action=MediaNoticeAction.DIGITS)
        await adapter.do(MediaControl(call_id=call_id, action=MediaAction.SEND_DTMF, digits="5#"))
    assert started.play_id == done.play_id
    assert (started.request_id, done.request_id) == ("C1", "C1")
    assert (failed.reason, failed.request_id) == (Reason.MEDIA_FAILURE, "C2")
    assert (digits.digits, digits.request_id) == ("12", "C3")


async def test_the_event_and_data_stand_on_every_channel_of_the_call(tmp_path: Path) -> None:
    async with scene(tmp_path, ["1001"]) as stage, stage.place.run() as adapter, stage.caller():
        call_id = await connected(adapter)
        await adapter.do(CreateEvent(call_id=call_id, event_id="1213243"))
        await adapter.do(
            SetCallData(call_id=call_id, data=(KeyValue(key="Lage", value="B 7, km 12"),))
        )
        bad = SetCallData(call_id=call_id, data=(KeyValue(key="SHELL(id)", value="x"),))
        assert await refused(adapter, bad) == Result.BAD_VALUE
        await adapter.do(Transfer(call_id=call_id, to_login_id="13", mode=TransferMode.BLIND))
        await adapter.notices.next(TransferNotice, phase=CallPhase.DONE)
        for channel in await stage.channels():
            if channel.startswith(("linkage-", "1")):
                assert await stage.variable(channel, "LINKAGE_EVENTID") == "1213243"
                assert await stage.variable(channel, "LINKAGE_Lage") == "B 7, km 12"


async def test_a_party_is_muted(tmp_path: Path) -> None:
    async with scene(tmp_path, ["1001"]) as stage, stage.place.run() as adapter, stage.caller():
        call_id = await connected(adapter)
        await adapter.do(MuteCall(call_id=call_id, action=MuteAction.MUTE))
        await adapter.notices.next(MuteNotice, action=MuteAction.MUTE)
        await adapter.do(MuteCall(call_id=call_id, action=MuteAction.UNMUTE))
        await adapter.notices.next(MuteNotice, action=MuteAction.UNMUTE)


async def test_ringing_calls_are_rejected_deflected_and_claimed(tmp_path: Path) -> None:
    async with scene(tmp_path, ["1004"], ring_s=20) as stage, stage.place.run() as adapter:
        async with stage.caller() as phone:
            call = await adapter.notices.next(IncomingCallNotice)
            await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
            await adapter.do(AnswerCall(call_id=call.call_id, action=AnswerAction.REJECT))
            end = await over(adapter, call.call_id)
            await phone.wait()
        assert end.reason == Reason.REJECTED
        for action, to_num, login_id in (
            (AnswerAction.DEFLECT, "1002", None),
            (AnswerAction.CLAIM_FIRST, None, "13"),
        ):
            async with stage.caller():
                call = await adapter.notices.next(IncomingCallNotice)
                await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
                await adapter.do(
                    AnswerCall(
                        call_id=call.call_id, action=action, to_num=to_num, login_id=login_id
                    )
                )
                answered = await adapter.notices.next(CallStateNotice, state=CallState.ANSWERED)
                assert await connected(adapter) == call.call_id
                await adapter.do(Hangup(call_id=call.call_id))
                await over(adapter, call.call_id)
            assert answered.login_id == "13"


async def test_commands_for_what_is_not_there_are_refused(tmp_path: Path) -> None:
    async with scene(tmp_path, ["1001"]) as stage, stage.place.run() as adapter:
        assert await refused(adapter, Hangup(call_id="nobody")) == Result.NO_CALL
        async with stage.caller():
            call_id = await connected(adapter)
            blind = Transfer(call_id=call_id, mode=TransferMode.BLIND, to_login_id="99")
            assert await refused(adapter, blind) == Result.NO_LOGIN
            blind = Transfer(call_id=call_id, mode=TransferMode.BLIND, to_num="0815")
            assert await refused(adapter, blind) == Result.NO_TRUNK
            complete = Transfer(call_id=call_id, mode=TransferMode.COMPLETE)
            assert await refused(adapter, complete) == Result.WRONG_STATE


# --- loss ----------------------------------------------------------------------------------------
async def test_a_call_goes_on_under_its_call_id_when_linkage_was_killed(tmp_path: Path) -> None:
    async with scene(tmp_path, ["1001"], record=True) as stage, stage.caller():
        async with stage.place.run() as adapter:
            call_id = await connected(adapter)
            await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.START)
        async with stage.place.run() as adapter:
            gap = await adapter.notices.any(GapNotice)
            assert not adapter.notices.of(HangupNotice)
            await adapter.do(Transfer(call_id=call_id, to_login_id="13", mode=TransferMode.BLIND))
            await adapter.notices.next(TransferNotice, phase=CallPhase.DONE)
            await adapter.do(Hangup(call_id=call_id))
            end = await over(adapter, call_id)
            await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.SAVED)
    assert gap.cause == GapCause.RESTART
    assert end.login_id == "13"


async def test_a_call_that_ended_meanwhile_is_closed(tmp_path: Path) -> None:
    async with scene(tmp_path, ["1001"], record=True) as stage:
        async with stage.caller(Talk(5)) as phone:
            async with stage.place.run() as adapter:
                call_id = await connected(adapter)
            await phone.wait()
        async with stage.place.run() as adapter:
            end = await over(adapter, call_id)
            saved = await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.SAVED)
            told = [each for each in adapter.notices.told if each.message is end]
            await nothing_left(stage.place)
            assert not await stage.channels()
    assert told[0].reconstructed
    assert end.reason == Reason.STATE_LOST
    assert saved.call_id == call_id


async def test_a_caller_who_rang_while_linkage_was_killed_is_connected(tmp_path: Path) -> None:
    async with scene(tmp_path, ["1004", "1001"], ring_s=4) as stage, stage.caller():
        async with stage.place.run() as adapter:
            call = await adapter.notices.next(IncomingCallNotice)
            await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
        async with stage.place.run() as adapter:
            assert await connected(adapter) == call.call_id
            assert not adapter.notices.of(IncomingCallNotice)


async def test_a_lost_link_ends_the_run_and_the_next_one_goes_on(tmp_path: Path) -> None:
    async with scene(tmp_path, ["1001"]) as stage, stage.place.run() as adapter:
        await stage.asterisk.kill()
        assert isinstance(await adapter.ended(), AdapterUnavailableError)
        with pytest.raises(AdapterUnavailableError):
            await adapter.do(Hangup(call_id="x"))
        with pytest.raises(AdapterUnavailableError):
            await adapter.adapter.run(adapter.port)
        await stage.asterisk.start()
        task = asyncio.get_running_loop().create_task(adapter.adapter.run(adapter.port))
        try:
            gap = await adapter.notices.any(GapNotice)
        finally:
            task.cancel()
            await asyncio.wait({task})
    assert gap.cause == GapCause.VENDOR_DISCONNECT


@pytest.mark.parametrize("how", ["kill", "stop"])
async def test_calls_that_died_with_asterisk_are_closed_and_new_ones_taken(
    tmp_path: Path, how: str
) -> None:
    async with scene(tmp_path, ["1001"], record=True) as stage:
        async with stage.caller(), stage.place.run() as adapter:
            call_id = await connected(adapter)
            await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.START)
            await getattr(stage.asterisk, how)()
            assert isinstance(await adapter.ended(), AdapterUnavailableError)
            already = adapter.notices.of(HangupNotice, scope=HangupScope.CALL)
        await stage.asterisk.start()
        for phone in ("1001",):
            await stage.phones[phone].stop()
            await stage.phones[phone].start()
        async with stage.place.run() as adapter:
            ends = already or [await over(adapter, call_id)]
            async with stage.caller(Talk(0.5)) as phone_two:
                call = await adapter.notices.next(IncomingCallNotice)
                await phone_two.wait()
            await over(adapter, call.call_id)
            await nothing_left(stage.place)
    assert [each.call_id for each in ends] == [call_id]
    if how == "kill":
        assert ends[0].reason == Reason.PLATFORM_FAULT


async def test_wrong_credentials_are_a_refusal_that_says_what_to_do(tmp_path: Path) -> None:
    async with scene(tmp_path, ["1001"]) as stage:
        wrong = Place.at(tmp_path, {**stage.place.settings, "password": "wrong"})
        with pytest.raises(AdapterRefusedError, match=r"ari\.conf"):
            async with wrong.run():
                pass
