"""Deadlines of calls run by a clock that nobody can set."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.voice.monotonic_time import MonotonicTime
from linkage.clock import ManualClock
from protocol.messages import (
    CallState,
    CallStateNotice,
    ConferenceAction,
    ConferenceControl,
    ConferenceNotice,
    ConferenceNoticeAction,
    HangupNotice,
    IncomingCallNotice,
)
from protocol.reasons import Reason
from tests.fakes.asterisk import FakeAsterisk
from tests.fakes.running_adapter import Place


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def asterisk() -> AsyncIterator[FakeAsterisk]:
    async with FakeAsterisk() as server:
        yield server


@pytest.fixture
def place(asterisk: FakeAsterisk, tmp_path: Path, clock: ManualClock) -> Place:
    return Place.at(tmp_path, asterisk.settings(), clock)


def set_clock(clock: ManualClock, seconds: float) -> None:
    clock.jump(clock.utc() + timedelta(seconds=seconds))


@pytest.mark.parametrize("seconds", [90, -90, 10 * 365 * 86_400])
async def test_a_clock_that_is_set_ends_no_ringing_call(
    asterisk: FakeAsterisk, place: Place, clock: ManualClock, seconds: float
) -> None:
    async with place.run() as adapter:
        channel = await asterisk.call()
        await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
        set_clock(clock, seconds)
        await asterisk.press(channel, "1")  # something happens, and what is due would be done
        await asterisk.pick_up("1001")
        await adapter.notices.next(CallStateNotice, state=CallState.BRIDGED)
        assert not adapter.notices.of(HangupNotice)


async def test_it_ends_when_its_time_has_passed_however_the_clock_is_set(
    asterisk: FakeAsterisk, place: Place, clock: ManualClock
) -> None:
    async with place.run() as adapter:
        channel = await asterisk.call()
        await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
        clock.advance(31)
        set_clock(clock, -3600)
        await asterisk.press(channel, "1")
        end = await adapter.notices.next(HangupNotice)
    assert end.reason == Reason.NO_ANSWER


async def test_a_clock_that_was_set_ends_no_ringing_call_after_a_restart_either(
    asterisk: FakeAsterisk, place: Place, clock: ManualClock
) -> None:
    async with place.run() as adapter:
        set_clock(clock, 90)
        channel = await asterisk.call()
        call = await adapter.notices.next(IncomingCallNotice)
        await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
        await place.memory.until(
            lambda: (
                '"ahead_s": 90' in place.memory.table[f"call:{call.call_id}"]
                and '"pending": []' in place.memory.table[f"call:{call.call_id}"]
            )
        )
    async with place.run() as adapter:
        await asterisk.press(channel, "1")
        await asterisk.pick_up("1001")
        await adapter.notices.next(CallStateNotice, state=CallState.BRIDGED)
        assert not adapter.notices.of(HangupNotice)


async def test_a_conference_lasts_as_long_as_was_said(
    asterisk: FakeAsterisk, place: Place, clock: ManualClock
) -> None:
    async with place.run() as adapter:
        create = ConferenceControl(action=ConferenceAction.CREATE, login_id="23", duration=60)
        made = await adapter.do(create)
        set_clock(clock, 90)
        lock = ConferenceControl(
            conference_id=made.ids["conference_id"], action=ConferenceAction.LOCK
        )
        await adapter.do(lock)
        clock.advance(61)
        unlock = ConferenceControl(
            conference_id=made.ids["conference_id"], action=ConferenceAction.UNLOCK
        )
        await adapter.do(unlock)
        ended = await adapter.notices.any(ConferenceNotice, action=ConferenceNoticeAction.ENDED)
    assert ended.reason == Reason.CONFERENCE_ENDED


def test_steady_time_runs_on_over_a_restart(clock: ManualClock) -> None:
    first = MonotonicTime(clock)
    clock.advance(10)
    set_clock(clock, 90)
    assert first.ahead_s == 90
    stamp, due = first.stamp(), first.at(clock.now() + 20)
    clock.advance(5)  # nobody runs
    second = MonotonicTime(clock)
    second.resume(float(stamp["ahead_s"]))
    assert second.until(due) == 15
    assert first.now() == second.now()


def test_a_deadline_beyond_all_time_is_far_off(clock: ManualClock) -> None:
    assert MonotonicTime(clock).until(MonotonicTime(clock).at(float("inf"))) > 1e9
