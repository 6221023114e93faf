"""Conferences and call-outs on a real Asterisk: the patent's second embodiment, and its variants.

1001 and 1002 answer, 1003 is busy, 1004 rings for ever, 1005 rejects, 1006 is not there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from linkage.ports import Outcome
from protocol.messages import (
    CallMode,
    CallOut,
    CallOutProgressNotice,
    CallOutResultNotice,
    CallOutType,
    CallPhase,
    CallState,
    CallStateNotice,
    CancelCallOut,
    ConferenceAction,
    ConferenceControl,
    ConferenceMemberControl,
    ConferenceMemberNotice,
    ConferenceNotice,
    ConferenceNoticeAction,
    Group,
    Hangup,
    HangupNotice,
    HangupScope,
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
)
from protocol.reasons import Reason
from protocol.results import Result
from tests.fakes.running_adapter import Running
from tests.real.peers.audio import samples_of, share_of
from tests.real.peers.sipp import CALLER_TONE_HZ, OFFICER_TONE_HZ, SippOfficer, Talk
from tests.real.test_asterisk_adapter import nothing_left, scene


def staff(staff_id: str, name: str, *numbers: str) -> Staff:
    """Somebody with numbers of type 01, 02, …"""
    return Staff(
        staff_id=staff_id,
        staff_name=name,
        phone_nums=tuple(
            Phone(number=number, num_type=f"{place:02}")
            for place, number in enumerate(numbers, start=1)
        ),
    )


async def convene(adapter: Running, mode: CallMode, *people: Staff, **more: Any) -> Outcome:
    command = CallOut(
        event_id="1213243",
        login_id="99",
        call_type=CallOutType.CONFERENCE,
        groups=(Group(group_id="1", call_mode=mode, staff=people),),
        **more,
    )
    return await adapter.do(command)


async def joined(adapter: Running, number: str) -> ConferenceMemberNotice:
    return await adapter.notices.any(
        ConferenceMemberNotice, action=MemberNoticeAction.JOINED, phone_num=number
    )


async def result(adapter: Running, staff_id: str) -> CallOutResultNotice:
    return await adapter.notices.any(CallOutResultNotice, staff_id=staff_id)


async def ended(adapter: Running) -> ConferenceNotice:
    await adapter.notices.any(HangupNotice, scope=HangupScope.CALL)
    return await adapter.notices.any(ConferenceNotice, action=ConferenceNoticeAction.ENDED)


async def end(adapter: Running, outcome: Outcome) -> ConferenceNotice:
    await adapter.do(
        ConferenceControl(conference_id=outcome.ids["conference_id"], action=ConferenceAction.END)
    )
    return await ended(adapter)


async def test_the_second_embodiment_convenes_an_emergency_conference(tmp_path: Path) -> None:
    """Steps 401 to 420: leader and department join, the expert is busy, his deputy joins."""
    async with scene(tmp_path, ["1001"]) as stage, stage.place.run() as adapter:
        outcome = await adapter.do(
            CallOut(
                event_id="1213243",
                login_id="13",
                call_type=CallOutType.CONFERENCE,
                groups=(
                    Group(
                        group_id="136",
                        group_name="领导",
                        call_mode=CallMode.ALL,
                        staff=(staff("123", "指挥大厅领导", "1001", "1004"),),
                    ),
                    Group(
                        group_id="137",
                        group_name="专家组",
                        call_mode=CallMode.SEQUENTIAL,
                        staff=(staff("138", "专家", "1003"), staff("139", "备选专家", "1002")),
                    ),
                ),
            )
        )
        assert outcome.result is Result.ACCEPTED
        created = await adapter.notices.next(ConferenceNotice)
        stands = await adapter.notices.next(
            ConferenceNotice, action=ConferenceNoticeAction.CONNECTED
        )
        results = {
            each.staff_id: (each.reason, each.phone_num, each.attempt)
            for each in adapter.notices.of(CallOutResultNotice)
        }
        assert len(await stage.channels()) == 2
        await adapter.do(
            ConferenceControl(
                conference_id=outcome.ids["conference_id"], action=ConferenceAction.END
            )
        )
        end = await adapter.notices.any(HangupNotice, scope=HangupScope.CALL)
        await nothing_left(stage.place)
        assert not await stage.channels()
        joined = adapter.notices.of(ConferenceMemberNotice, action=MemberNoticeAction.JOINED)
        left = adapter.notices.of(HangupNotice, reason=Reason.CONFERENCE_ENDED)
        over = adapter.notices.of(ConferenceNotice, action=ConferenceNoticeAction.ENDED)
    assert (created.action, created.event_id) == (ConferenceNoticeAction.CREATED, "1213243")
    assert (created.conference_id, created.call_id) == (
        outcome.ids["conference_id"],
        outcome.ids["call_id"],
    )
    assert (stands.member_count, stands.request_id) == (2, "C1")
    assert results == {
        "123": (None, "1001", 1),
        "138": (Reason.BUSY, "1003", 1),
        "139": (None, "1002", 1),
    }
    assert {each.phone_num for each in joined} == {"1001", "1002"}
    assert {each.scope for each in left} == {HangupScope.LEG, HangupScope.CALL}
    assert (len(left), len(over)) == (3, 1)
    assert (end.call_id, end.conference_id) == (
        outcome.ids["call_id"],
        outcome.ids["conference_id"],
    )


# --- who is called -------------------------------------------------------------------------------
async def test_the_next_number_is_tried_after_a_rejection_and_after_silence(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path, ["1001"]) as stage, stage.place.run() as adapter:
        outcome = await convene(
            adapter, CallMode.ALL, staff("1", "Leader", "1005", "1004", "1002"), timeout=3
        )
        told = await result(adapter, "1")
        reasons = [
            each.reason for each in adapter.notices.of(CallStateNotice, state=CallState.FAILED)
        ]
        await end(adapter, outcome)
        await nothing_left(stage.place)
    assert (told.reason, told.phone_num, told.num_type, told.attempt) == (None, "1002", "03", 3)
    assert reasons == [Reason.REJECTED, Reason.NO_ANSWER]
    assert "cancelled" in stage.phones["1004"].log


async def test_a_conference_to_which_nobody_comes_ends_by_itself(tmp_path: Path) -> None:
    async with scene(tmp_path, ["1001"]) as stage, stage.place.run() as adapter:
        await convene(
            adapter,
            CallMode.ALL,
            staff("1", "Busy", "1003"),
            staff("2", "Silent", "1004"),
            staff("3", "Unwilling", "1005"),
            timeout=3,
        )
        over = await ended(adapter)
        reasons = {each.staff_id: each.reason for each in adapter.notices.of(CallOutResultNotice)}
        await nothing_left(stage.place)
        assert not await stage.channels()
    assert reasons == {"1": Reason.BUSY, "2": Reason.NO_ANSWER, "3": Reason.REJECTED}
    assert over.reason == Reason.CALL_FAILED


async def test_the_first_to_answer_wins_and_the_others_stop_ringing(tmp_path: Path) -> None:
    async with scene(tmp_path, ["1001"]) as stage, stage.place.run() as adapter:
        outcome = await convene(
            adapter, CallMode.FIRST_WINS, staff("1", "Silent", "1004"), staff("2", "Here", "1001")
        )
        lost, won = await result(adapter, "1"), await result(adapter, "2")
        await adapter.notices.any(CallOutProgressNotice, finished=True, skipped=1)
        await adapter.notices.any(
            ConferenceMemberNotice, action=MemberNoticeAction.LEFT, phone_num="1004"
        )
        assert len(await stage.channels()) == 1
        await end(adapter, outcome)
    assert (won.reason, lost.reason) == (None, Reason.ANSWERED_ELSEWHERE)


async def test_a_call_out_is_cancelled_while_it_rings(tmp_path: Path) -> None:
    async with scene(tmp_path, ["1001"]) as stage, stage.place.run() as adapter:
        await convene(
            adapter, CallMode.SEQUENTIAL, staff("1", "A", "1004"), staff("2", "B", "1001")
        )
        await adapter.notices.any(ConferenceMemberNotice, action=MemberNoticeAction.RINGING)
        await adapter.do(CancelCallOut(request_id="C1"))
        await ended(adapter)
        await nothing_left(stage.place)
        reasons = [each.reason for each in adapter.notices.of(CallOutResultNotice)]
    assert reasons == [Reason.OPERATOR_CANCELLED] * 2
    assert not stage.phones["1001"].log


# --- its life ------------------------------------------------------------------------------------
async def rescript(phone: SippOfficer, *script: Talk, tone_hz: float = OFFICER_TONE_HZ) -> None:
    """Let a telephone do something else from its next call on."""
    await phone.stop()
    phone._script, phone._tone_hz = script or phone._script, tone_hz
    await phone.start()


async def test_it_ends_when_the_last_member_hangs_up(tmp_path: Path) -> None:
    async with scene(tmp_path, ["1001"]) as stage, stage.place.run() as adapter:
        await rescript(stage.phones["1001"], Talk(2))
        await rescript(stage.phones["1002"], Talk(5))
        await convene(adapter, CallMode.ALL, staff("1", "A", "1001"), staff("2", "B", "1002"))
        over = await ended(adapter)
        left = adapter.notices.of(ConferenceMemberNotice, action=MemberNoticeAction.LEFT)
        await nothing_left(stage.place)
        assert not await stage.channels()
    assert [(each.phone_num, each.reason) for each in left] == [
        ("1001", Reason.NORMAL),
        ("1002", Reason.NORMAL),
    ]
    assert over.reason == Reason.NORMAL


@pytest.mark.parametrize("muted", [False, True])
async def test_a_recording_has_everybodys_voice_but_that_of_the_muted(
    tmp_path: Path, muted: bool
) -> None:
    async with scene(tmp_path, ["1001"]) as stage, stage.place.run() as adapter:
        await rescript(stage.phones["1002"], tone_hz=CALLER_TONE_HZ)
        people = (staff("1", "A", "1001"), staff("2", "B", "1002"))
        outcome = await convene(adapter, CallMode.ALL, *people)
        await adapter.notices.any(ConferenceNotice, action=ConferenceNoticeAction.CONNECTED)
        if muted:
            await adapter.do(
                ConferenceMemberControl(
                    conference_id=outcome.ids["conference_id"],
                    action=MemberAction.MUTE,
                    members=(Member(staff_id="2"),),
                )
            )
        for action in (ConferenceAction.RECORD_ON, ConferenceAction.PLAY):
            await adapter.do(
                ConferenceControl(
                    conference_id=outcome.ids["conference_id"], action=action, file_id="beep"
                )
            )
        await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.START)
        await adapter.notices.any(MediaNotice, action=MediaNoticeAction.DONE)
        await stage.asterisk.recorded()
        await end(adapter, outcome)
        saved = await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.SAVED)
        await nothing_left(stage.place)
    (file,) = stage.place.files.saved
    samples = samples_of(file.path)
    assert (saved.call_id, saved.conference_id) == (
        outcome.ids["call_id"],
        outcome.ids["conference_id"],
    )
    assert share_of(samples, OFFICER_TONE_HZ) > 0.2
    assert (share_of(samples, CALLER_TONE_HZ) > 0.2) is not muted


async def test_members_are_added_deafened_held_and_shown_out(tmp_path: Path) -> None:
    async with scene(tmp_path, ["1001"]) as stage, stage.place.run() as adapter:
        outcome = await adapter.do(ConferenceControl(action=ConferenceAction.CREATE))

        async def do(action: MemberAction, number: str) -> None:
            member = Member(phone_num=number)
            await adapter.do(
                ConferenceMemberControl(
                    conference_id=outcome.ids["conference_id"], action=action, members=(member,)
                )
            )

        for number in ("1001", "1002"):
            await do(MemberAction.ADD, number)
            await joined(adapter, number)
        await adapter.notices.next(CallStateNotice, state=CallState.BRIDGED)
        for action in (
            MemberAction.DEAF,
            MemberAction.UNDEAF,
            MemberAction.HOLD,
        ):
            await do(action, "1002")
        await adapter.notices.next(CallStateNotice, state=CallState.UNBRIDGED)
        await do(MemberAction.RETRIEVE, "1002")
        await adapter.notices.next(CallStateNotice, state=CallState.BRIDGED)
        await do(MemberAction.KICK, "1002")
        kicked = await adapter.notices.any(
            ConferenceMemberNotice, action=MemberNoticeAction.KICKED
        )
        await end(adapter, outcome)
        await nothing_left(stage.place)
    assert (kicked.phone_num, kicked.reason) == ("1002", Reason.KICKED)
    assert "was hung up" in stage.phones["1002"].log


# --- one dispatcher, one number ------------------------------------------------------------------
async def test_a_dispatcher_is_connected_with_one_number_and_transfers_the_call(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path, ["1001"]) as stage, stage.place.run() as adapter:
        outcome = await adapter.do(
            CallOut(
                event_id="1213243",
                login_id="23",
                call_type=CallOutType.SINGLE,
                groups=(Group(staff=(staff("1", "Fire station", "1003", "1002"),)),),
            )
        )
        told = await result(adapter, "1")
        bridged = await adapter.notices.any(CallStateNotice, state=CallState.BRIDGED)
        assert len(await stage.channels()) == 2
        await adapter.do(
            Transfer(call_id=outcome.ids["call_id"], to_login_id="43", mode=TransferMode.CONSULT)
        )
        await adapter.notices.next(TransferNotice, phase=CallPhase.RINGING)
        await adapter.do(Transfer(call_id=outcome.ids["call_id"], mode=TransferMode.CANCEL))
        await adapter.notices.next(TransferNotice, phase=CallPhase.CANCELLED)
        await adapter.do(Hangup(call_id=outcome.ids["call_id"]))
        over = await adapter.notices.any(HangupNotice, scope=HangupScope.CALL)
        await nothing_left(stage.place)
        assert not await stage.channels()
    assert (told.reason, told.phone_num, told.call_id) == (None, "1002", outcome.ids["call_id"])
    assert (bridged.call_id, bridged.login_id) == (outcome.ids["call_id"], "23")
    assert over.call_id == outcome.ids["call_id"]


# --- loss ----------------------------------------------------------------------------------------
async def test_members_stay_when_linkage_is_killed_in_the_middle_of_a_convening(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path, ["1001"]) as stage:
        await rescript(stage.phones["1001"], Talk(6))
        async with stage.place.run() as adapter:
            outcome = await convene(
                adapter,
                CallMode.SEQUENTIAL,
                staff("1", "Busy", "1003"),
                staff("2", "Silent", "1004"),
                staff("3", "Reserve", "1002"),
                timeout=4,
            )
            more = await convene(
                adapter,
                CallMode.ALL,
                staff("4", "Leader", "1001"),
                conference_id=outcome.ids["conference_id"],
            )
            await joined(adapter, "1001")
            await adapter.notices.any(
                ConferenceMemberNotice, action=MemberNoticeAction.RINGING, phone_num="1004"
            )
        async with stage.place.run() as adapter:
            silent = await result(adapter, "2")
            reserve = await result(adapter, "3")
            left = await adapter.notices.any(
                ConferenceMemberNotice, action=MemberNoticeAction.LEFT, phone_num="1001"
            )
            told_again = adapter.notices.of(CallOutResultNotice, staff_id="1")
            await end(adapter, outcome)
            await nothing_left(stage.place)
            assert not await stage.channels()
    assert more.ids["call_id"] == outcome.ids["call_id"]
    assert (silent.reason, reserve.reason, left.reason) == (
        Reason.NO_ANSWER,
        None,
        Reason.NORMAL,
    )
    assert not told_again
    invited = {number: phone.log.count("invited") for number, phone in stage.phones.items()}
    assert invited["1001"] == invited["1002"] == invited["1004"] == 1
