"""Numbers, refusals, carriers and keys as a desk meets them, on a real Asterisk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from linkage.ports import CommandError
from protocol.messages import (
    CallMode,
    CallOut,
    CallOutResultNotice,
    CallOutType,
    CallPhase,
    CallState,
    CallStateNotice,
    ConferenceMemberControl,
    ConferenceMemberNotice,
    Group,
    HangupNotice,
    HangupScope,
    IncomingCallNotice,
    MediaAction,
    MediaControl,
    MediaNotice,
    MediaNoticeAction,
    Member,
    MemberAction,
    MemberNoticeAction,
    Phone,
    RecordingNotice,
    RecordingNoticeAction,
    Staff,
    Transfer,
    TransferMode,
    TransferNotice,
    TransferNoticeMode,
)
from protocol.reasons import Reason
from protocol.results import Result
from tests.fakes.running_adapter import Running
from tests.real.desk_scene import HOTLINE, OUTSIDE, desk
from tests.real.peers.telephone import Announces, Answers, Refuses, Rings


async def convene(adapter: Running, *numbers: str, **more: Any) -> str:
    """Call numbers into a conference; returns its ConferenceID."""
    staff = tuple(
        Staff(staff_id=str(place), staff_name="A", phone_nums=(Phone(number=number),))
        for place, number in enumerate(numbers, start=1)
    )
    group = Group(group_id="1", call_mode=CallMode.ALL, staff=staff)
    kind = {"call_type": CallOutType.CONFERENCE, **more}
    outcome = await adapter.do(CallOut(groups=(group,), **kind))
    return outcome.ids["conference_id"] or ""


# --- why a call does not come about --------------------------------------------------------------
@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("403 Forbidden", Reason.BARRED),
        ("404 Not Found", Reason.UNALLOCATED),
        ("480 Temporarily Unavailable", Reason.NO_ANSWER),
        ("483 Too Many Hops", Reason.NETWORK_FAILURE),
        ("484 Address Incomplete", Reason.INVALID_FORMAT),
        ("486 Busy Here", Reason.BUSY),
        ("488 Not Acceptable Here", Reason.MEDIA_FAILURE),
        ("500 Server Internal Error", Reason.PLATFORM_FAULT),
        ("502 Bad Gateway", Reason.NETWORK_FAILURE),
        ("503 Service Unavailable", Reason.CONGESTION),
        ("600 Busy Everywhere", Reason.BUSY),
        ("603 Decline", Reason.REJECTED),
        ("604 Does Not Exist Anywhere", Reason.UNALLOCATED),
        ("607 Unwanted", Reason.REJECTED),
        ("608 Rejected", Reason.REJECTED),
    ],
)
async def test_a_refusal_is_told_as_what_it_is(
    tmp_path: Path, status: str, reason: Reason
) -> None:
    async with desk(tmp_path, outside=Refuses(status)) as stage, stage.place.run() as adapter:
        await convene(adapter, OUTSIDE)
        told = await adapter.notices.any(CallOutResultNotice)
    assert told.reason == reason


async def test_a_carrier_that_sends_only_its_own_tone_rings(tmp_path: Path) -> None:
    async with desk(tmp_path, outside=Announces()) as stage, stage.place.run() as adapter:
        await convene(adapter, OUTSIDE, timeout=5)
        line = await stage.outside.rung()
        early = await adapter.notices.any(CallStateNotice, state=CallState.EARLY_MEDIA)
        rings = await adapter.notices.any(
            ConferenceMemberNotice, action=MemberNoticeAction.RINGING
        )
        told = await adapter.notices.any(CallOutResultNotice)
        await line.gone()
    assert (early.to_num, rings.phone_num) == (OUTSIDE, OUTSIDE)
    assert told.reason == Reason.NO_ANSWER


async def test_a_transfer_to_such_a_carrier_rings_and_is_answered(tmp_path: Path) -> None:
    async with desk(tmp_path, outside=Announces()) as stage, stage.place.run() as adapter:
        call_id, caller, _ = await stage.talk(adapter)
        await adapter.do(Transfer(call_id=call_id, to_num=OUTSIDE, mode=TransferMode.BLIND))
        line = await stage.outside.rung()
        await adapter.notices.any(TransferNotice, phase=CallPhase.RINGING)
        line.answer()
        await adapter.notices.any(TransferNotice, phase=CallPhase.DONE)
        await caller.hears(stage.outside)


# --- keys ----------------------------------------------------------------------------------------
async def test_keys_pressed_in_a_talk_are_collected_and_reach_the_other_side(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path) as stage, stage.place.run() as adapter:
        call_id, caller, _ = await stage.talk(adapter)
        await adapter.do(
            MediaControl(call_id=call_id, action=MediaAction.COLLECT, max_digits=4, timeout=20)
        )
        caller.voice.press("1*37")
        told = await adapter.notices.any(MediaNotice, action=MediaNoticeAction.DIGITS)
    assert (told.digits, told.request_id) == ("1*37", "C1")


async def test_keys_of_a_member_are_collected_in_a_conference(tmp_path: Path) -> None:
    async with desk(tmp_path) as stage, stage.place.run() as adapter:
        conference_id = await convene(adapter, "1001", "1002")
        line = await stage.first.rung()
        await adapter.notices.any(CallStateNotice, state=CallState.BRIDGED)
        member = await adapter.notices.any(
            ConferenceMemberNotice, action=MemberNoticeAction.JOINED, phone_num="1001"
        )
        await adapter.do(
            MediaControl(
                conference_id=conference_id,
                call_id=member.call_id,
                action=MediaAction.COLLECT,
                max_digits=2,
                timeout=20,
            )
        )
        line.voice.press("90")
        told = await adapter.notices.any(MediaNotice, action=MediaNoticeAction.DIGITS)
    assert told.digits == "90"


# --- numbers -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "word", ["anonymous", "Anonymous", "unavailable", "unknown", "restricted"]
)
async def test_a_withheld_number_is_no_number(tmp_path: Path, word: str) -> None:
    async with desk(tmp_path, caller=word) as stage, stage.place.run() as adapter:
        line = await stage.caller.dial(HOTLINE)
        told = await adapter.notices.next(IncomingCallNotice)
        await line.up()
        await line.hang_up()
        end = await adapter.notices.any(HangupNotice, scope=HangupScope.CALL)
    assert (told.phone_num, end.phone_num) == (None, None)
    assert told.caller_name == word


@pytest.mark.parametrize(
    ("written", "dialled"),
    [
        ("+86 139 1234 4444", "+8613912344444"),
        ("010/6655", "0106655"),
        ("（010）６６５５-1234", "01066551234"),
        ("tel:+86-139-1234-4444", "+8613912344444"),
        ("139.1234.4444", "13912344444"),
    ],
)
async def test_a_number_is_dialled_however_it_is_written(
    tmp_path: Path, written: str, dialled: str
) -> None:
    async with desk(tmp_path) as stage, stage.place.run() as adapter:
        await convene(adapter, written)
        line = await stage.outside.rung()
        told = await adapter.notices.any(CallOutResultNotice)
    assert line.invite is not None
    assert line.invite.first.startswith(f"INVITE sip:{dialled}@")
    assert (told.reason, told.phone_num) == (None, written)


@pytest.mark.parametrize(
    "text", ["1&PJSIP/1002", "1@evil.example", "1/1002", "anonymous", "12 ab"]
)
async def test_what_is_no_number_is_refused_at_once(tmp_path: Path, text: str) -> None:
    async with desk(tmp_path) as stage, stage.place.run() as adapter:
        call_id, _, _ = await stage.talk(adapter)
        with pytest.raises(CommandError) as error:
            await adapter.do(Transfer(call_id=call_id, to_num=text, mode=TransferMode.BLIND))
        await convene(adapter, "1002", text)
        told = await adapter.notices.any(CallOutResultNotice, phone_num=text)
    assert error.value.result == Result.BAD_VALUE
    assert text in error.value.detail
    assert told.reason == Reason.INVALID_FORMAT
    assert stage.outside.calls_waiting == 0


# --- the hotline as a target ---------------------------------------------------------------------
async def test_a_call_is_transferred_to_the_hotline_again(tmp_path: Path) -> None:
    async with desk(tmp_path) as stage, stage.place.run() as adapter:
        call_id, caller, officer = await stage.talk(adapter)
        await adapter.do(Transfer(call_id=call_id, to_num=HOTLINE, mode=TransferMode.BLIND))
        colleague = await stage.second.rung()  # not 1001, who has just given it away
        done = await adapter.notices.any(TransferNotice, phase=CallPhase.DONE)
        await officer.gone()
        await caller.hears(stage.second)
        await colleague.hears(stage.caller)
    assert (done.call_id, done.to_num, done.mode) == (call_id, HOTLINE, TransferNoticeMode.QUEUE)
    assert adapter.notices.of(HangupNotice, scope=HangupScope.CALL) == []


async def test_nobody_else_of_the_hotline_answers_and_the_caller_is_not_lost(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path, ring_s=2) as stage, stage.place.run() as adapter:
        call_id, caller, _ = await stage.talk(adapter)
        stage.second.manner = Refuses()
        await adapter.do(Transfer(call_id=call_id, to_num=HOTLINE, mode=TransferMode.BLIND))
        await stage.first.rung()
        await caller.hears(stage.first)


@pytest.mark.parametrize("strategy", ["in-order", "all"])
async def test_the_hotline_is_consulted_before_it_gets_the_call(
    tmp_path: Path, strategy: str
) -> None:
    async with desk(tmp_path, strategy=strategy) as stage, stage.place.run() as adapter:
        stage.second.manner = Rings()
        call_id, caller, officer = await stage.talk(adapter)
        stage.second.manner = Answers()
        await adapter.do(Transfer(call_id=call_id, to_num=HOTLINE, mode=TransferMode.CONSULT))
        await adapter.notices.any(TransferNotice, phase=CallPhase.CONSULTING)
        await officer.hears(stage.second)
        await caller.hears_music(stage.first, stage.second)
        await adapter.do(Transfer(call_id=call_id, mode=TransferMode.COMPLETE))
        await caller.hears(stage.second)


# --- a recording of an Asterisk that died --------------------------------------------------------
async def test_what_a_killed_asterisk_has_recorded_is_kept_with_its_true_length(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path, record=True) as stage:
        async with stage.place.run() as adapter:
            await stage.talk(adapter)
            await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.START)
            await stage.asterisk.recorded(2)
            await stage.asterisk.kill()
            await adapter.ended()
        await stage.asterisk.start()
        async with stage.place.run() as again:
            saved = await again.notices.any(RecordingNotice, action=RecordingNoticeAction.SAVED)
    stored = stage.place.files.saved[0]
    data = stored.path.read_bytes()
    assert saved.duration == round((len(data) - 44) / 16_000) > 0
    assert int.from_bytes(data[40:44], "little") == len(data) - 44


async def test_a_recording_of_a_killed_asterisk_without_sound_is_a_failed_one(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path, record=True) as stage:
        async with stage.place.run() as adapter:
            await stage.talk(adapter)
            start = await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.START)
            await stage.asterisk.kill()
            await adapter.ended()
        # As it is when nothing had filled a buffer yet: the header, and nothing else.
        path = stage.asterisk.recordings / f"{start.record_id}.wav"
        path.write_bytes(path.read_bytes()[:44])
        await stage.asterisk.start()
        async with stage.place.run() as again:
            failed = await again.notices.any(RecordingNotice, action=RecordingNoticeAction.FAILED)
            saved = again.notices.of(RecordingNotice, action=RecordingNoticeAction.SAVED)
    assert (failed.reason, saved) == (Reason.RECORDING_NO_MEDIA, [])


# --- redial --------------------------------------------------------------------------------------
async def test_who_was_busy_and_who_left_are_called_again(tmp_path: Path) -> None:
    async with desk(tmp_path, outside=Refuses()) as stage, stage.place.run() as adapter:
        conference_id = await convene(adapter, "1001", "1002", OUTSIDE)

        async def redial(**member: str) -> None:
            await adapter.do(
                ConferenceMemberControl(
                    conference_id=conference_id,
                    action=MemberAction.REDIAL,
                    members=(Member(**member),),
                )
            )

        first, second = await stage.first.rung(), await stage.second.rung()
        await adapter.notices.any(CallOutResultNotice, reason=Reason.BUSY)
        stage.outside.manner = Answers()
        await redial(phone_num="139 1234 4444")
        await stage.outside.rung()
        await first.hears(stage.outside)
        left = await adapter.notices.any(
            ConferenceMemberNotice, action=MemberNoticeAction.JOINED, phone_num="1002"
        )
        await second.hang_up()
        await adapter.notices.any(ConferenceMemberNotice, action=MemberNoticeAction.LEFT)
        await redial(member_id=left.member_id or "")
        back = await stage.second.rung()
        await back.hears(stage.first, stage.outside)
        with pytest.raises(CommandError) as error:
            await redial(staff_id="1")
    assert error.value.result == Result.ALREADY_EXISTS
