"""Commands to calls at Asterisk: what each does, and what each refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from adapters.voice.commands import CAPABILITIES, HANDLERS, IN_CONFERENCE
from linkage.ports import AdapterUnavailableError
from protocol.messages import (
    AnswerAction,
    AnswerCall,
    AudioDirection,
    CallDataMode,
    CallDataNotice,
    CallPhase,
    CallState,
    CallStateNotice,
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
    TransferNoticeMode,
    message_class,
)
from protocol.reasons import Reason
from protocol.results import Result
from tests.fakes.asterisk import FakeAsterisk
from tests.fakes.running_adapter import Place, Running, refused


@pytest.fixture
async def asterisk() -> AsyncIterator[FakeAsterisk]:
    async with FakeAsterisk() as server:
        yield server


@pytest.fixture
async def adapter(asterisk: FakeAsterisk, tmp_path: Path) -> AsyncIterator[Running]:
    settings = asterisk.settings(trunk="PJSIP/{number}@trunk", timeout_s=1)
    async with Place.at(tmp_path, settings).run() as running:
        yield running


async def rings(asterisk: FakeAsterisk, adapter: Running) -> str:
    """A call rings at the first officer; returns its CallId."""
    await asterisk.call()
    call = await adapter.notices.next(IncomingCallNotice)
    await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
    return call.call_id


async def speaks(asterisk: FakeAsterisk, adapter: Running) -> str:
    """A caller speaks with the first officer; returns the CallId."""
    call_id = await rings(asterisk, adapter)
    await asterisk.pick_up("1001")
    await adapter.notices.next(CallStateNotice, state=CallState.BRIDGED)
    return call_id


def caller(asterisk: FakeAsterisk) -> Any:
    return next(line for line in asterisk.lines.values() if line.args[:1] == ["caller"])


def test_every_capability_is_a_command_that_has_its_handler() -> None:
    assert CAPABILITIES.keys() == HANDLERS.keys() | IN_CONFERENCE.keys()
    assert all(message_class(number) is not None for number in CAPABILITIES)


# --- 200
async def test_a_call_is_deflected_to_a_number_outside(
    asterisk: FakeAsterisk, adapter: Running
) -> None:
    call_id = await rings(asterisk, adapter)
    deflect = AnswerCall(call_id=call_id, action=AnswerAction.DEFLECT, to_num="13912344444")
    await adapter.do(deflect)
    state = await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
    gone = await adapter.notices.any(HangupNotice, login_id="23")
    await asterisk.pick_up("13912344444@trunk")
    await adapter.notices.next(CallStateNotice, state=CallState.BRIDGED)
    assert (state.to_num, state.login_id, state.request_id) == ("13912344444", None, "C1")
    assert gone.reason == Reason.OPERATOR_CANCELLED
    assert await refused(adapter, deflect) == Result.WRONG_STATE


async def test_an_officer_answers_at_the_screen_and_the_telephone_is_told_to(
    asterisk: FakeAsterisk, adapter: Running
) -> None:
    call_id = await rings(asterisk, adapter)
    answer = AnswerCall(call_id=call_id, action=AnswerAction.ANSWER)
    assert await refused(adapter, answer) == Result.MISSING_FIELD
    await adapter.do(AnswerCall(call_id=call_id, action=AnswerAction.ANSWER, login_id="13"))
    await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
    assert asterisk.leg("1002").variables["PJSIP_HEADER(add,Call-Info)"].endswith("answer-after=0")


async def test_a_call_is_rejected_as_a_whole_or_for_one_officer(
    asterisk: FakeAsterisk, adapter: Running
) -> None:
    call_id = await rings(asterisk, adapter)
    reject = AnswerCall(call_id=call_id, action=AnswerAction.REJECT, login_id="13")
    assert await refused(adapter, reject) == Result.NO_LOGIN
    await adapter.do(AnswerCall(call_id=call_id, action=AnswerAction.REJECT, reason=Reason.DND))
    end = await adapter.notices.any(HangupNotice, call_id=call_id)
    assert (end.reason, end.side, end.request_id) == (Reason.DND, HangupSide.OPERATOR, "C2")
    assert await refused(adapter, reject) == Result.NO_CALL


# --- 202
async def test_a_leg_is_hung_up_by_its_call_id_or_number(
    asterisk: FakeAsterisk, adapter: Running
) -> None:
    call_id = await speaks(asterisk, adapter)
    await adapter.do(Transfer(call_id=call_id, mode=TransferMode.CONSULT, to_login_id="13"))
    await adapter.notices.next(TransferNotice, phase=CallPhase.RINGING)
    unknown = Hangup(call_id=call_id, scope=HangupScope.LEG, phone_num="4711")
    assert await refused(adapter, unknown) == Result.NO_CALL
    await adapter.do(Hangup(call_id=call_id, scope=HangupScope.LEG, phone_num="1002"))
    gone = await adapter.notices.next(HangupNotice, scope=HangupScope.LEG)
    assert (gone.phone_num, gone.reason) == ("1002", Reason.OPERATOR_CANCELLED)
    await adapter.notices.any(TransferNotice, phase=CallPhase.FAILED)
    assert await refused(adapter, Hangup(call_id=gone.call_id)) == Result.NO_CALL
    leg = adapter.notices.of(CallStateNotice, login_id="23")[0].call_id
    assert (await adapter.do(Hangup(call_id=leg))).ids["call_id"] == leg
    await adapter.notices.any(HangupNotice, call_id=call_id)


async def test_an_event_must_be_named_to_hang_up_its_calls(adapter: Running) -> None:
    hangup = Hangup(phone_num="1", scope=HangupScope.EVENT)
    assert await refused(adapter, hangup) == Result.MISSING_FIELD


# --- 205
async def test_transfers_that_cannot_be(asterisk: FakeAsterisk, adapter: Running) -> None:
    call_id = await rings(asterisk, adapter)

    def transfer(mode: TransferMode = TransferMode.BLIND, **more: Any) -> Transfer:
        return Transfer(call_id=call_id, mode=mode, **more)

    assert await refused(adapter, transfer(to_login_id="13")) == Result.WRONG_STATE
    await asterisk.pick_up("1001")
    await adapter.notices.next(CallStateNotice, state=CallState.BRIDGED)
    assert await refused(adapter, transfer()) == Result.MISSING_FIELD
    assert await refused(adapter, transfer(to_num="1 2&3")) == Result.BAD_VALUE
    assert await refused(adapter, transfer(to_login_id="23")) == Result.BAD_VALUE
    assert await refused(adapter, transfer(to_login_id="99")) == Result.NO_LOGIN
    unknown = transfer(to_login_id="13", from_login_id="13")
    assert await refused(adapter, unknown) == Result.NO_LOGIN
    swap = transfer(mode=TransferMode.SWAP)
    assert await refused(adapter, swap) == Result.WRONG_STATE
    await adapter.do(transfer(mode=TransferMode.CONSULT, to_login_id="13", from_login_id="23"))
    assert await refused(adapter, transfer(to_login_id="33")) == Result.WRONG_STATE
    assert await refused(adapter, swap) == Result.WRONG_STATE
    assert await refused(adapter, Hold(call_id=call_id, action=HoldAction.HOLD)) == 306


async def test_a_call_on_hold_is_transferred_to_a_number_outside(
    asterisk: FakeAsterisk, adapter: Running
) -> None:
    call_id = await speaks(asterisk, adapter)
    await adapter.do(Hold(call_id=call_id, action=HoldAction.HOLD))
    await adapter.do(Transfer(call_id=call_id, mode=TransferMode.BLIND, to_num="119"))
    told = await adapter.notices.next(TransferNotice, phase=CallPhase.RINGING)
    assert (told.mode, told.to_num, told.to_login_id) == (TransferNoticeMode.EXTERNAL, "119", None)
    await asterisk.pick_up("119@trunk")
    await adapter.notices.next(TransferNotice, phase=CallPhase.DONE)
    assert not caller(asterisk).music


@pytest.mark.parametrize("other_half_first", [False, True])
async def test_the_telephones_own_transfer_key_is_a_transfer_of_ours(
    asterisk: FakeAsterisk, adapter: Running, other_half_first: bool
) -> None:
    call_id = await speaks(asterisk, adapter)
    leg = asterisk.leg("1001").id
    await asterisk.refer(leg, "1002", other_half_first=other_half_first)
    await adapter.notices.next(TransferNotice, phase=CallPhase.RINGING)
    await asterisk.pick_up("1002")
    done = await adapter.notices.next(TransferNotice, phase=CallPhase.DONE)
    assert (done.call_id, done.from_login_id, done.to_login_id) == (call_id, "23", "13")
    assert len(adapter.notices.of(IncomingCallNotice)) == 1
    assert not [line for line in asterisk.lines.values() if line.name.startswith("Local/")]


async def test_a_local_channel_of_the_dialplan_is_a_call(
    asterisk: FakeAsterisk, adapter: Running
) -> None:
    channel = await asterisk.call()
    first = await adapter.notices.next(IncomingCallNotice)
    asterisk.lines[channel].name = "Local/12345@somewhere-00000001;2"
    asterisk.lines["L2"] = line = asterisk.lines.pop(channel)
    line.id = "L2"
    await asterisk.say("StasisStart", "L2", args=line.args)
    second = await adapter.notices.next(IncomingCallNotice)
    assert first.call_id != second.call_id


# --- 206, 214
async def test_hold_by_the_telephone_itself_is_told(
    asterisk: FakeAsterisk, adapter: Running
) -> None:
    await speaks(asterisk, adapter)
    await asterisk.say("ChannelHold", asterisk.leg("1001").id)
    held = await adapter.notices.next(HoldNotice, action=HoldNoticeAction.HOLD)
    await asterisk.say("ChannelUnhold", asterisk.leg("1001").id)
    await adapter.notices.next(HoldNotice, action=HoldNoticeAction.RETRIEVE)
    assert (held.login_id, held.phone_num) == ("23", "13800138000")


async def test_hold_that_makes_no_sense_is_refused(
    asterisk: FakeAsterisk, adapter: Running
) -> None:
    call_id = await speaks(asterisk, adapter)
    for action in (HoldAction.RETRIEVE, HoldAction.ALTERNATE, HoldAction.RECONNECT):
        assert await refused(adapter, Hold(call_id=call_id, action=action)) == 306


async def test_a_consultation_alternates(asterisk: FakeAsterisk, adapter: Running) -> None:
    call_id = await speaks(asterisk, adapter)
    await adapter.do(Transfer(call_id=call_id, mode=TransferMode.CONSULT, to_login_id="13"))
    await adapter.notices.next(TransferNotice, phase=CallPhase.RINGING)
    await asterisk.pick_up("1002")
    await adapter.notices.next(TransferNotice, phase=CallPhase.CONSULTING)
    held = []
    for _ in range(2):
        await adapter.do(Hold(call_id=call_id, action=HoldAction.ALTERNATE))
        told = await adapter.notices.next(HoldNotice, action=HoldNoticeAction.ALTERNATE)
        held.append(told.phone_num)
    assert held == ["1002", "13800138000"]
    assert caller(asterisk).music


async def test_a_party_is_muted_and_heard_again(asterisk: FakeAsterisk, adapter: Running) -> None:
    call_id = await rings(asterisk, adapter)
    mute = MuteCall(call_id=call_id, action=MuteAction.MUTE, direction=AudioDirection.BOTH)
    assert await refused(adapter, mute) == Result.WRONG_STATE
    await asterisk.pick_up("1001")
    await adapter.notices.next(CallStateNotice, state=CallState.BRIDGED)
    await adapter.do(mute)
    told = await adapter.notices.next(MuteNotice, action=MuteAction.MUTE)
    assert caller(asterisk).muted
    await adapter.do(MuteCall(call_id=call_id, action=MuteAction.UNMUTE, login_id="23"))
    other = await adapter.notices.next(MuteNotice, action=MuteAction.UNMUTE)
    assert (told.call_id, told.direction) == (call_id, AudioDirection.BOTH)
    assert (other.parent_call_id, other.login_id) == (call_id, "23")


# --- 208
async def test_a_recording_is_paused_and_goes_on(asterisk: FakeAsterisk, adapter: Running) -> None:
    call_id = await rings(asterisk, adapter)

    def control(action: RecordingAction, **more: Any) -> RecordingControl:
        return RecordingControl(call_id=call_id, action=action, **more)

    assert await refused(adapter, control(RecordingAction.START)) == Result.WRONG_STATE
    await asterisk.pick_up("1001")
    await adapter.notices.next(CallStateNotice, state=CallState.BRIDGED)
    assert await refused(adapter, control(RecordingAction.START, format="mp3")) == 103
    assert await refused(adapter, control(RecordingAction.STOP)) == Result.NO_FILE
    await adapter.do(control(RecordingAction.START, format="wav"))
    start = await adapter.notices.next(RecordingNotice, action=RecordingNoticeAction.START)
    assert await refused(adapter, control(RecordingAction.RESUME)) == Result.WRONG_STATE
    await adapter.do(control(RecordingAction.PAUSE, record_id=start.record_id))
    await adapter.notices.next(RecordingNotice, action=RecordingNoticeAction.PAUSE)
    assert await refused(adapter, control(RecordingAction.PAUSE)) == Result.WRONG_STATE
    await adapter.do(control(RecordingAction.RESUME))
    await adapter.notices.next(RecordingNotice, action=RecordingNoticeAction.RESUME)
    await adapter.do(control(RecordingAction.STOP))
    saved = await adapter.notices.next(RecordingNotice, action=RecordingNoticeAction.SAVED)
    assert (start.request_id, saved.record_id) == ("C4", start.record_id)


async def test_a_recording_that_asterisk_cannot_make_is_told(
    asterisk: FakeAsterisk, adapter: Running
) -> None:
    call_id = await speaks(asterisk, adapter)
    await adapter.do(RecordingControl(call_id=call_id, action=RecordingAction.START))
    start = await adapter.notices.next(RecordingNotice, action=RecordingNoticeAction.START)
    thing = {"name": start.record_id, "state": "failed", "cause": "disk"}
    await asterisk.say("RecordingFailed", recording=thing)
    failed = await adapter.notices.next(RecordingNotice, action=RecordingNoticeAction.FAILED)
    assert failed.reason == Reason.RECORDING_DISK


# --- 209
async def test_a_sound_is_played_to_one_party_and_a_digit_awaited(
    asterisk: FakeAsterisk, adapter: Running
) -> None:
    call_id = await rings(asterisk, adapter)

    def control(action: MediaAction, **more: Any) -> MediaControl:
        return MediaControl(call_id=call_id, action=action, **more)

    await adapter.do(control(MediaAction.PLAY, file_id="linkage/hello"))
    await adapter.notices.next(MediaNotice, action=MediaNoticeAction.START)
    assert ("POST", f"channels/{caller(asterisk).id}/play/linkage-{call_id}-p1") in (
        asterisk.requests
    )
    await asterisk.end_play("failed")
    failed = await adapter.notices.next(MediaNotice, action=MediaNoticeAction.FAILED)
    await asterisk.pick_up("1001")
    await adapter.notices.next(CallStateNotice, state=CallState.BRIDGED)
    assert await refused(adapter, control(MediaAction.PLAY)) == Result.MISSING_FIELD
    assert await refused(adapter, control(MediaAction.SEND_DTMF)) == Result.MISSING_FIELD
    await adapter.do(control(MediaAction.SEND_DTMF, digits="12#", login_id="23"))
    await adapter.do(control(MediaAction.COLLECT, file_id="beep", login_id="23"))
    await asterisk.press(caller(asterisk).id, "9")
    await asterisk.press(asterisk.leg("1001").id, "7")
    told = await adapter.notices.next(MediaNotice, action=MediaNoticeAction.DIGITS)
    assert failed.reason == Reason.MEDIA_FAILURE
    assert told.digits == "7"


# --- 213
async def test_data_of_a_call_are_merged_replaced_and_deleted(
    asterisk: FakeAsterisk, adapter: Running
) -> None:
    call_id = await speaks(asterisk, adapter)

    async def put(mode: CallDataMode | None, **data: str) -> dict[str, str | None]:
        items = tuple(KeyValue(key=key, value=value) for key, value in data.items())
        await adapter.do(SetCallData(call_id=call_id, data=items, mode=mode))
        told = await adapter.notices.next(CallDataNotice)
        return {item.key: item.value for item in told.data}

    assert await put(None, a="1", b="2") == {"a": "1", "b": "2"}
    assert await put(CallDataMode.MERGE, b="3") == {"a": "1", "b": "3"}
    assert await put(CallDataMode.DELETE, a="x") == {"b": "3"}
    assert await put(CallDataMode.REPLACE, c="4") == {"c": "4"}
    variables = caller(asterisk).variables
    assert (variables["LINKAGE_b"], variables["LINKAGE_c"]) == ("", "4")


@pytest.mark.parametrize("key", ["SHELL(id)", "1a", "EVENTID", "callid", "a b"])
async def test_a_key_that_would_do_more_than_hold_a_value_is_refused(
    asterisk: FakeAsterisk, adapter: Running, key: str
) -> None:
    call_id = await rings(asterisk, adapter)
    data = SetCallData(call_id=call_id, data=(KeyValue(key=key, value="x"),))
    assert await refused(adapter, data) == Result.BAD_VALUE


async def test_more_data_than_fit_are_refused(asterisk: FakeAsterisk, adapter: Running) -> None:
    call_id = await rings(asterisk, adapter)
    items = tuple(KeyValue(key=f"k{number}", value="x" * 60_000) for number in range(2))
    data = SetCallData(call_id=call_id, data=items)
    assert await refused(adapter, data) == Result.TOO_LONG


# --- what goes wrong at Asterisk
async def test_a_command_that_asterisk_does_not_answer_may_have_been_done(
    asterisk: FakeAsterisk, adapter: Running
) -> None:
    call_id = await speaks(asterisk, adapter)
    asterisk.silent.add("/mute")
    mute = MuteCall(call_id=call_id, action=MuteAction.MUTE)
    assert await refused(adapter, mute) == Result.TIMEOUT
    assert isinstance(await adapter.ended(), AdapterUnavailableError)
    with pytest.raises(AdapterUnavailableError):
        await adapter.do(mute)


async def test_an_answer_that_is_no_json_is_asterisks_fault(
    asterisk: FakeAsterisk, adapter: Running
) -> None:
    call_id = await speaks(asterisk, adapter)
    asterisk.garbage["/mute"] = b"<html>"
    assert await refused(adapter, MuteCall(call_id=call_id, action=MuteAction.MUTE)) == 506


async def test_a_command_that_waits_when_the_link_is_lost_is_refused(
    asterisk: FakeAsterisk, adapter: Running
) -> None:
    call_id = await speaks(asterisk, adapter)
    await asterisk.cut()
    await adapter.ended()
    with pytest.raises(AdapterUnavailableError):
        await adapter.do(Hangup(call_id=call_id))


async def test_commands_name_one_call(asterisk: FakeAsterisk, adapter: Running) -> None:
    await rings(asterisk, adapter)
    await asterisk.call(number="13800138000")
    await adapter.notices.next(IncomingCallNotice)
    assert await refused(adapter, Hangup(phone_num="13800138000")) == Result.WRONG_STATE
    assert await refused(adapter, Hangup(conference_id="7")) == Result.NO_CONFERENCE
    assert await refused(adapter, Hangup(event_id="7")) == Result.MISSING_FIELD
