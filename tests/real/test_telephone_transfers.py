"""Officers, callers and parties outside press the transfer keys of their telephones (REFER).

Rows "attended transfer" and "blind transfer" of docs/reference/asterisk.md.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.messages import (
    CallOut,
    CallOutType,
    CallPhase,
    Group,
    HangupNotice,
    HangupScope,
    IncomingCallNotice,
    Phone,
    Staff,
    TransferNotice,
    TransferNoticeMode,
)
from protocol.reasons import Reason
from tests.fakes.running_adapter import Running
from tests.real.peers.telephone import Line, Refuses, Rings
from tests.real.telephones import (
    OTHER_HOTLINE,
    OUTSIDE,
    Stage,
    bridged,
    stage,
    together,
)

WAITS, AT_ONCE = "waits", "at once"
"""When a telephone that transfers hangs up: once it is told the outcome, or in the same breath."""
BY_US, BY_ASTERISK = "by us", "by Asterisk"
"""Who transfers: linkage, or an older Asterisk by itself, which linkage takes over from."""
WAYS = [(WAITS, BY_US), (AT_ONCE, BY_US), (WAITS, BY_ASTERISK)]
"""An Asterisk that transfers by itself now and then loses who hangs up in the same breath."""


async def press_transfer(stage: Stage, line: Line, to: Line | str, manner: str, way: str) -> None:
    """The transfer key, and the two BYEs of the telephone behind it."""
    if way == BY_ASTERISK:
        await stage.transfers_by_itself()
    if manner == AT_ONCE:
        await line.transfer_and_leave(to)
        return
    status = await (line.transfer(to) if isinstance(to, str) else line.transfer_to(to))
    assert status == 202
    assert await line.told_of_transfer() == 200
    for each in (line, to):
        if isinstance(each, Line) and each.state == "up":
            await each.hang_up()


async def consult(officer: Line, number: str) -> Line:
    """The officer puts the caller on hold and calls somebody by his second line."""
    await officer.hold()
    return await officer.phone.dial(number)


async def one_call_was_transferred(
    adapter: Running, call_id: str, login: str | None
) -> TransferNotice:
    """What is told of it: 105 done under the caller's call, the consultation a part of it."""
    done = await adapter.notices.any(TransferNotice, phase=CallPhase.DONE)
    calls = [each.call_id for each in adapter.notices.of(IncomingCallNotice)]
    assert len(calls) == 2
    assert (done.call_id, done.new_call_id) == (call_id, calls[1])
    assert (done.mode, done.to_login_id) == (TransferNoticeMode.ATTENDED, login)
    assert not adapter.notices.of(TransferNotice, phase=CallPhase.FAILED)
    return done


@pytest.mark.parametrize(("manner", "way"), WAYS)
@pytest.mark.parametrize("trunk", [False, True], ids=["no trunk", "trunk"])
async def test_an_officer_consults_a_colleague_and_leaves_the_caller_to_him(
    tmp_path: Path, trunk: bool, manner: str, way: str
) -> None:
    async with stage(tmp_path, trunk=trunk) as scene, scene.place.run() as adapter:
        call_id, caller, officer = await scene.talk(adapter)
        second = await consult(officer, "1002")
        colleague = await scene.officers["1002"].rung()
        await together(second, colleague)
        await press_transfer(scene, officer, second, manner, way)
        await together(caller, colleague)
        done = await one_call_was_transferred(adapter, call_id, "13")
        consultation = await adapter.notices.any(
            HangupNotice, call_id=done.new_call_id, scope=HangupScope.CALL
        )
        told = [each.message for each in adapter.notices.told]
        await second.gone()
        await officer.gone()
        assert not scene.outside.lines
        assert len(officer.phone.lines) == 2
        await caller.hang_up()
        await colleague.gone()
        end = await scene.over(adapter, call_id)
    assert consultation.reason == Reason.TRANSFERRED
    assert told.index(done) < told.index(consultation)
    assert (end.reason, end.login_id) == (Reason.NORMAL, "13")


@pytest.mark.parametrize(("manner", "way"), WAYS)
async def test_an_officer_transfers_while_the_colleague_still_rings(
    tmp_path: Path, manner: str, way: str
) -> None:
    async with stage(tmp_path) as scene, scene.place.run() as adapter:
        call_id, caller, officer = await scene.talk(adapter)
        scene.officers["1002"].manner = Rings()
        second = await consult(officer, "1002")
        colleague = await scene.officers["1002"].rung()
        await second.until("ringing")
        await press_transfer(scene, officer, second, manner, way)
        await adapter.notices.any(TransferNotice, phase=CallPhase.RINGING)
        colleague.answer()
        await together(caller, colleague)
        await one_call_was_transferred(adapter, call_id, "13")
        await colleague.hang_up()
        await caller.gone()
        await scene.over(adapter, call_id)


async def test_a_colleague_who_does_not_answer_after_all_leaves_the_caller_to_the_officer(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path) as scene, scene.place.run() as adapter:
        call_id, caller, officer = await scene.talk(adapter)
        scene.officers["1002"].manner = Rings()
        second = await consult(officer, "1002")
        colleague = await scene.officers["1002"].rung()
        await second.until("ringing")
        await press_transfer(scene, officer, second, AT_ONCE, BY_US)
        await adapter.notices.any(TransferNotice, phase=CallPhase.RINGING)
        colleague.respond("486 Busy Here")
        colleague.become("gone")
        failed = await adapter.notices.any(TransferNotice, phase=CallPhase.FAILED)
        again = await scene.officers["1001"].rung()
        await together(caller, again)
        await caller.hang_up()
        await scene.over(adapter, call_id)
    assert (failed.call_id, failed.reason) == (call_id, Reason.BUSY)


@pytest.mark.parametrize("way", [BY_US, BY_ASTERISK])
async def test_an_officer_consults_somebody_outside(tmp_path: Path, way: str) -> None:
    async with stage(tmp_path, trunk=True) as scene, scene.place.run() as adapter:
        call_id, caller, officer = await scene.talk(adapter)
        second = await consult(officer, OUTSIDE)
        outside = await scene.outside.rung()
        await together(second, outside)
        await press_transfer(scene, officer, second, WAITS, way)
        await together(caller, outside)
        done = await one_call_was_transferred(adapter, call_id, None)
        assert len(scene.outside.lines) == 1
        await outside.hang_up()
        await caller.gone()
        await scene.over(adapter, call_id)
    assert done.to_num == OUTSIDE


@pytest.mark.parametrize("way", [BY_US, BY_ASTERISK])
async def test_an_officer_who_called_out_leaves_the_call_to_a_colleague(
    tmp_path: Path, way: str
) -> None:
    staff = Staff(staff_id="1", phone_nums=(Phone(number=OUTSIDE),))
    group = Group(group_id="1", staff=(staff,))
    async with stage(tmp_path, trunk=True) as scene, scene.place.run() as adapter:
        outcome = await adapter.do(
            CallOut(login_id="23", call_type=CallOutType.SINGLE, groups=(group,))
        )
        officer = await scene.officers["1001"].rung()
        outside = await scene.outside.rung()
        await together(officer, outside)
        second = await consult(officer, "1002")
        colleague = await scene.officers["1002"].rung()
        await together(second, colleague)
        await press_transfer(scene, officer, second, WAITS, way)
        await together(outside, colleague)
        done = await adapter.notices.any(TransferNotice, phase=CallPhase.DONE)
        await outside.hang_up()
        await colleague.gone()
        await scene.over(adapter, outcome.ids["call_id"] or "")
    assert (done.call_id, done.phone_num, done.to_login_id) == (
        outcome.ids["call_id"],
        OUTSIDE,
        "13",
    )
    assert done.new_call_id == adapter.notices.of(IncomingCallNotice)[0].call_id


@pytest.mark.parametrize(("manner", "way"), WAYS)
async def test_a_caller_brings_two_officers_together_and_leaves(
    tmp_path: Path, manner: str, way: str
) -> None:
    async with stage(tmp_path) as scene, scene.place.run() as adapter:
        call_id, caller, first = await scene.talk(adapter)
        await caller.hold()
        second = await scene.caller.dial(OTHER_HOTLINE)
        other = await scene.officers["1002"].rung()
        await together(second, other)
        await press_transfer(scene, caller, second, manner, way)
        await together(first, other)
        done = await one_call_was_transferred(adapter, call_id, "13")
        await first.hang_up()
        await other.gone()
        await scene.over(adapter, call_id)
    assert (done.from_login_id, done.from_ext) == (None, scene.caller.number)


async def test_an_officer_connects_two_callers_with_each_other(tmp_path: Path) -> None:
    async with stage(tmp_path) as scene, scene.place.run() as adapter:
        call_id, caller, officer = await scene.talk(adapter)
        await officer.hold()
        other = await scene.outside.dial("12345")
        second = await scene.officers["1001"].rung()
        await together(other, second)
        await press_transfer(scene, officer, second, WAITS, BY_US)
        await together(caller, other)
        await one_call_was_transferred(adapter, call_id, None)
        await other.hang_up()
        await caller.gone()
        await scene.over(adapter, call_id)


# --- blind ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("way", [BY_US, BY_ASTERISK])
@pytest.mark.parametrize("manner", [WAITS, AT_ONCE])
async def test_an_officer_sends_the_caller_to_a_colleague(
    tmp_path: Path, manner: str, way: str
) -> None:
    async with stage(tmp_path) as scene, scene.place.run() as adapter:
        call_id, caller, officer = await scene.talk(adapter)
        await press_transfer(scene, officer, "1002", manner, way)
        colleague = await scene.officers["1002"].rung()
        await together(caller, colleague)
        done = await adapter.notices.any(TransferNotice, phase=CallPhase.DONE)
        await caller.hang_up()
        await scene.over(adapter, call_id)
        assert len(adapter.notices.of(IncomingCallNotice)) == 1
    assert (done.call_id, done.mode) == (call_id, TransferNoticeMode.BLIND)
    assert (done.from_login_id, done.to_login_id) == ("23", "13")


@pytest.mark.parametrize("manner", [WAITS, AT_ONCE])
async def test_an_officer_sends_the_caller_outside(tmp_path: Path, manner: str) -> None:
    async with stage(tmp_path, trunk=True) as scene, scene.place.run() as adapter:
        call_id, caller, officer = await scene.talk(adapter)
        await press_transfer(scene, officer, OUTSIDE, manner, BY_US)
        outside = await scene.outside.rung()
        await together(caller, outside)
        done = await adapter.notices.any(TransferNotice, phase=CallPhase.DONE)
        await outside.hang_up()
        await caller.gone()
        await scene.over(adapter, call_id)
    assert (done.mode, done.to_num) == (TransferNoticeMode.EXTERNAL, OUTSIDE)


@pytest.mark.parametrize("manner", [WAITS, AT_ONCE])
@pytest.mark.parametrize(("number", "reason"), [("1002", Reason.BUSY), ("4711", 105)])
async def test_a_number_that_fails_brings_the_caller_back_to_the_officer(
    tmp_path: Path, number: str, reason: int, manner: str
) -> None:
    async with stage(tmp_path) as scene, scene.place.run() as adapter:
        call_id, caller, officer = await scene.talk(adapter)
        scene.officers["1002"].manner = Refuses()
        if manner == AT_ONCE:
            await officer.transfer_and_leave(number)
        else:
            assert await officer.transfer(number) == 202
        failed = await adapter.notices.any(TransferNotice, phase=CallPhase.FAILED)
        again = await scene.officers["1001"].rung()
        await together(caller, again)
        assert await bridged(adapter) == call_id
        await caller.hang_up()
        await scene.over(adapter, call_id)
    assert (failed.call_id, failed.reason) == (call_id, reason)


async def test_a_caller_may_be_sent_on_but_nobody_outside_calls_by_our_trunk(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path, trunk=True) as scene, scene.place.run() as adapter:
        call_id, caller, officer = await scene.talk(adapter)
        assert await caller.transfer(OUTSIDE) == 202
        assert await caller.told_of_transfer() == 503
        await together(caller, officer)
        assert not scene.outside.lines
        assert await caller.transfer("1002") == 202
        colleague = await scene.officers["1002"].rung()
        await together(officer, colleague)
        await officer.hang_up()
        await colleague.gone()
        await scene.over(adapter, call_id)


@pytest.mark.parametrize("way", [BY_US, BY_ASTERISK])
@pytest.mark.parametrize("trunk", [False, True], ids=["no trunk", "trunk"])
async def test_an_officer_sends_the_caller_into_a_conference_room_of_the_dialplan(
    tmp_path: Path, trunk: bool, way: str
) -> None:
    room = "[from-officers]\nexten => 8000,1,ConfBridge(1)\n"
    async with (
        stage(tmp_path, dialplan=room, trunk=trunk) as scene,
        scene.place.run() as adapter,
    ):
        call_id, caller, officer = await scene.talk(adapter)
        member = await scene.officers["1003"].dial("8000")
        await member.up()
        if way == BY_ASTERISK:
            await scene.transfers_by_itself()
        assert await officer.transfer("8000") == 202
        await together(caller, member)
        done = await adapter.notices.any(TransferNotice, phase=CallPhase.DONE)
        await officer.until("gone") if way == BY_US else await officer.hang_up()
        assert not adapter.notices.of(HangupNotice, scope=HangupScope.CALL)
        assert not scene.outside.lines
        await caller.hang_up()
        await member.hang_up()
        await scene.over(adapter, call_id)
    assert (done.call_id, done.to_num) == (call_id, "8000")
