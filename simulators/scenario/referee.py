"""Holds what is seen against what a scenario expects: what came, and what must not have."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from simulators.clock import ScenarioClock, ScenarioTimer, VirtualClock
from simulators.message_values import differences, fits
from simulators.scenario.expectations import Expectation, Place
from simulators.scenario.result import Finding
from simulators.watch import Sighting, Way

if TYPE_CHECKING:
    from simulators.scenario.file import Scenario


class Referee:
    """Holds what was seen against what is expected: at each place in the order of the file.

    `over` is set when there is nothing left to wait for.
    """

    def __init__(self, scenario: Scenario, clock: ScenarioClock) -> None:
        self.sightings: list[Sighting] = []
        self.unexpected: list[Sighting] = []
        self.over = asyncio.Event()
        self._scenario = scenario
        self._clock = clock
        self._began: float | None = None
        self._findings: dict[int, Finding] = {}
        self._open = {
            place: deque(one for one in scenario.expects if one.at is place) for place in Place
        }
        self._timers: dict[Place, ScenarioTimer] = {}
        self._limit: ScenarioTimer | None = None

    def begin(self) -> None:
        """The scenario begins: time counts from now on."""
        self._began = self._clock.now()
        for place in Place:
            self._await_next(place)
        self._limit = self._clock.call_at(
            self._clock.now() + self._scenario.limit_s, self.over.set
        )

    def end(self) -> None:
        """No timer of ours is left standing: a virtual clock would jump to it."""
        for timer in (*self._timers.values(), self._limit):
            if timer is not None:
                timer.cancel()

    def see(self, sighting: Sighting) -> None:
        """A message came to a place, or went from there."""
        self.sightings.append(sighting)
        if self._began is None:  # it was never told to begin: so it does
            self._began = sighting.at_s
        at_s = sighting.at_s - self._began
        if sighting.way is not Way.RECEIVED:
            return
        place = Place(sighting.place)
        for never in self._scenario.nevers:
            if never.at is place and meets(sighting, never):
                self._must_not(never, sighting, at_s)
        waiting = self._open[place]
        if waiting and meets(sighting, waiting[0]):
            met = waiting[0]
            self._decide(place, Finding(expectation=met, must=True, sighting=sighting, at_s=at_s))

    def _must_not(self, never: Expectation, sighting: Sighting, at_s: float) -> None:
        self.unexpected.append(sighting)
        self._findings.setdefault(
            id(never),
            Finding(
                expectation=never,
                must=False,
                sighting=sighting,
                at_s=at_s,
                note=f"came after {at_s:.1f} s",
            ),
        )

    def _await_next(self, place: Place) -> None:
        waiting = self._open[place]
        if waiting and waiting[0].within_s is not None:
            due = self._clock.now() + waiting[0].within_s
            self._timers[place] = self._clock.call_at(due, partial(self._too_late, place))

    def _too_late(self, place: Place) -> None:
        late = self._open[place][0]
        note = f"not within {late.within_s:g} s{self._instead(late)}"
        self._decide(place, Finding(expectation=late, must=True, note=note))

    def _decide(self, place: Place, finding: Finding) -> None:
        timer = self._timers.pop(place, None)
        if timer is not None:
            timer.cancel()
        self._open[place].popleft()
        self._findings[id(finding.expectation)] = finding
        self._await_next(place)
        if not any(self._open.values()):
            self._linger()

    def _linger(self) -> None:
        """All is decided; what must not come may come still."""
        if self._scenario.linger_s:
            due = self._clock.now() + self._scenario.linger_s
            self._timers[Place.APPLICATION] = self._clock.call_at(due, self.over.set)
        else:
            self.over.set()

    def findings(self) -> tuple[Finding, ...]:
        """One for each, in the order of the file."""
        found = []
        for one in self._scenario.expects:
            note = f"did not come{self._instead(one)}"
            found.append(
                self._findings.get(id(one)) or Finding(expectation=one, must=True, note=note)
            )
        found += [
            self._findings.get(id(one)) or Finding(expectation=one, must=False)
            for one in self._scenario.nevers
        ]
        return tuple(found)

    def _instead(self, wanted: Expectation) -> str:
        """The nearest that came: the same type with other values."""
        others = [
            differences(one.message, wanted.where)
            for one in self.sightings
            if one.way is Way.RECEIVED
            and one.place == wanted.at
            and one.message.number == wanted.number
        ]
        if not others:
            return f"; no {wanted.number} at all came there"
        nearest = min(others, key=len)
        if not nearest:
            return f"; a {wanted.number} like it came, but before what the file has above it"
        said = ", ".join(f"{name}={value}" for name, value in nearest.items())
        return f"; a {wanted.number} came with {said}"


def side_of(scenario: Scenario, place: Place) -> Referee:
    """A referee for one side that is played alone, at its own time: nothing is ever too late."""
    expects = [replace(one, within_s=None) for one in scenario.expects if one.at is place]
    nevers = [one for one in scenario.nevers if one.at is place]
    alone = replace(scenario, expects=tuple(expects), nevers=tuple(nevers), linger_s=0.0)
    return Referee(alone, VirtualClock())


def meets(sighting: Sighting, expectation: Expectation) -> bool:
    """Whether it is what is expected."""
    message = sighting.message
    return message.number == expectation.number and fits(message, expectation.where)
