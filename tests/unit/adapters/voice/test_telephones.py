"""What telephones do by themselves, against an Asterisk in this process; `tests/real` has all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.voice.platform_events import EventKind
from protocol.messages import (
    CallPhase,
    CallState,
    CallStateNotice,
    HangupNotice,
    HangupScope,
    IncomingCallNotice,
    ParkNoticeAction,
    ParkPickupNotice,
    TransferNotice,
    TransferNoticeMode,
)
from protocol.reasons import Reason
from tests.fakes.asterisk import FakeAsterisk
from tests.fakes.running_adapter import Place, Running, forgotten
from tests.fakes.telephones import (
    fetch,
    park,
    pick_up_for,
    press_transfer,
    send_on,
)


@pytest.fixture
async def asterisk() -> AsyncIterator[FakeAsterisk]:
    async with FakeAsterisk() as server:
        yield server


@pytest.fixture
def place(asterisk: FakeAsterisk, tmp_path: Path) -> Place:
    return Place.at(tmp_path, asterisk.settings())


async def speak(asterisk: FakeAsterisk, adapter: Running) -> tuple[str, str, str]:
    """A caller speaks with officer 1001: CallId, the caller's channel, the officer's."""
    caller = await asterisk.call()
    await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
    officer = await asterisk.pick_up("1001")
    bridged = await adapter.notices.next(CallStateNotice, state=CallState.BRIDGED)
    return bridged.call_id or "", caller, officer


async def consult(asterisk: FakeAsterisk, adapter: Running, *, answered: bool) -> tuple[str, str]:
    """The officer calls 1002 by a second line: CallId of the consultation, and that channel."""
    second = await asterisk.call("1002", "1001", "officer")
    call = await adapter.notices.next(IncomingCallNotice, phone_num="1001")
    await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
    if answered:
        await asterisk.pick_up("1002")
        await adapter.notices.next(CallStateNotice, state=CallState.BRIDGED)
    return call.call_id, second


async def over(adapter: Running, call_id: str) -> HangupNotice:
    return await adapter.notices.any(HangupNotice, call_id=call_id, scope=HangupScope.CALL)


@pytest.mark.parametrize("at_once", [False, True])
async def test_a_consultation_hands_the_colleague_over_to_the_caller(
    asterisk: FakeAsterisk, place: Place, at_once: bool
) -> None:
    async with place.run() as adapter:
        call_id, caller, officer = await speak(asterisk, adapter)
        consultation, second = await consult(asterisk, adapter, answered=True)
        colleague = asterisk.leg("1002").id
        await press_transfer(asterisk, officer, "1002", second)
        if at_once:
            await asterisk.hang_up(officer)
            await asterisk.hang_up(second)
        done = await adapter.notices.any(TransferNotice, phase=CallPhase.DONE)
        ended = await over(adapter, consultation)
        told = [each.message for each in adapter.notices.told]
        assert told.index(done) < told.index(ended)
        members = {line.id for line in asterisk.lines.values() if line.bridge is not None}
        assert members == {caller, colleague}
        await asterisk.hang_up(colleague)
        await over(adapter, call_id)
        await forgotten(place, asterisk)
    assert (done.call_id, done.new_call_id) == (call_id, consultation)
    assert (done.mode, done.to_login_id) == (TransferNoticeMode.ATTENDED, "13")
    assert ended.reason == Reason.TRANSFERRED


@pytest.mark.parametrize("late", [False, True], ids=["before a write", "after a write"])
async def test_wherever_it_is_killed_a_consultation_leaves_nobody_in_silence(
    tmp_path: Path, late: bool
) -> None:
    write, killed = 0, True
    while killed:
        async with FakeAsterisk() as asterisk:
            place = Place.at(tmp_path, asterisk.settings())
            place.memory.late = late
            killed = await _handing_over(asterisk, place, write)

            def all_speak(there: FakeAsterisk = asterisk) -> bool:
                bridges = [bridge for bridge in there.bridges.values() if len(bridge.members) > 1]
                return there.lines.keys() == {each for one in bridges for each in one.members}

            async with place.run():
                await asterisk.until(all_speak)
        write += 1
    assert write > 5


async def test_a_colleague_whose_new_call_is_not_known_any_more_is_hung_up(
    tmp_path: Path,
) -> None:
    handed: list[str] = []
    write = 0
    while not handed:
        async with FakeAsterisk() as asterisk:
            place = Place.at(tmp_path, asterisk.settings())
            assert await _handing_over(asterisk, place, write), "it was never killed in between"
            records = {
                key: json.loads(text)["call"]
                for key, text in place.memory.table.items()
                if key.startswith("call:")
            }
            handed = [record["handed_to"] for record in records.values() if "handed" in record]
            if handed:
                del place.memory.table[f"call:{handed[0]}"]
                await _is_hung_up(asterisk, place, asterisk.leg("1002").id)
        write += 1


async def _is_hung_up(asterisk: FakeAsterisk, place: Place, channel: str) -> None:
    async with place.run() as adapter:
        await asterisk.until(lambda: channel not in asterisk.lines)
        await adapter.notices.any(HangupNotice, reason=Reason.TRANSFERRED)
        await place.memory.until(lambda: place.memory.table.keys() == {"link"})


async def _handing_over(asterisk: FakeAsterisk, place: Place, write: int) -> bool:
    """An officer leaves the caller to a colleague; whether that was killed at this write."""
    async with place.run() as adapter:
        _, _, officer = await speak(asterisk, adapter)
        consultation, second = await consult(asterisk, adapter, answered=True)
        place.memory.fail_at = place.memory.puts + write + place.memory.late
        await press_transfer(asterisk, officer, "1002", second)
        gone = f"call:{consultation}"
        end = asyncio.get_running_loop().create_task(
            place.memory.until(lambda: gone not in place.memory.table)
        )
        await asyncio.wait({end, adapter.task}, return_when=asyncio.FIRST_COMPLETED)
        end.cancel()
        await asyncio.wait({end})
        place.memory.fail_at = None
        return adapter.task.done()


async def test_what_waits_behind_a_handover_is_taken_where_the_colleague_is_by_then(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        call_id, _, officer = await speak(asterisk, adapter)
        consultation, second = await consult(asterisk, adapter, answered=False)
        place.memory.gate.clear()
        await asterisk.press(second, "5")
        actor = adapter.adapter._connected()._actors[consultation]
        await press_transfer(asterisk, officer, "1002", second)
        await asterisk.pick_up("1002")
        waiting = actor._inbox
        while EventKind.ANSWERED not in [getattr(each, "kind", None) for each in waiting]:  # noqa: ASYNC110 - nobody tells what waits
            await asyncio.sleep(0)
        place.memory.gate.set()
        done = await adapter.notices.any(TransferNotice, phase=CallPhase.DONE)
        assert done.call_id == call_id
        await over(adapter, consultation)


async def test_a_colleague_who_still_rings_is_handed_over_too(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        call_id, caller, officer = await speak(asterisk, adapter)
        consultation, second = await consult(asterisk, adapter, answered=False)
        await press_transfer(asterisk, officer, "1002", second)
        await adapter.notices.any(TransferNotice, phase=CallPhase.RINGING)
        await over(adapter, consultation)
        await asterisk.pick_up("1002")
        done = await adapter.notices.any(TransferNotice, phase=CallPhase.DONE)
        await asterisk.hang_up(caller)
        await over(adapter, call_id)
        await forgotten(place, asterisk)
    assert (done.call_id, done.to_login_id) == (call_id, "13")


async def test_a_colleague_whose_consultation_was_over_is_rung_again(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        call_id, caller, officer = await speak(asterisk, adapter)
        _, second = await consult(asterisk, adapter, answered=True)
        await asterisk.hang_up(asterisk.leg("1002").id)
        await asterisk.until(lambda: second not in asterisk.lines)
        asterisk.lines[second] = asterisk.lines[officer]  # what Asterisk still takes it for
        await press_transfer(asterisk, officer, "1002", second)
        del asterisk.lines[second]
        await asterisk.hang_up(officer)
        await adapter.notices.next(TransferNotice, phase=CallPhase.RINGING)
        await asterisk.pick_up("1002")
        done = await adapter.notices.next(TransferNotice, phase=CallPhase.DONE)
        await asterisk.hang_up(caller)
        await over(adapter, call_id)
        await forgotten(place, asterisk)
    assert (done.call_id, done.to_login_id) == (call_id, "13")


async def test_a_number_of_the_dialplan_gets_whoever_is_transferred(
    asterisk: FakeAsterisk, place: Place
) -> None:
    asterisk.extensions.add("from-officers,8000")
    async with place.run() as adapter:
        call_id, caller, officer = await speak(asterisk, adapter)
        await press_transfer(asterisk, officer, "8000")
        done = await adapter.notices.any(TransferNotice, phase=CallPhase.DONE)
        await asterisk.until(lambda: officer not in asterisk.lines)
        assert asterisk.continued == [(caller, "from-officers", "8000")]
        assert not adapter.notices.of(HangupNotice, scope=HangupScope.CALL)
        await asterisk.hang_up(caller)
        await over(adapter, call_id)
        await forgotten(place, asterisk)
    assert done.to_num == "8000"


async def test_a_catch_all_of_the_dialplan_is_no_number(
    asterisk: FakeAsterisk, place: Place
) -> None:
    asterisk.extensions.add("from-officers,4711")
    async with place.run() as adapter:
        call_id, caller, officer = await speak(asterisk, adapter)
        await press_transfer(asterisk, officer, "4711")
        await asterisk.until(lambda: asterisk.continued)
        line = asterisk.lines[caller]
        line.args, line.in_app = ["officer", "4711", ""], True
        await asterisk.say("StasisStart", caller, args=line.args)
        failed = await adapter.notices.any(TransferNotice, phase=CallPhase.FAILED)
        await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
        await asterisk.pick_up("1001")
        await adapter.notices.next(CallStateNotice, state=CallState.BRIDGED)
        assert len(adapter.notices.of(IncomingCallNotice)) == 1
        await asterisk.hang_up(caller)
        await over(adapter, call_id)
    assert failed.reason == Reason.UNALLOCATED


async def test_a_forwarded_call_is_rung_on_the_same_leg(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        caller = await asterisk.call()
        first = await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
        await send_on(asterisk, "1001", "1003")
        again = await adapter.notices.next(CallStateNotice, state=CallState.DIALLING)
        await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
        await asterisk.pick_up("1003")
        await adapter.notices.next(CallStateNotice, state=CallState.BRIDGED)
        assert len(adapter.notices.of(IncomingCallNotice)) == 1
        assert not adapter.notices.of(HangupNotice)
        await asterisk.hang_up(caller)
        await forgotten(place, asterisk)
    assert (again.call_id, again.login_id) == (first.call_id, "33")
    assert again.reason == Reason.TRANSFERRED


@pytest.mark.parametrize("late", [False, True])
async def test_a_colleague_who_picks_up_has_the_call(
    asterisk: FakeAsterisk, place: Place, late: bool
) -> None:
    async with place.run() as adapter:
        caller = await asterisk.call()
        await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
        await pick_up_for(asterisk, "1001", "1003", late=late)
        told = await adapter.notices.next(ParkPickupNotice)
        answered = await adapter.notices.next(CallStateNotice, state=CallState.ANSWERED)
        await adapter.notices.next(CallStateNotice, state=CallState.BRIDGED)
        assert not adapter.notices.of(HangupNotice)
        await asterisk.hang_up(caller)
        await forgotten(place, asterisk)
    assert (told.action, told.by_login_id) == (ParkNoticeAction.PICKED_UP, "33")
    assert answered.login_id == "33"


async def test_a_parked_caller_lives_on_without_the_officer_and_is_fetched(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        call_id, caller, officer = await speak(asterisk, adapter)
        await park(asterisk, caller)
        await asterisk.hang_up(officer)  # before anybody knows where the caller is
        parked = await adapter.notices.next(ParkPickupNotice)
        await asterisk.until(lambda: "" in asterisk.watched)
        colleague = await fetch(asterisk, caller, "1003")
        fetched = await adapter.notices.next(ParkPickupNotice)
        assert not adapter.notices.of(HangupNotice, scope=HangupScope.CALL)
        await asterisk.hang_up(caller)
        await over(adapter, call_id)
        await asterisk.hang_up(colleague)
        await forgotten(place, asterisk)
    assert (parked.action, parked.call_id) == (ParkNoticeAction.PARKED, call_id)
    assert (fetched.action, fetched.by_login_id) == (ParkNoticeAction.RETRIEVED, "33")


async def test_a_parked_caller_is_still_parked_after_a_restart(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        call_id, caller, _ = await speak(asterisk, adapter)
        await park(asterisk, caller)
        await adapter.notices.next(ParkPickupNotice)
    async with place.run() as adapter:
        assert not adapter.notices.of(HangupNotice, scope=HangupScope.CALL)
        await asterisk.hang_up(caller)
        await over(adapter, call_id)
        await forgotten(place, asterisk)


async def test_all_contacts_of_an_endpoint_ring_as_one_leg(
    asterisk: FakeAsterisk, place: Place
) -> None:
    asterisk.contacts["1001"] = ["sip:1001@a", "sip:1001@b"]
    async with place.run() as adapter:
        caller = await asterisk.call()
        await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
        await asterisk.until(lambda: len(asterisk.dialled) > 1)
        first, other = [each for each in asterisk.lines.values() if each.id != caller]
        await asterisk.hang_up(first.id, 17)
        await asterisk.pick_up("1001/sip:1001@b")
        await adapter.notices.next(CallStateNotice, state=CallState.BRIDGED)
        assert not adapter.notices.of(HangupNotice)
        assert len(adapter.notices.of(CallStateNotice, state=CallState.DIALLING)) == 1
        await asterisk.hang_up(other.id)
        await forgotten(place, asterisk)


@pytest.mark.parametrize("place_of_answer", ["a", "b"])
async def test_where_one_contact_answers_the_others_stop_ringing(
    asterisk: FakeAsterisk, place: Place, place_of_answer: str
) -> None:
    asterisk.contacts["1001"] = ["sip:1001@a", "sip:1001@b"]
    async with place.run() as adapter:
        caller = await asterisk.call()
        await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
        await asterisk.until(lambda: len(asterisk.dialled) > 1)
        first, second = [each for each in asterisk.lines.values() if each.id != caller]
        here, there = (first, second) if place_of_answer == "a" else (second, first)
        await asterisk.pick_up("1001" if here is first else "1001/sip:1001@b")
        await adapter.notices.next(CallStateNotice, state=CallState.BRIDGED)
        await asterisk.until(lambda: there.id not in asterisk.lines)
        assert here.id in asterisk.lines
        assert not adapter.notices.of(HangupNotice)
