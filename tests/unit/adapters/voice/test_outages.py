"""Commands over every kind of outage: begun in time or never, and told as what they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from adapters.voice.call_registry import CallRegistry
from adapters.voice.resync import resync
from linkage.clock import ManualClock
from linkage.ports import AdapterUnavailableError
from protocol.message import Message
from protocol.messages import (
    AudioDirection,
    CallMode,
    CallOut,
    CallOutProgressNotice,
    CallOutResultNotice,
    CallOutType,
    CallPhase,
    CallState,
    CallStateNotice,
    ConferenceMemberControl,
    ConferenceNotice,
    CreateEvent,
    Group,
    Hangup,
    HangupNotice,
    HangupScope,
    Hold,
    HoldAction,
    HoldNotice,
    HoldNoticeAction,
    IncomingCallNotice,
    KeyValue,
    MediaAction,
    MediaControl,
    Member,
    MemberAction,
    MuteAction,
    MuteCall,
    Phone,
    RecordingAction,
    RecordingControl,
    RecordingNotice,
    RecordingNoticeAction,
    SetCallData,
    Staff,
    Transfer,
    TransferMode,
    TransferNotice,
)
from protocol.reasons import Reason
from protocol.results import Result
from tests.fakes.adapter_ports import FakeMemory
from tests.fakes.asterisk import FakeAsterisk
from tests.fakes.running_adapter import Place, Running, refused

SOON_S = 0.05
GIVES_UP_S = 1.0
"""So long Asterisk is waited for in tests in which it does not answer."""
Make = Callable[[str], Message]


def call_out(kind: CallOutType, *numbers: str, mode: CallMode = CallMode.ALL) -> CallOut:
    staff = tuple(
        Staff(staff_id=str(place), staff_name="B", phone_nums=(Phone(number=number),))
        for place, number in enumerate(numbers, start=1)
    )
    group = Group(group_id="1", call_mode=mode, staff=staff)
    return CallOut(event_id="E9", login_id="33", call_type=kind, groups=(group,))


COMMANDS: dict[str, Make] = {
    "blind transfer": lambda call: Transfer(
        call_id=call, to_login_id="13", mode=TransferMode.BLIND
    ),
    "consultation": lambda call: Transfer(
        call_id=call, to_login_id="13", mode=TransferMode.CONSULT
    ),
    "hold": lambda call: Hold(call_id=call, action=HoldAction.HOLD),
    "mute": lambda call: MuteCall(call_id=call, login_id="23", action=MuteAction.MUTE),
    "mute both ways": lambda call: MuteCall(
        call_id=call, login_id="23", action=MuteAction.MUTE, direction=AudioDirection.BOTH
    ),
    "hang up": lambda call: Hangup(call_id=call),
    "hang up a leg": lambda call: Hangup(call_id=call, login_id="23", scope=HangupScope.LEG),
    "record": lambda call: RecordingControl(call_id=call, action=RecordingAction.START),
    "play": lambda call: MediaControl(call_id=call, action=MediaAction.PLAY, file_id="hello"),
    "digits": lambda call: MediaControl(call_id=call, action=MediaAction.SEND_DTMF, digits="1"),
    "call one": lambda _: call_out(CallOutType.SINGLE, "1002"),
    "call several": lambda _: call_out(CallOutType.CONFERENCE, "1002", "1003"),
}
commands = pytest.mark.parametrize("make", COMMANDS.values(), ids=list(COMMANDS))


@pytest.fixture
async def asterisk() -> AsyncIterator[FakeAsterisk]:
    async with FakeAsterisk() as server:
        yield server


@pytest.fixture
def place(asterisk: FakeAsterisk, tmp_path: Path) -> Place:
    return Place.at(tmp_path, asterisk.settings())


async def speak(asterisk: FakeAsterisk, adapter: Running) -> tuple[str, str]:
    """A caller and the first officer are connected; returns CallId and the caller's channel."""
    channel = await asterisk.call()
    call = await adapter.notices.next(IncomingCallNotice)
    await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
    await asterisk.pick_up("1001")
    await adapter.notices.next(CallStateNotice, state=CallState.BRIDGED)
    return call.call_id, channel


async def round_trip(asterisk: FakeAsterisk, adapter: Running, call_id: str) -> None:
    """Return when Asterisk has done all that it was asked for before, and the adapter knows it."""
    data = SetCallData(call_id=call_id, data=(KeyValue(key="here", value="yes"),))
    await adapter.do(data)
    assert any("LINKAGE_here" in line.variables for line in asterisk.lines.values())


# --- nothing was begun ---------------------------------------------------------------------------
@commands
async def test_what_an_asterisk_that_stands_still_is_asked_for_is_not_done_when_it_goes_on(
    asterisk: FakeAsterisk, place: Place, make: Make
) -> None:
    async with place.run() as adapter:
        call_id, _ = await speak(asterisk, adapter)
        before, told = asterisk.picture(), len(adapter.notices.told)
        asterisk.freeze()
        assert await refused(adapter, make(call_id), expire_s=SOON_S) == Result.EXPIRED
        asterisk.thaw()
        await round_trip(asterisk, adapter, call_id)
        assert asterisk.picture() == before
        assert [each.message.number for each in adapter.notices.told[told:]] == [113]


@commands
async def test_a_command_that_waits_behind_something_expires_at_its_time(
    asterisk: FakeAsterisk, place: Place, make: Make
) -> None:
    async with place.run() as adapter:
        call_id, channel = await speak(asterisk, adapter)
        before = asterisk.picture()
        adapter.notices.gate.clear()  # the core stands, and the call with it
        await asterisk.say("ChannelHold", channel)
        record = f"call:{call_id}"
        await place.memory.until(lambda: '"tell": 106' in place.memory.table[record])
        if make(call_id).call_id is not None:
            assert await refused(adapter, make(call_id), expire_s=SOON_S) == Result.EXPIRED
        adapter.notices.gate.set()
        await asterisk.say("ChannelUnhold", channel)
        await adapter.notices.next(HoldNotice, action=HoldNoticeAction.RETRIEVE)
        await round_trip(asterisk, adapter, call_id)
        assert asterisk.picture() == before


async def test_what_its_sender_does_not_wait_for_any_more_is_not_begun(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        call_id, channel = await speak(asterisk, adapter)
        before = asterisk.picture()
        adapter.notices.gate.clear()
        await asterisk.say("ChannelHold", channel)
        record = f"call:{call_id}"
        await place.memory.until(lambda: '"tell": 106' in place.memory.table[record])
        loop = asyncio.get_running_loop()
        given = loop.create_task(adapter.do(COMMANDS["blind transfer"](call_id)))
        await asyncio.sleep(0)  # so it stands at the call's desk
        given.cancel()  # told as unknown: linkage stops, or the host has waited for long enough
        await asyncio.wait({given})
        adapter.notices.gate.set()
        await asterisk.say("ChannelUnhold", channel)
        await adapter.notices.next(HoldNotice, action=HoldNoticeAction.RETRIEVE)
        await round_trip(asterisk, adapter, call_id)
        assert asterisk.picture() == before


class SlowMemory(FakeMemory):
    """A disk that takes a minute for the record of a command."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self._clock = clock

    async def write(self, changes: Mapping[str, Any | None]) -> None:
        if any(value is not None and "unfinished" in value for value in changes.values()):
            self._clock.advance(60)
        await super().write(changes)


@pytest.mark.parametrize("name", ["blind transfer", "hold", "mute", "hang up"])
async def test_a_command_whose_time_passes_while_it_is_written_down_is_not_begun(
    asterisk: FakeAsterisk, tmp_path: Path, name: str
) -> None:
    clock = ManualClock()
    place = Place.at(tmp_path, asterisk.settings(), clock)
    place.memory = SlowMemory(clock)
    async with place.run() as adapter:
        call_id, _ = await speak(asterisk, adapter)
        before = asterisk.picture()
        assert await refused(adapter, COMMANDS[name](call_id)) == Result.EXPIRED
        assert asterisk.picture() == before
        assert '"unfinished"' not in place.memory.table[f"call:{call_id}"]


@pytest.mark.parametrize("name", ["blind transfer", "call one", "call several"])
async def test_of_a_command_that_was_not_begun_no_ways_to_its_legs_are_left(
    asterisk: FakeAsterisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    registries: list[CallRegistry] = []

    async def noted(registry: CallRegistry, *, first: bool) -> str:
        registries.append(registry)
        return await resync(registry, first=first)

    monkeypatch.setattr("adapters.voice.resync.resync", noted)
    clock = ManualClock()
    place = Place.at(tmp_path, asterisk.settings(), clock)
    place.memory = SlowMemory(clock)
    async with place.run() as adapter:
        call_id, _ = await speak(asterisk, adapter)
        before = ways(registries[0])
        assert await refused(adapter, COMMANDS[name](call_id)) == Result.EXPIRED
        await asyncio.sleep(0)  # so a call that was to be made is over
        assert ways(registries[0]) == before


def ways(registry: CallRegistry) -> list[dict[str, str]]:
    """What leads to a call: legs, channels, conferences."""
    return [
        dict(each) for each in (registry._by_leg, registry._by_channel, registry._by_conference)
    ]


@commands
async def test_what_nobody_could_be_asked_for_was_not_begun(
    asterisk: FakeAsterisk, place: Place, make: Make
) -> None:
    async with place.run() as adapter:
        call_id, _ = await speak(asterisk, adapter)
        before = asterisk.picture()
        await asterisk.close_door()
        with pytest.raises(AdapterUnavailableError, match="not begun"):
            await adapter.do(make(call_id))
        await adapter.ended()
    await asterisk.open_door()
    async with place.run() as adapter:
        await round_trip(asterisk, adapter, call_id)
        assert asterisk.picture() == before


# --- nobody knows --------------------------------------------------------------------------------
@commands
async def test_what_was_perhaps_begun_when_linkage_was_killed_is_taken_back(
    asterisk: FakeAsterisk, place: Place, make: Make
) -> None:
    async with place.run() as adapter:
        call_id, _ = await speak(asterisk, adapter)
        before = asterisk.picture()
        for method in ("POST", "DELETE"):
            asterisk.delayed |= {(method, "channels/"), (method, "bridges")}
        command = asyncio.get_running_loop().create_task(adapter.do(make(call_id)))
        asked = len(asterisk.requests)
        await asterisk.until(
            lambda: {"POST", "DELETE"} & {m for m, _ in asterisk.requests[asked:]}
        )
        assert not command.done()
    command.cancel()
    asterisk.delayed.clear()
    async with place.run() as adapter:
        await round_trip(asterisk, adapter, call_id)
        assert asterisk.picture() == before
        assert {each.message.number for each in adapter.notices.told} == {113, 191, 195}
        await asterisk.hang_up(asterisk.leg("1001").id)
        await adapter.notices.any(HangupNotice, call_id=call_id, scope=HangupScope.CALL)
        assert len(place.memory.table) == 1


@pytest.mark.parametrize("name", ["blind transfer", "consultation", "call one", "call several"])
async def test_a_telephone_that_rings_for_what_was_taken_back_is_stopped(
    asterisk: FakeAsterisk, tmp_path: Path, name: str
) -> None:
    place = Place.at(tmp_path, asterisk.settings(timeout_s=GIVES_UP_S))
    async with place.run() as adapter:
        call_id, _ = await speak(asterisk, adapter)
        before = asterisk.picture()
        asterisk.delayed.add(("POST", "channels/linkage-"))
        assert await refused(adapter, COMMANDS[name](call_id)) == Result.TIMEOUT
        await adapter.ended()
    async with place.run() as adapter:
        asterisk.deliver()  # a proxy, or an Asterisk that stood still in between, does it now
        await asterisk.until(lambda: len(asterisk.dialled) == 2)
        await asterisk.until(lambda: len(asterisk.lines) == 2)
        await round_trip(asterisk, adapter, call_id)
        assert asterisk.picture() == before
        assert not adapter.notices.of(TransferNotice)


async def test_a_transfer_that_was_begun_unheard_goes_on(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    place = Place.at(tmp_path, asterisk.settings(timeout_s=GIVES_UP_S))
    async with place.run() as adapter:
        call_id, channel = await speak(asterisk, adapter)
        asterisk.unheard.add(("POST", "channels/linkage-"))
        command = COMMANDS["blind transfer"](call_id)
        assert await refused(adapter, command) == Result.TIMEOUT
        await adapter.ended()
        assert not adapter.notices.of(TransferNotice)
    asterisk.unheard.clear()
    async with place.run() as adapter:
        await adapter.notices.any(TransferNotice, phase=CallPhase.START)
        await adapter.notices.any(HangupNotice, login_id="23")
        await asterisk.pick_up("1002")
        await adapter.notices.any(TransferNotice, phase=CallPhase.DONE)
        (bridge,) = asterisk.bridges.values()
        await asterisk.until(lambda: set(bridge.members) == {channel, asterisk.leg("1002").id})
    assert asterisk.dialled == ["1001", "1002"]


async def test_a_caller_is_not_lost_by_a_transfer_whose_target_went_unheard(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    place = Place.at(tmp_path, asterisk.settings(timeout_s=GIVES_UP_S))
    async with place.run() as adapter:
        call_id, channel = await speak(asterisk, adapter)
        asterisk.unheard.add(("DELETE", "channels/linkage-"))
        command = COMMANDS["blind transfer"](call_id)
        assert await refused(adapter, command) == Result.TIMEOUT
        await adapter.ended()
    asterisk.unheard.clear()
    asterisk.lose(asterisk.leg("1002").id)
    async with place.run() as adapter:
        await adapter.notices.any(TransferNotice, phase=CallPhase.FAILED)
        await adapter.notices.any(CallStateNotice, state=CallState.ALERTING)
        await asterisk.pick_up("1001")
        await adapter.notices.any(CallStateNotice, state=CallState.BRIDGED)
        assert asterisk.lines[channel].bridge is not None
    assert asterisk.dialled == ["1001", "1002", "1001"]


async def test_a_recording_that_was_begun_unheard_is_told_and_kept(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    place = Place.at(tmp_path, asterisk.settings(timeout_s=GIVES_UP_S))
    async with place.run() as adapter:
        call_id, channel = await speak(asterisk, adapter)
        asterisk.unheard.add(("POST", "/record"))
        assert await refused(adapter, COMMANDS["record"](call_id)) == Result.TIMEOUT
        await adapter.ended()
    await asterisk.hang_up(channel)  # so it is complete by the time we look
    async with place.run() as adapter:
        await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.SAVED)


async def test_a_party_that_was_muted_unheard_is_heard_again(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    place = Place.at(tmp_path, asterisk.settings(timeout_s=GIVES_UP_S))
    async with place.run() as adapter:
        call_id, _ = await speak(asterisk, adapter)
        before = asterisk.picture()
        asterisk.unheard.add(("POST", "/mute"))
        assert await refused(adapter, COMMANDS["mute"](call_id)) == Result.TIMEOUT
        await adapter.ended()
        assert asterisk.picture() != before
    asterisk.unheard.clear()
    async with place.run():
        await asterisk.until(lambda: asterisk.picture() == before)


async def test_a_caller_who_was_put_on_hold_unheard_is_back(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    place = Place.at(tmp_path, asterisk.settings(timeout_s=GIVES_UP_S))
    async with place.run() as adapter:
        call_id, _ = await speak(asterisk, adapter)
        before = asterisk.picture()
        asterisk.unheard.add(("POST", "/moh"))
        assert await refused(adapter, COMMANDS["hold"](call_id)) == Result.TIMEOUT
        await adapter.ended()
        assert asterisk.picture() != before
    asterisk.unheard.clear()
    async with place.run():
        await asterisk.until(lambda: asterisk.picture() == before)


async def test_what_a_party_hears_and_says_is_as_before(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    place = Place.at(tmp_path, asterisk.settings(timeout_s=GIVES_UP_S))
    async with place.run() as adapter:
        call_id, _ = await speak(asterisk, adapter)
        await adapter.do(COMMANDS["mute"](call_id))
        before = asterisk.picture()
        asterisk.unheard.add(("POST", "/mute"))
        assert await refused(adapter, COMMANDS["mute both ways"](call_id)) == Result.TIMEOUT
        await adapter.ended()
        assert asterisk.picture() != before
    asterisk.unheard.clear()
    async with place.run():
        await asterisk.until(lambda: asterisk.picture() == before)


@pytest.mark.parametrize("status", [502, 504])
async def test_what_a_proxy_lost_behind_it_may_have_been_done(
    asterisk: FakeAsterisk, place: Place, status: int
) -> None:
    async with place.run() as adapter:
        call_id, _ = await speak(asterisk, adapter)
        asterisk.refuse[("POST", "/mute")] = status
        assert await refused(adapter, COMMANDS["mute"](call_id)) == Result.TIMEOUT
        assert isinstance(await adapter.ended(), AdapterUnavailableError)


async def test_all_of_an_event_is_told_as_done_in_part_where_one_call_was_not_hung_up(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        calls = []
        for number in ("13800138000", "13900139000"):
            calls.append(await asterisk.call(number=number))
            call = await adapter.notices.next(IncomingCallNotice)
            await adapter.do(CreateEvent(call_id=call.call_id, event_id="E1"))
        asterisk.refuse[("DELETE", calls[1])] = 500
        everything = Hangup(event_id="E1", scope=HangupScope.EVENT)
        assert await refused(adapter, everything) == Result.PARTIAL


# --- after an outage -----------------------------------------------------------------------------
@pytest.mark.parametrize("away_s", [5, 60])
async def test_the_next_number_is_not_called_minutes_later(
    asterisk: FakeAsterisk, tmp_path: Path, away_s: int
) -> None:
    clock = ManualClock()
    place = Place.at(tmp_path, asterisk.settings(), clock)
    async with place.run() as adapter:
        await adapter.do(call_out(CallOutType.GROUP, "1002", "1003", mode=CallMode.SEQUENTIAL))
        await adapter.notices.any(CallStateNotice, state=CallState.ALERTING)
        await place.memory.until(
            lambda: any('"pending": []' in each for each in place.memory.table.values())
        )
    asterisk.lose(asterisk.leg("1002").id)
    clock.advance(away_s)
    async with place.run() as adapter:
        if away_s < 30:
            await adapter.notices.any(CallStateNotice, state=CallState.ALERTING, to_num="1003")
        else:
            waited = await adapter.notices.any(CallOutResultNotice, phone_num="1003")
            await adapter.notices.any(CallOutProgressNotice, finished=True)
            await adapter.notices.any(HangupNotice, scope=HangupScope.CALL)
            assert waited.reason == Reason.PLATFORM_FAULT
            assert asterisk.dialled == ["1002"]


async def test_members_are_added_in_time_or_never(asterisk: FakeAsterisk, place: Place) -> None:
    async with place.run() as adapter:
        await adapter.do(call_out(CallOutType.CONFERENCE, "1002"))
        await adapter.notices.any(CallStateNotice, state=CallState.ALERTING)
        await asterisk.pick_up("1002")
        conference = await adapter.notices.any(ConferenceNotice)
        add = ConferenceMemberControl(
            conference_id=conference.conference_id,
            action=MemberAction.ADD,
            members=(Member(phone_num="1003"),),
        )
        asterisk.freeze()
        assert await refused(adapter, add, expire_s=SOON_S) == Result.EXPIRED
        asterisk.thaw()
        await adapter.do(add)
        await adapter.notices.any(CallStateNotice, state=CallState.ALERTING, to_num="1003")
    assert asterisk.dialled == ["1002", "1003"]


async def test_a_member_who_was_given_up_in_an_outage_is_not_rung_after_it(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    clock = ManualClock()
    place = Place.at(tmp_path, asterisk.settings(timeout_s=GIVES_UP_S), clock)
    async with place.run() as adapter:
        both = call_out(CallOutType.CONFERENCE, "1002", "1003")
        asterisk.held_back.add("1003")
        assert await refused(adapter, both) == Result.TIMEOUT
        await adapter.ended()
    clock.advance(60)
    async with place.run() as adapter:
        given_up = await adapter.notices.any(CallOutResultNotice, phone_num="1003")
        asterisk.deliver()
        await asterisk.until(lambda: asterisk.dialled == ["1002", "1003"])
        await asterisk.until(lambda: not asterisk.lines)  # the other one has rung for too long
    assert given_up.reason == Reason.STATE_LOST
