"""What the Asterisk adapter answers when it is asked what lives, and what it repairs by it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from linkage.ports import AdapterUnavailableError
from protocol.messages import (
    CallMode,
    CallOut,
    CallOutType,
    CallState,
    CallStateNotice,
    ConferenceNotice,
    ConferenceNoticeAction,
    Group,
    HangupNotice,
    HangupScope,
    IncomingCallNotice,
    Phone,
    QueryCall,
    SnapshotNotice,
    Staff,
)
from protocol.reasons import Reason
from tests.fakes.asterisk import FakeAsterisk
from tests.fakes.running_adapter import Place, Running


@pytest.fixture
async def asterisk() -> AsyncIterator[FakeAsterisk]:
    async with FakeAsterisk() as server:
        yield server


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is lost is taken to be lost at once."""
    monkeypatch.setattr("adapters.voice.call_actor.ON_ITS_WAY_S", 0.0)


@pytest.fixture
def place(asterisk: FakeAsterisk, tmp_path: Path) -> Place:
    return Place.at(tmp_path, asterisk.settings(trunk="PJSIP/{number}@trunk"))


async def speak(asterisk: FakeAsterisk, adapter: Running) -> tuple[str, str]:
    """A caller and the first officer are connected; CallId and the caller's channel."""
    channel = await asterisk.call()
    call = await adapter.notices.next(IncomingCallNotice)
    await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
    await asterisk.pick_up("1001")
    await adapter.notices.next(CallStateNotice, state=CallState.BRIDGED)
    return call.call_id, channel


def listed(snapshot: SnapshotNotice) -> list[tuple[str, str | None]]:
    return [(call.call_id, call.parent_call_id) for call in snapshot.calls]


async def test_a_call_that_lives_is_listed_with_its_legs_and_nothing_is_told(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        call_id, _ = await speak(asterisk, adapter)
        told = len(adapter.notices.told)
        found = await adapter.adapter.snapshot(QueryCall(call_id=call_id))
        (call, leg) = listed(found)
        assert call == (call_id, None)
        assert leg[1] == call_id
        by_leg = await adapter.adapter.snapshot(QueryCall(call_id=leg[0]))
        assert listed(by_leg) == [call, leg]
        assert len(adapter.notices.told) == told


async def test_a_call_whose_end_was_missed_is_ended_by_the_question(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        call_id, channel = await speak(asterisk, adapter)
        for each in list(asterisk.lines):
            asterisk.lose(each)
        found = await adapter.adapter.snapshot(QueryCall(call_id=call_id))
        assert found == SnapshotNotice()
        ends = [
            (each.message.scope, each.message.reason, each.reconstructed)
            for each in adapter.notices.told
            if isinstance(each.message, HangupNotice)
        ]
        assert ends == [
            (HangupScope.LEG, Reason.STATE_LOST, True),
            (HangupScope.CALL, Reason.STATE_LOST, True),
        ]
        assert channel not in asterisk.lines
        await place.memory.until(lambda: place.memory.table.keys() == {"link"})


async def test_a_leg_whose_end_was_missed_is_not_listed(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        call_id, _ = await speak(asterisk, adapter)
        leg = next(each for each in asterisk.lines.values() if each.number == "1001")
        asterisk.lose(leg.id)
        found = await adapter.adapter.snapshot(QueryCall(call_id=call_id))
        gone = await adapter.notices.any(HangupNotice, scope=HangupScope.LEG)
        assert gone.reason == Reason.STATE_LOST
        assert gone.call_id not in {call for call, _ in listed(found)}


async def test_an_end_that_waits_behind_the_question_is_told_as_what_it_is(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        call_id, _ = await speak(asterisk, adapter)
        request = ("GET", f"channels/{asterisk.leg('1001').id}")
        asterisk.delayed.add(request)
        query = QueryCall(call_id=call_id)
        asked = asyncio.get_running_loop().create_task(adapter.adapter.snapshot(query))
        await asterisk.until(lambda: request in asterisk.requests)
        await asterisk.hang_up(asterisk.leg("1001").id)
        await asterisk.call()
        await adapter.notices.next(IncomingCallNotice)  # what was said before that waits
        asterisk.deliver()
        await asked
        ends = [
            (each.message.reason, each.reconstructed)
            for each in adapter.notices.told
            if isinstance(each.message, HangupNotice)
        ]
    assert ends[0] == (Reason.NORMAL, False)


async def test_an_end_that_is_still_on_its_way_is_told_as_what_it_is(
    asterisk: FakeAsterisk, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.voice.call_actor.ON_ITS_WAY_S", 30.0)
    async with place.run() as adapter:
        call_id, _ = await speak(asterisk, adapter)
        gone = asterisk.leg("1001")
        asterisk.lose(gone.id)
        query = QueryCall(call_id=call_id)
        asked = asyncio.get_running_loop().create_task(adapter.adapter.snapshot(query))
        bridge = next(iter(asterisk.bridges))
        await asterisk.until(lambda: ("GET", f"bridges/{bridge}") in asterisk.requests)
        await adapter.adapter._connected().driver.ping()  # whatever was asked is answered
        await asterisk._say("ChannelDestroyed", gone, cause=16, cause_txt="Normal Clearing")
        await asked
        first = await adapter.notices.any(HangupNotice)
    assert first.reason == Reason.NORMAL


async def test_a_conference_is_listed_with_its_members(
    asterisk: FakeAsterisk, place: Place
) -> None:
    person = Staff(staff_id="1", phone_nums=(Phone(number="1001", num_type="01"),))
    group = Group(group_id="G1", call_mode=CallMode.ALL, staff=(person,))
    kind = CallOutType.CONFERENCE
    async with place.run() as adapter:
        await adapter.do(CallOut(call_type=kind, login_id="99", event_id="E1", groups=(group,)))
        await adapter.notices.any(CallStateNotice, state=CallState.ALERTING)
        await asterisk.pick_up("1001")
        made = await adapter.notices.any(ConferenceNotice, action=ConferenceNoticeAction.CONNECTED)
        query = QueryCall(conference_id=made.conference_id)
        (conference,) = (await adapter.adapter.snapshot(query)).conferences
        assert conference.conference_id == made.conference_id
        assert [member.phone_num for member in conference.members] == ["1001"]


async def test_what_it_never_had_does_not_live(asterisk: FakeAsterisk, place: Place) -> None:
    async with place.run() as adapter:
        for query in (QueryCall(call_id="nobody"), QueryCall(conference_id="nothing")):
            assert await adapter.adapter.snapshot(query) == SnapshotNotice()


async def test_without_a_link_it_cannot_tell(asterisk: FakeAsterisk, place: Place) -> None:
    async with place.run() as adapter:
        call_id, _ = await speak(asterisk, adapter)
        await asterisk.cut()
        await adapter.ended()
        with pytest.raises(AdapterUnavailableError):
            await adapter.adapter.snapshot(QueryCall(call_id=call_id))
