"""Plays a scenario against a linkage that runs somewhere, and says whether it went as expected."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from simulators.application.desk import SimulatedApplication, open_application
from simulators.background import Background
from simulators.clock import Clock, RealClock, VirtualClock
from simulators.compose import fits
from simulators.platform.shell import SimulatedPlatform, open_platform, with_fresh_ids
from simulators.scenario import Expectation, Place, Scenario
from simulators.watch import Sighting, Way


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioResult:
    """What became of a scenario.

    `sightings` are all messages in the order in which they were seen; `missing` what was expected
    and did not come, `unexpected` what came and must not have.
    """

    scenario: Scenario
    sightings: tuple[Sighting, ...]
    missing: tuple[Expectation, ...]
    unexpected: tuple[Sighting, ...]
    took_s: float

    @property
    def passed(self) -> bool:
        """True when all that was expected came, and nothing that must not."""
        return not self.missing and not self.unexpected

    def describe(self) -> str:
        """For a person: what was missing, what was too much, and everything that was seen."""
        lines = [f"{self.scenario.name}: {'passed' if self.passed else 'FAILED'}"]
        lines += [f"missing:    {expectation}" for expectation in self.missing]
        lines += [f"unexpected: {sighting}" for sighting in self.unexpected]
        lines += [str(sighting) for sighting in self.sightings]
        return "\n".join(lines)


class _Referee:
    """Holds what was seen against what is expected: at each place in the order of the file."""

    def __init__(self, scenario: Scenario) -> None:
        self.sightings: list[Sighting] = []
        self.unexpected: list[Sighting] = []
        self.over = asyncio.Event()
        self._nevers = scenario.nevers
        self._open = {
            place: [one for one in scenario.expects if one.at is place] for place in Place
        }

    def see(self, place: Place, sighting: Sighting) -> None:
        self.sightings.append(sighting)
        if sighting.way is not Way.RECEIVED:
            return
        for never in self._nevers:
            if never.at is place and _meets(sighting, never):
                self.unexpected.append(sighting)
        waiting = self._open[place]
        if waiting and _meets(sighting, waiting[0]):
            waiting.pop(0)
        if not any(self._open.values()):
            self.over.set()

    def missing(self) -> tuple[Expectation, ...]:
        return tuple(one for waiting in self._open.values() for one in waiting)


async def run_scenario(
    scenario: Scenario,
    address: tuple[str, int],
    *,
    platform_secret: str | None,
    application_secret: str | None,
    clock: Clock | None = None,
    folder: Path | None = None,
    on_sighting: Callable[[Sighting], None] | None = None,
) -> ScenarioResult:
    """Play a scenario: a simulated platform and a simulated application against one linkage.

    Args:
        scenario: from `load_scenario`. Its peers must be in linkage's configuration.
        address: where linkage listens.
        platform_secret: of the peer `scenario.platform_id`.
        application_secret: of the peer `scenario.application_id`.
        clock: None: virtual time, so that minutes take moments; `RealClock(speed=…)` to watch.
        folder: where recordings are written; None: a temporary one.
        on_sighting: told of every message as it is seen.

    Raises:
        linkage.client.ClientError: linkage is not there, or refuses one of the two.
    """
    clock = clock or VirtualClock(start=RealClock().utc())
    began = clock.now()
    referee = _Referee(scenario)
    background = Background()
    host, port = address
    site = scenario.site
    if not scenario.ids_given:
        site = with_fresh_ids(site, clock)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(background.stop)
        application = await stack.enter_async_context(
            open_application(
                host,
                port,
                scenario.application_id,
                secret=application_secret,
                clock=clock,
                rules=scenario.rules,
                accounted=True,
            )
        )
        platform = await stack.enter_async_context(
            open_platform(
                host,
                port,
                scenario.platform_id,
                secret=platform_secret,
                site=site,
                clock=clock,
                folder=folder,
                accounted=True,
            )
        )
        for place, watch in (
            (Place.APPLICATION, application.watch),
            (Place.PLATFORM, platform.watch),
        ):
            watch.observe(partial(referee.see, place))
            if on_sighting is not None:
                watch.observe(on_sighting)
        platform.play(scenario.calls)
        limit = clock.call_at(began + scenario.limit_s, referee.over.set)
        if isinstance(clock, VirtualClock):
            # Only now that both are here and watched: while one still connects nothing stirs, and
            # time would jump to what the other does at the start, or to the end.
            background.start(clock.run(), "virtual clock")
        await _until_over(referee, background, application, platform)
        # Left standing it would be what the virtual clock jumps to next: ten minutes ahead.
        limit.cancel()
        await clock.quiet()
    return ScenarioResult(
        scenario=scenario,
        sightings=tuple(referee.sightings),
        missing=referee.missing(),
        unexpected=tuple(referee.unexpected),
        took_s=clock.now() - began,
    )


async def _until_over(
    referee: _Referee,
    background: Background,
    application: SimulatedApplication,
    platform: SimulatedPlatform,
) -> None:
    """Wait for the end, or for an error, which whoever stops the failed part raises."""
    events = (
        referee.over,
        background.failed,
        application.background.failed,
        platform.background.failed,
    )
    loop = asyncio.get_running_loop()
    waits = [loop.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


def _meets(sighting: Sighting, expectation: Expectation) -> bool:
    message = sighting.message
    return message.number == expectation.number and fits(message, expectation.where)
