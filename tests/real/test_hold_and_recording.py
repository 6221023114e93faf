"""The hold key, and recordings that outlast silence, on a real Asterisk: by who hears whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.messages import (
    CallMode,
    CallOut,
    CallOutType,
    CallState,
    CallStateNotice,
    Group,
    Hold,
    HoldAction,
    HoldNotice,
    HoldNoticeAction,
    Phone,
    RecordingAction,
    RecordingControl,
    RecordingNotice,
    RecordingNoticeAction,
    Staff,
    Transfer,
    TransferMode,
)
from protocol.reasons import Reason
from tests.fakes.running_adapter import Running
from tests.real.desk_scene import TONES_HZ, desk
from tests.real.peers.audio import PIECE, samples_of, share_of

HEARD = 0.2


def spoken(path: Path, frequency_hz: float) -> list[bool]:
    """In which tenths of a second of a recording a tone is."""
    samples = samples_of(path)
    pieces = [samples[n : n + PIECE] for n in range(0, len(samples) - PIECE + 1, PIECE)]
    return [share_of(piece, frequency_hz) >= HEARD for piece in pieces]


async def saved(adapter: Running) -> RecordingNotice:
    return await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.SAVED)


# --- the hold key --------------------------------------------------------------------------------
@pytest.mark.parametrize("record", [False, True])
async def test_who_is_held_by_the_telephones_key_hears_music_and_nobody_else(
    tmp_path: Path, *, record: bool
) -> None:
    async with desk(tmp_path, record=record) as stage, stage.place.run() as adapter:
        _, caller, officer = await stage.talk(adapter)
        if record:
            await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.START)
        await officer.hold()
        held = await adapter.notices.next(HoldNotice, action=HoldNoticeAction.HOLD)
        await caller.hears_music(stage.first)
        await officer.never_hears(stage.caller)
        await officer.retrieve()
        await adapter.notices.next(HoldNotice, action=HoldNoticeAction.RETRIEVE)
        await caller.hears(stage.first)
        await officer.hears(stage.caller)
        # The other way round: the caller's telephone has such a key as well.
        await caller.hold()
        await adapter.notices.next(HoldNotice, action=HoldNoticeAction.HOLD)
        await officer.hears_music(stage.caller)
        await caller.retrieve()
        await officer.hears(stage.caller)
        await caller.hears(stage.first)
    assert (held.login_id, held.phone_num) == ("23", "13800138000")


async def test_who_was_held_by_the_key_is_transferred_and_speaks(tmp_path: Path) -> None:
    async with desk(tmp_path, record=True) as stage, stage.place.run() as adapter:
        call_id, caller, officer = await stage.talk(adapter)
        await officer.hold()
        await caller.hears_music(stage.first)
        transfer = Transfer(call_id=call_id, to_login_id="13", mode=TransferMode.BLIND)
        await adapter.do(transfer)
        colleague = await stage.second.rung()
        await caller.hears(stage.second)
        await colleague.hears(stage.caller)


# --- recordings ----------------------------------------------------------------------------------
async def test_a_recording_outlasts_a_long_hold_and_is_one_file(tmp_path: Path) -> None:
    async with desk(tmp_path, record=True) as stage, stage.place.run() as adapter:
        _, caller, officer = await stage.talk(adapter)
        start = await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.START)
        await stage.asterisk.recorded(1.5)
        await officer.hold()
        await caller.hears_music(stage.first)
        await stage.asterisk.recorded(6)  # longer than Asterisk waits for sound
        await officer.retrieve()
        await caller.hears(stage.first)
        await stage.asterisk.recorded(1.5)
        await caller.hang_up()
        told = await saved(adapter)
        path = stage.place.files.saved[0].path
    names = {each.record_id for each in adapter.notices.of(RecordingNotice)}
    assert names == {start.record_id}
    assert sum(spoken(path, TONES_HZ["caller"])[-10:]) >= 5
    assert sum(spoken(path, TONES_HZ["1001"])[-10:]) >= 5
    assert told.duration == round(len(samples_of(path)) / 8000)
    assert len(stage.place.files.saved) == 1


async def test_a_hold_by_command_and_a_transfer_do_not_end_a_recording(tmp_path: Path) -> None:
    async with desk(tmp_path) as stage, stage.place.run() as adapter:
        call_id, caller, officer = await stage.talk(adapter)
        await adapter.do(RecordingControl(call_id=call_id, action=RecordingAction.START))
        await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.START)
        await stage.asterisk.recorded(1.5)
        officer.held = True  # says nothing while the other hears music
        await adapter.do(Hold(call_id=call_id, action=HoldAction.HOLD))
        pause = await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.PAUSE)
        await adapter.do(Transfer(call_id=call_id, to_login_id="13", mode=TransferMode.BLIND))
        await stage.second.rung()
        await caller.hears(stage.second)
        await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.RESUME)
        await stage.asterisk.recorded(1.5)
        await caller.hang_up()
        await saved(adapter)
        path = stage.place.files.saved[0].path
    assert pause.reason == Reason.RECORDING_NO_MEDIA
    assert sum(spoken(path, TONES_HZ["1002"])[-10:]) >= 5


async def test_a_conference_of_one_silent_member_is_recorded_when_somebody_speaks(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path) as stage, stage.place.run() as adapter:
        stage.first.frame = b""
        staff = (Staff(staff_id="1", staff_name="A", phone_nums=(Phone(number="1001"),)),)
        group = Group(group_id="1", call_mode=CallMode.ALL, staff=staff)
        outcome = await adapter.do(
            CallOut(call_type=CallOutType.CONFERENCE, record=True, groups=(group,))
        )
        await stage.first.rung()
        await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.PAUSE)
        other = Staff(staff_id="2", staff_name="B", phone_nums=(Phone(number="1002"),))
        more = Group(group_id="2", call_mode=CallMode.ALL, staff=(other,))
        await adapter.do(
            CallOut(
                conference_id=outcome.ids["conference_id"],
                call_type=CallOutType.CONFERENCE,
                groups=(more,),
            )
        )
        line = await stage.second.rung()
        await adapter.notices.any(CallStateNotice, state=CallState.BRIDGED)
        await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.RESUME)
        await stage.asterisk.recorded(1.5)
        await line.hang_up()
        for each in stage.first.lines:
            await each.hang_up()
        await saved(adapter)
        path = stage.place.files.saved[0].path
    assert sum(spoken(path, TONES_HZ["1002"])) >= 10
