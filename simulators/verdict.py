"""Whether a scenario went as it expects: what came, what did not, what must not have."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from lxml import etree

from protocol.fields import NOT_XML
from simulators.clock import Clock, Timer, VirtualClock
from simulators.compose import differences, fits
from simulators.expecting import Expectation, Place
from simulators.watch import Sighting, Way

if TYPE_CHECKING:
    from simulators.scenario import Scenario

SUITE: Final = "linkage scenario"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What became of one expectation. `must` False: it is a `[[never]]`.

    `sighting` is the message that met it; `at_s` when that was, in seconds since the start; `note`
    what one should know where it failed.
    """

    expectation: Expectation
    must: bool
    sighting: Sighting | None = None
    at_s: float | None = None
    note: str = ""

    @property
    def passed(self) -> bool:
        """It came and was to, or did not and must not."""
        return (self.sighting is not None) is self.must

    def to_plain(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        wanted = self.expectation
        return {
            "table": wanted.table,
            "title": wanted.title,
            "at": str(wanted.at),
            "type": wanted.number,
            "where": dict(wanted.where),
            "within_s": wanted.within_s,
            "passed": self.passed,
            "at_s": None if self.at_s is None else round(self.at_s, 3),
            "note": self.note,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioResult:
    """What became of a scenario.

    `sightings` are all messages in the order in which they were seen; `findings` has one for each
    `[[expect]]` and `[[never]]`; `unexpected` what came and must not have. `stopped`: somebody
    ended it before its end.
    """

    scenario: Scenario
    sightings: tuple[Sighting, ...]
    findings: tuple[Finding, ...]
    unexpected: tuple[Sighting, ...]
    took_s: float
    stopped: bool = False

    @property
    def missing(self) -> tuple[Expectation, ...]:
        """What was expected and did not come, or too late."""
        return tuple(one.expectation for one in self.findings if one.must and not one.passed)

    @property
    def passed(self) -> bool:
        """True when all that was expected came in time, and nothing that must not."""
        return not self.stopped and all(finding.passed for finding in self.findings)

    def describe(self) -> str:
        """For a person: what was missing, what was too much, and everything that was seen."""
        lines = [f"{self.scenario.name}: {'passed' if self.passed else 'FAILED'}"]
        for one in self.findings:
            if one.must and not one.passed:
                lines.append(f"missing:    {one.expectation}")
                lines += [f"            {one.note}"] * bool(one.note)
        lines += [f"unexpected: {sighting}" for sighting in self.unexpected]
        lines += [str(sighting) for sighting in self.sightings]
        return "\n".join(lines)

    def to_plain(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "scenario": self.scenario.name,
            "title": self.scenario.title,
            "passed": self.passed,
            "stopped": self.stopped,
            "took_s": round(self.took_s, 3),
            "expect": [one.to_plain() for one in self.findings if one.must],
            "never": [one.to_plain() for one in self.findings if not one.must],
        }

    def to_junit(self) -> bytes:
        """As JUnit XML, which build servers read: a test case for each expectation."""
        failed = sum(not one.passed for one in self.findings)
        suite = etree.Element(
            "testsuite",
            name=_text(f"{SUITE}: {self.scenario.name}"),
            tests=str(len(self.findings)),
            failures=str(failed),
            errors=str(int(self.stopped)),
            skipped="0",
            time=f"{self.took_s:.3f}",
        )
        for one in self.findings:
            name = f"{one.expectation.table}: {'' if one.must else 'never '}{one.expectation}"
            case = etree.SubElement(
                suite,
                "testcase",
                classname=_text(f"scenario.{self.scenario.name}"),
                name=_text(name),
                time=f"{one.at_s or 0.0:.3f}",
            )
            if not one.passed:
                failure = etree.SubElement(case, "failure", message=_text(one.note))
                failure.text = _text(self.describe())
        root = etree.Element("testsuites")
        root.append(suite)
        return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _text(text: str) -> str:
    """Without what XML cannot carry: the messages are a stranger's."""
    return NOT_XML.sub("\ufffd", text)


class Referee:
    """Holds what was seen against what is expected: at each place in the order of the file.

    `over` is set when there is nothing left to wait for.
    """

    def __init__(self, scenario: Scenario, clock: Clock) -> None:
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
        self._timers: dict[Place, Timer] = {}
        self._limit: Timer | None = None

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
