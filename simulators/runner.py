"""Plays a scenario against a linkage that runs somewhere, and says whether it went as expected."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from simulators.application.desk import SimulatedApplication, open_application
from simulators.background import Background
from simulators.clock import RealClock, ScenarioClock, VirtualClock
from simulators.platform.simulated_platform import SimulatedPlatform, open_platform, with_fresh_ids
from simulators.scenario import Place, Scenario
from simulators.scenario.referee import Referee
from simulators.scenario.result import ScenarioResult
from simulators.watch import Sighting

__all__ = ["ScenarioResult", "run_scenario"]


async def run_scenario(
    scenario: Scenario,
    address: tuple[str, int],
    *,
    platform_secret: str | None,
    application_secret: str | None,
    clock: ScenarioClock | None = None,
    folder: Path | None = None,
    on_sighting: Callable[[Sighting], None] | None = None,
    stop: asyncio.Event | None = None,
    tls: ssl.SSLContext | None = None,
) -> ScenarioResult:
    """Play a scenario: a simulated platform and a simulated application against one linkage.

    Where the file has no `[platform]` or no `[application]`, the other is somebody's own program:
    then only one is played, in real time.

    Args:
        scenario: from `load_scenario`. Its peers must be in linkage's configuration.
        address: where linkage listens.
        platform_secret: of the peer `scenario.platform_id`.
        application_secret: of the peer `scenario.application_id`.
        clock: None: virtual time, so that minutes take moments; `RealClock(speed=…)` to watch.
        folder: where recordings are written; None: a temporary one.
        on_sighting: told of every message as it is seen.
        stop: ends the run when it is set; the result says what was seen until then.
        tls: how to speak TLS with linkage; None: plainly.

    Raises:
        linkage.client.ClientError: linkage is not there, or refuses one of the two.
    """
    both = len(scenario.plays) == len(Place)
    if clock is None:
        clock = VirtualClock(start=RealClock().utc()) if both else RealClock()
    began = clock.now()
    referee = Referee(scenario, clock)
    background = Background()
    site = scenario.site if scenario.ids_given else with_fresh_ids(scenario.site, clock)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(background.stop)
        played: dict[Place, SimulatedApplication | SimulatedPlatform] = {}
        if Place.APPLICATION in scenario.plays:
            played[Place.APPLICATION] = await stack.enter_async_context(
                open_application(
                    *address,
                    scenario.application_id,
                    secret=application_secret,
                    clock=clock,
                    rules=scenario.rules,
                    accounted=both,
                    tls=tls,
                )
            )
        if Place.PLATFORM in scenario.plays:
            platform = await stack.enter_async_context(
                open_platform(
                    *address,
                    scenario.platform_id,
                    secret=platform_secret,
                    site=site,
                    clock=clock,
                    folder=folder,
                    accounted=both,
                    tls=tls,
                )
            )
            played[Place.PLATFORM] = platform
            platform.play(scenario.calls)
        for each in played.values():
            each.watch.observe(referee.see)
            if on_sighting is not None:
                each.watch.observe(on_sighting)
        referee.begin()
        if isinstance(clock, VirtualClock):
            # Only now that both are here and watched: while one still connects nothing stirs, and
            # time would jump to what the other does at the start, or to the end.
            background.start(clock.run(), "virtual clock")
        stopped = stop or asyncio.Event()
        failures = [background.failed, *(each.background.failed for each in played.values())]
        await _first_of(referee.over, stopped, *failures)
        # Left standing they would be what the virtual clock jumps to next: ten minutes ahead.
        referee.end()
        await clock.quiet()
    return ScenarioResult(
        scenario=scenario,
        sightings=tuple(referee.sightings),
        findings=referee.findings(),
        unexpected=tuple(referee.unexpected),
        took_s=clock.now() - began,
        stopped=stopped.is_set() and not referee.over.is_set(),
    )


async def _first_of(*events: asyncio.Event) -> None:
    """Wait for the end, or for an error, which whoever stops the failed part raises."""
    loop = asyncio.get_running_loop()
    waits = [loop.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
