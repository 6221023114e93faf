"""The clocks of a run: which jump, and what keeps them from jumping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from simulators.background import Background
from simulators.clock import ClientClock, RealClock, VirtualClock


@asynccontextmanager
async def running(clock: VirtualClock) -> AsyncIterator[None]:
    background = Background()
    background.start(clock.run(), "clock")
    try:
        yield
    finally:
        await background.stop()


async def test_virtual_time_jumps_from_timer_to_timer() -> None:
    clock = VirtualClock(quiet_s=0.001)
    done = asyncio.Event()
    seen: list[float] = []

    def note() -> None:
        seen.append(clock.now())
        if clock.now() > 60:
            done.set()

    clock.call_at(3600.0, note)
    clock.call_at(60.0, note)
    async with running(clock), asyncio.timeout(30):
        await done.wait()
    assert seen == [60.0, 3600.0]
    assert (clock.utc() - VirtualClock().utc()).total_seconds() == pytest.approx(3600)


async def test_timers_of_one_moment_fire_as_they_were_set() -> None:
    clock = VirtualClock()
    order: list[str] = []
    for name in "abc":
        clock.call_at(1.0, lambda name=name: order.append(name))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
    while clock.advance():
        pass
    assert order == ["a", "b", "c"]


async def test_a_cancelled_timer_does_not_fire() -> None:
    clock = VirtualClock()
    fired: list[int] = []
    timer = clock.call_at(1.0, lambda: fired.append(1))
    clock.call_at(2.0, lambda: fired.append(2))
    timer.cancel()
    assert clock.advance()
    assert not clock.advance()
    assert fired == [2]


async def test_time_waits_for_a_message_that_is_under_way() -> None:
    clock = VirtualClock(quiet_s=0.001, patience_s=60.0)
    fired = asyncio.Event()
    clock.call_at(1.0, fired.set)
    clock.sent(100)
    clock.sent(100)
    async with running(clock), asyncio.timeout(30):
        clock.seen(100)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await fired.wait()
        clock.seen(100)
        await fired.wait()


async def test_time_waits_while_somebody_is_busy() -> None:
    clock = VirtualClock(quiet_s=0.001, patience_s=60.0)
    fired = asyncio.Event()
    clock.call_at(1.0, fired.set)
    async with running(clock), asyncio.timeout(30):
        with clock.busy(), pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await fired.wait()
        await fired.wait()


async def test_a_swallowed_message_delays_time_once() -> None:
    clock = VirtualClock(quiet_s=0.001, patience_s=0.02)
    fired = asyncio.Event()
    clock.call_at(1.0, fired.set)
    clock.sent(115)
    async with running(clock), asyncio.timeout(30):
        await fired.wait()


async def test_an_error_of_a_timer_is_not_lost() -> None:
    clock = VirtualClock(quiet_s=0.001)

    def fail() -> None:
        raise RuntimeError("broken script")

    clock.call_at(1.0, fail)
    background = Background()
    background.start(clock.run(), "clock")
    async with asyncio.timeout(30):
        await background.failed.wait()
    with pytest.raises(RuntimeError, match="broken script"):
        await background.stop()


async def test_real_time_can_run_faster() -> None:
    clock = RealClock(speed=1000.0)
    fired = asyncio.Event()
    clock.call_at(20.0, fired.set)
    async with asyncio.timeout(30):
        await fired.wait()
    assert clock.now() >= 20.0
    assert not clock.is_wall
    assert RealClock().is_wall


async def test_time_does_not_run_backwards() -> None:
    with pytest.raises(ValueError, match="time runs forward"):
        RealClock(speed=0)


async def test_a_client_is_told_the_wall_clock_and_not_the_virtual_one() -> None:
    virtual = VirtualClock()
    told = ClientClock(virtual)
    assert abs((told.utc() - RealClock().utc()).total_seconds()) < 5
    assert told.now() > virtual.now()
