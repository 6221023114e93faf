"""Two linkages at one Asterisk: the newer has the application, and nobody's talk is cut off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.asterisk.ownership import SILENT_S
from linkage.clock import ManualClock
from linkage.ports import AdapterReplacedError, AdapterUnavailableError
from protocol.messages import (
    CallState,
    CallStateNotice,
    HangupNotice,
    HangupScope,
    IncomingCallNotice,
)
from tests.fakes.asterisk import FakeAsterisk
from tests.fakes.running_adapter import Place, Running

OWNER = "LINKAGE_OWNER_linkage"


@pytest.fixture
async def asterisk() -> AsyncIterator[FakeAsterisk]:
    async with FakeAsterisk() as server:
        yield server


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def place(asterisk: FakeAsterisk, tmp_path: Path, clock: ManualClock) -> Place:
    return Place.at(tmp_path, asterisk.settings(), clock)


@pytest.fixture
def other(asterisk: FakeAsterisk, tmp_path: Path, clock: ManualClock) -> Place:
    """A second linkage with the same settings, and nothing in its memory."""
    return Place.at(tmp_path, asterisk.settings(), clock)


async def speak(asterisk: FakeAsterisk, adapter: Running) -> tuple[str, str]:
    """A caller and the first officer are connected; returns CallId and the caller's channel."""
    channel = await asterisk.call()
    call = await adapter.notices.next(IncomingCallNotice)
    await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
    await asterisk.pick_up("1001")
    await adapter.notices.next(CallStateNotice, state=CallState.BRIDGED)
    return call.call_id, channel


def start_again(adapter: Running) -> asyncio.Task[None]:
    """Have the same adapter run anew, as its supervisor does."""
    adapter.notices.told.clear()
    adapter.task = asyncio.get_running_loop().create_task(adapter.adapter.run(adapter.port))
    return adapter.task


async def test_who_is_replaced_stops_and_waits_for_as_long_as_the_other_lives(
    asterisk: FakeAsterisk, place: Place, other: Place, clock: ManualClock
) -> None:
    async with place.run() as first:
        await speak(asterisk, first)
        async with other.run() as second:
            assert isinstance(await first.ended(), AdapterReplacedError)
            for renewal in range(9):
                with pytest.raises(AdapterReplacedError, match="app"):
                    await start_again(first)
                clock.advance(SILENT_S * 0.9)
                asterisk.variables[OWNER] += f"-{renewal}"
            assert not second.task.done()


async def test_nobody_is_cut_off_by_the_one_that_knows_nothing_of_the_call(
    asterisk: FakeAsterisk, place: Place, other: Place
) -> None:
    async with place.run() as first:
        call_id, channel = await speak(asterisk, first)
        asterisk.telephones["1001"] = "busy"
        ringing = await asterisk.call(number="13900139000")
        await first.notices.next(IncomingCallNotice)
        await first.notices.next(CallStateNotice, state=CallState.ALERTING)
        asked = len(asterisk.requests)
        before = asterisk.picture()
        async with other.run() as second:
            await first.ended()
            await asterisk.pick_up("1002")  # rung by the first, and told to the second
            await asterisk.call(number="13700137000")
            new = await second.notices.next(IncomingCallNotice)
            await second.notices.next(CallStateNotice, state=CallState.ALERTING)
            assert second.notices.of(IncomingCallNotice) == [new]
            assert new.phone_num == "13700137000"
        assert {channel, ringing} <= asterisk.lines.keys()
        assert not [key for key in asterisk.requests[asked:] if key[0] == "DELETE"]
        assert asterisk.picture()["bridges"] == before["bridges"]
    async with place.run() as first:  # the other is switched off, and this one started again
        assert not first.notices.of(HangupNotice)
        await asterisk.hang_up(channel)
        await first.notices.any(HangupNotice, call_id=call_id, scope=HangupScope.CALL)


async def test_the_place_is_taken_again_when_the_other_has_left(
    asterisk: FakeAsterisk, place: Place, other: Place
) -> None:
    async with place.run() as first:
        async with other.run():
            await first.ended()
        start_again(first)
        await first.up()


async def test_calls_that_the_other_left_do_not_keep_the_place(
    asterisk: FakeAsterisk, place: Place, other: Place, clock: ManualClock
) -> None:
    async with place.run() as first:
        async with other.run() as second:
            await first.ended()
            await speak(asterisk, second)
        # It was killed: its calls live on, and with them the application is registered.
        with pytest.raises(AdapterReplacedError):
            await start_again(first)
        clock.advance(SILENT_S)
        start_again(first)
        await first.up()


async def test_who_was_replaced_while_its_link_was_lost_does_not_take_the_place_back(
    asterisk: FakeAsterisk, place: Place, other: Place
) -> None:
    async with place.run() as first:
        await asterisk.cut()
        assert not isinstance(await first.ended(), AdapterReplacedError)
        async with other.run() as second:
            with pytest.raises(AdapterReplacedError):
                await start_again(first)
            assert not second.task.done()


async def test_an_older_link_of_our_own_is_no_other(asterisk: FakeAsterisk, place: Place) -> None:
    async with place.run() as first:
        await asterisk.say("ApplicationReplaced")
        error = await first.ended()
    assert isinstance(error, AdapterUnavailableError)
    assert not isinstance(error, AdapterReplacedError)


async def test_a_program_that_gives_no_name_is_not_fought_either(
    asterisk: FakeAsterisk, place: Place, other: Place
) -> None:
    async with place.run() as first:
        await asterisk.say("ApplicationReplaced")
        await first.ended()
        again = start_again(first)
        await first.up()
        await asterisk.say("ApplicationReplaced")
        with pytest.raises(AdapterReplacedError, match="another program"):
            await again
        async with asterisk.stranger():
            with pytest.raises(AdapterReplacedError, match="another program"):
                await start_again(first)
        start_again(first)
        await first.up()
