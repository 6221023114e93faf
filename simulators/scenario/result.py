"""What became of a scenario: of each expectation, and of the whole, for people and programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulators.junit import Case, junit_xml
from simulators.scenario.expectations import Expectation
from simulators.watch import Sighting

if TYPE_CHECKING:
    from simulators.scenario.file import Scenario


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
        cases = [
            Case(
                name=f"{one.expectation.table}: {'' if one.must else 'never '}{one.expectation}",
                time_s=one.at_s or 0.0,
                failure=None if one.passed else one.note,
                text="" if one.passed else self.describe(),
            )
            for one in self.findings
        ]
        name = self.scenario.name
        return junit_xml(
            f"linkage scenario: {name}",
            f"scenario.{name}",
            cases,
            took_s=self.took_s,
            stopped=self.stopped,
        )
