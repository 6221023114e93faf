"""Telephones forward, refuse, are picked up, parked, moved, and hold several calls at once.

Each is a row of docs/reference/asterisk.md.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.messages import (
    CallState,
    CallStateNotice,
    Hangup,
    HangupNotice,
    HangupScope,
    IncomingCallNotice,
    ParkNoticeAction,
    ParkPickupNotice,
    Transfer,
    TransferMode,
    TransferNotice,
)
from protocol.reasons import Reason
from tests.real.peers.telephone import Forwards, Refuses, Rings, Telephone
from tests.real.telephones import HOTLINE, OUTSIDE, bridged, stage, together

FEATURES = """
[from-officers]
exten => *8,1,Pickup()
exten => 70,1,Park()
exten => 80,1,Park(soon)
exten => _*7XX,1,ParkedCall(default,${EXTEN:1})
[elsewhere]
exten => park,1,Park()
exten => wait,1,Answer()
 same => n,Wait(60)
exten => back,1,Stasis(linkage,caller,12345,${CALLERID(num)})
"""


# --- forwarded, refused --------------------------------------------------------------------------
async def test_a_telephone_that_forwards_brings_the_caller_to_the_colleague(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path) as scene, scene.place.run() as adapter:
        scene.officers["1001"].manner = Forwards("1002")
        caller = await scene.caller.dial(HOTLINE)
        call_id = await bridged(adapter)
        colleague = await scene.officers["1002"].rung()
        await together(caller, colleague)
        assert len(adapter.notices.of(IncomingCallNotice)) == 1
        dialled = [
            (each.login_id, each.to_num, each.reason)
            for each in adapter.notices.of(CallStateNotice, state=CallState.DIALLING)
        ]
        assert not adapter.notices.of(HangupNotice)
        await caller.hang_up()
        end = await scene.over(adapter, call_id)
        await colleague.gone()
    assert dialled == [("23", "1001", None), ("13", "1002", Reason.TRANSFERRED)]
    assert (end.reason, end.login_id) == (Reason.NORMAL, "13")


async def test_a_telephone_forwards_to_somebody_outside(tmp_path: Path) -> None:
    async with stage(tmp_path, trunk=True) as scene, scene.place.run() as adapter:
        scene.officers["1001"].manner = Forwards(OUTSIDE)
        caller = await scene.caller.dial(HOTLINE)
        call_id = await bridged(adapter)
        outside = await scene.outside.rung()
        await together(caller, outside)
        await outside.hang_up()
        await caller.gone()
        await scene.over(adapter, call_id)


async def test_a_forward_of_a_forward_is_followed(tmp_path: Path) -> None:
    async with stage(tmp_path) as scene, scene.place.run() as adapter:
        scene.officers["1001"].manner = Forwards("1002")
        scene.officers["1002"].manner = Forwards("1003")
        caller = await scene.caller.dial(HOTLINE)
        call_id = await bridged(adapter)
        await together(caller, await scene.officers["1003"].rung())
        await caller.hang_up()
        end = await scene.over(adapter, call_id)
    assert end.login_id == "33"


async def test_telephones_that_forward_to_each_other_leave_the_call_to_the_next(
    tmp_path: Path,
) -> None:
    hotline = {"officers": ["1001", "1003"]}
    async with stage(tmp_path, hotline=hotline) as scene, scene.place.run() as adapter:
        scene.officers["1001"].manner = Forwards("1002")
        scene.officers["1002"].manner = Forwards("1001")
        caller = await scene.caller.dial(HOTLINE)
        call_id = await bridged(adapter)
        await together(caller, await scene.officers["1003"].rung())
        failed = await adapter.notices.any(CallStateNotice, state=CallState.FAILED)
        assert len(scene.officers["1001"].lines) == 1
        await caller.hang_up()
        await scene.over(adapter, call_id)
    assert failed.reason == Reason.UNREACHABLE


async def test_who_is_outside_forwards_to_nobody_outside(tmp_path: Path) -> None:
    async with stage(tmp_path, trunk=True) as scene, scene.place.run() as adapter:
        scene.outside.manner = Forwards("13700000000")
        call_id, caller, officer = await scene.talk(adapter)
        await adapter.do(Transfer(call_id=call_id, to_num=OUTSIDE, mode=TransferMode.BLIND))
        again = await scene.officers["1001"].rung()
        await together(caller, again)
        assert len(scene.outside.lines) == 1
        await officer.gone()
        await caller.hang_up()
        await scene.over(adapter, call_id)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("486 Busy Here", Reason.BUSY),
        ("480 Do Not Disturb", Reason.NO_ANSWER),
        ("603 Decline", Reason.REJECTED),
    ],
)
async def test_do_not_disturb_leaves_the_call_to_the_next_officer(
    tmp_path: Path, status: str, reason: Reason
) -> None:
    hotline = {"officers": ["1001", "1002"]}
    async with stage(tmp_path, hotline=hotline) as scene, scene.place.run() as adapter:
        scene.officers["1001"].manner = Refuses(status)
        caller = await scene.caller.dial(HOTLINE)
        call_id = await bridged(adapter)
        await together(caller, await scene.officers["1002"].rung())
        failed = await adapter.notices.any(CallStateNotice, state=CallState.FAILED)
        await caller.hang_up()
        await scene.over(adapter, call_id)
    assert (failed.login_id, failed.reason) == ("23", reason)


# --- picked up -----------------------------------------------------------------------------------
@pytest.mark.parametrize("strategy", ["in-order", "all"])
async def test_a_colleague_picks_a_call_up_that_rings_elsewhere(
    tmp_path: Path, strategy: str
) -> None:
    hotline = {"officers": ["1001", "1002"], "strategy": strategy}
    async with (
        stage(tmp_path, dialplan=FEATURES, hotline=hotline) as scene,
        scene.place.run() as adapter,
    ):
        for officer in scene.officers.values():
            officer.manner = Rings()
        caller = await scene.caller.dial(HOTLINE)
        ringing = await scene.officers["1001"].rung()
        await ringing.until("ringing")
        await caller.until("ringing")
        picker = await scene.officers["1003"].dial("*8")
        call_id = await bridged(adapter)
        await together(caller, picker)
        await ringing.gone()
        told = await adapter.notices.any(ParkPickupNotice)
        answered = adapter.notices.of(CallStateNotice, state=CallState.ANSWERED)
        assert len(adapter.notices.of(IncomingCallNotice)) == 1
        await caller.hang_up()
        end = await scene.over(adapter, call_id)
        await picker.gone()
    assert (told.action, told.by_login_id) == (ParkNoticeAction.PICKED_UP, "33")
    assert [each.login_id for each in answered] == ["33"]
    assert end.login_id == "33"


# --- parked, moved -------------------------------------------------------------------------------
@pytest.mark.parametrize("how", ["transferred", "redirected"])
async def test_a_parked_caller_is_not_told_as_gone_and_a_colleague_fetches_him(
    tmp_path: Path, how: str
) -> None:
    async with stage(tmp_path, dialplan=FEATURES) as scene, scene.place.run() as adapter:
        call_id, caller, officer = await scene.talk(adapter)
        if how == "transferred":
            await officer.transfer("70")
        else:
            await scene.asterisk.cli(f"channel redirect {await scene.of(caller)} elsewhere,park,1")
        parked = await adapter.notices.any(ParkPickupNotice)
        await officer.hang_up()
        await adapter.notices.any(HangupNotice, scope=HangupScope.LEG)
        colleague = await scene.officers["1002"].dial("*701")
        await together(caller, colleague)
        fetched = await adapter.notices.any(ParkPickupNotice, action=ParkNoticeAction.RETRIEVED)
        assert not adapter.notices.of(HangupNotice, scope=HangupScope.CALL)
        await caller.hang_up()
        await colleague.gone()
        end = await scene.over(adapter, call_id)
    assert (parked.action, parked.call_id) == (ParkNoticeAction.PARKED, call_id)
    assert parked.by_login_id == "23"
    assert (fetched.call_id, fetched.by_login_id) == (call_id, "13")
    assert end.reason == Reason.NORMAL


@pytest.mark.parametrize("way", ["by us", "by Asterisk"])
async def test_a_parked_caller_whom_nobody_fetches_comes_back_to_the_officer(
    tmp_path: Path, way: str
) -> None:
    async with stage(tmp_path, dialplan=FEATURES) as scene, scene.place.run() as adapter:
        call_id, caller, officer = await scene.talk(adapter)
        if way == "by Asterisk":
            await scene.transfers_by_itself()
        await officer.transfer("80")
        await adapter.notices.any(ParkPickupNotice, action=ParkNoticeAction.PARKED)
        await officer.hang_up()
        again = await scene.officers["1001"].rung()
        await together(caller, again)
        late = await adapter.notices.any(ParkPickupNotice, action=ParkNoticeAction.TIMEOUT)
        assert not adapter.notices.of(HangupNotice, scope=HangupScope.CALL)
        await again.hang_up()
        await caller.gone()
        await scene.over(adapter, call_id)
    assert late.call_id == call_id


async def test_a_caller_whom_another_program_moves_is_not_told_as_gone(tmp_path: Path) -> None:
    async with stage(tmp_path, dialplan=FEATURES) as scene, scene.place.run() as adapter:
        call_id, caller, officer = await scene.talk(adapter)
        channel = await scene.of(caller)
        await scene.asterisk.cli(f"channel redirect {channel} elsewhere,wait,1")
        await adapter.notices.any(CallStateNotice, state=CallState.UNBRIDGED)
        await officer.hang_up()
        await adapter.notices.any(HangupNotice, scope=HangupScope.LEG)
        assert caller.state == "up"
        assert not adapter.notices.of(HangupNotice, scope=HangupScope.CALL)
        await scene.asterisk.cli(f"channel redirect {channel} elsewhere,back,1")
        await together(caller, await scene.officers["1001"].rung())
        assert len(adapter.notices.of(IncomingCallNotice)) == 1
        await caller.hang_up()
        end = await scene.over(adapter, call_id)
    assert end.call_id == call_id


async def test_a_caller_whom_another_program_bridges_with_somebody_is_not_told_as_gone(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path, dialplan=FEATURES) as scene, scene.place.run() as adapter:
        call_id, caller, officer = await scene.talk(adapter)
        await scene.asterisk.cli(
            f"channel originate PJSIP/1002 application Bridge {await scene.of(caller)}"
        )
        colleague = await scene.officers["1002"].rung()
        await together(caller, colleague)
        await officer.hang_up()
        await adapter.notices.any(HangupNotice, scope=HangupScope.LEG)
        assert not adapter.notices.of(HangupNotice, scope=HangupScope.CALL)
        await caller.hang_up()
        await colleague.gone()
        await scene.over(adapter, call_id)


async def test_a_parked_caller_can_be_hung_up_by_command(tmp_path: Path) -> None:
    async with stage(tmp_path, dialplan=FEATURES) as scene, scene.place.run() as adapter:
        call_id, caller, officer = await scene.talk(adapter)
        await scene.asterisk.cli(f"channel redirect {await scene.of(caller)} elsewhere,park,1")
        await adapter.notices.any(ParkPickupNotice)
        await adapter.do(Hangup(call_id=call_id))
        await caller.gone()
        await officer.gone()
        end = await scene.over(adapter, call_id)
    assert end.request_id == "C1"


# --- several calls at one telephone --------------------------------------------------------------
async def test_a_second_call_waits_at_a_telephone_and_is_alternated_with(tmp_path: Path) -> None:
    async with stage(tmp_path) as scene, scene.place.run() as adapter:
        first_id, caller, officer = await scene.talk(adapter)
        officer.phone.manner = Rings()
        other = await scene.outside.dial(HOTLINE)
        waiting = await officer.phone.rung()
        await waiting.until("ringing")
        await together(caller, officer)
        await officer.hold()
        waiting.answer()
        second_id = await bridged(adapter)
        await together(other, waiting)
        await caller.never_hears(officer.phone)
        await waiting.hang_up()
        await other.gone()
        await adapter.notices.any(HangupNotice, call_id=second_id, scope=HangupScope.CALL)
        await officer.retrieve()
        await together(caller, officer)
        assert not adapter.notices.of(HangupNotice, call_id=first_id)
        assert not adapter.notices.of(TransferNotice)
        await caller.hang_up()
        await scene.over(adapter, first_id)


async def test_a_telephone_makes_a_conference_by_itself(tmp_path: Path) -> None:
    async with stage(tmp_path) as scene, scene.place.run() as adapter:
        call_id, caller, officer = await scene.talk(adapter)
        await officer.hold()
        second = await officer.phone.dial("1002")
        colleague = await scene.officers["1002"].rung()
        await together(second, colleague)
        await officer.retrieve()
        officer.confer(second)
        await caller.hears(officer.phone, colleague.phone)
        await colleague.hears(officer.phone, caller.phone)
        assert not adapter.notices.of(HangupNotice)
        assert not adapter.notices.of(TransferNotice)
        await caller.hang_up()
        await adapter.notices.any(HangupNotice, call_id=call_id, scope=HangupScope.CALL)
        await together(second, colleague)
        await second.hang_up()
        await colleague.gone()
        await scene.nobody_is_left_hanging()


# --- several telephones of one officer -----------------------------------------------------------
async def test_all_telephones_of_an_officer_ring_and_one_answers(tmp_path: Path) -> None:
    second = Telephone("1001", tone_hz=2000, manner=Rings())
    async with stage(tmp_path, second=second) as scene, scene.place.run() as adapter:
        scene.officers["1001"].manner = Rings()
        caller = await scene.caller.dial(HOTLINE)
        lines = [await phone.rung() for phone in (scene.officers["1001"], second)]
        for line in lines:
            await line.until("ringing")
        lines[1].answer()
        call_id = await bridged(adapter)
        await together(caller, lines[1])
        await lines[0].gone()
        states = [each.state for each in adapter.notices.of(CallStateNotice, login_id="23")]
        assert not adapter.notices.of(HangupNotice)
        assert [len(phone.lines) for phone in (scene.officers["1001"], second)] == [1, 1]
        await caller.hang_up()
        await scene.over(adapter, call_id)
    told = [CallState.DIALLING, CallState.ALERTING, CallState.ANSWERED]
    assert [each for each in states if each in told] == told


async def test_one_telephone_of_an_officer_refuses_and_the_other_still_rings(
    tmp_path: Path,
) -> None:
    second = Telephone("1001", tone_hz=2000, manner=Rings())
    async with stage(tmp_path, second=second) as scene, scene.place.run() as adapter:
        scene.officers["1001"].manner = Rings()
        caller = await scene.caller.dial(HOTLINE)
        first, other = await scene.officers["1001"].rung(), await second.rung()
        await first.until("ringing")
        await other.until("ringing")
        first.respond("486 Busy Here")
        first.become("gone")
        other.answer()
        call_id = await bridged(adapter)
        await together(caller, other)
        assert not adapter.notices.of(HangupNotice)
        await other.hang_up()
        await caller.gone()
        await scene.over(adapter, call_id)


async def test_telephones_of_an_officer_that_are_endpoints_of_their_own_ring_together(
    tmp_path: Path,
) -> None:
    both = {"login": "23", "endpoint": "PJSIP/1001&PJSIP/1003"}
    other = {"login": "13", "endpoint": "PJSIP/1002"}
    officers = {"1001": both, "1002": other}
    async with stage(tmp_path, officer=officers) as scene, scene.place.run() as adapter:
        for number in ("1001", "1003"):
            scene.officers[number].manner = Rings()
        caller = await scene.caller.dial(HOTLINE)
        lines = [await scene.officers[each].rung() for each in ("1001", "1003")]
        for line in lines:
            await line.until("ringing")
        await caller.until("ringing")
        await caller.hang_up()
        for line in lines:
            await line.gone()
        call = await adapter.notices.any(IncomingCallNotice)
        await scene.over(adapter, call.call_id)
        legs = adapter.notices.of(HangupNotice, scope=HangupScope.LEG)
    assert [each.reason for each in legs] == [Reason.CALLER_CANCELLED]
