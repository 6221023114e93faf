"""What a conformance run is made of: settings, checks, verdicts, findings, the report."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from linkage.config.secrets import Secret
from protocol.dialect import DEFAULT, LEGACY, Dialect
from protocol.roles import Role

if TYPE_CHECKING:
    from simulators.conformance.harness import Harness

SPECIFICATION: Final = "docs/reference/protocol.md"
SUBJECTS: Final = (Role.APPLICATION, Role.PLATFORM)
"""Whose implementations can be driven: screens speak to a linkage, not to one that is played."""


class ConformanceError(Exception):
    """The run cannot begin; the text says why and what to do."""


class Status(StrEnum):
    """What a check found.

    `WARN`: against the specification, but nobody is hurt by it; a failure where `strict`.
    """

    PASS = "pass"  # noqa: S105 - a verdict
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


class FailedError(Exception):
    """The implementation does what the specification forbids, or not what it demands."""

    status = Status.FAIL

    def __init__(self, expected: str, seen: str) -> None:
        super().__init__(f"expected {expected}; seen {seen}")
        self.expected = expected
        self.seen = seen


class WarnedError(FailedError):
    """The same, where only the implementation's own users suffer."""

    status = Status.WARN


class SkippedError(Exception):
    """The check does not apply, or could not be tried; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to reach the implementation and how patient to be. All times in seconds.

    Args:
        role: what is under test, one of `SUBJECTS`.
        host: where it listens, or where we listen for it.
        port: the same; 0 with `listen`: any free one.
        listen: it connects to us. Platforms always do (protocol.md#connections).
        secret: its secret; None: it speaks only the patent (`legacy`) and does not register.
        peer_id: who it must say to be; None: anybody.
        linkage_id: the PeerId under which we register where we dial.
        answer_within_s: how long an answer may take.
        connect_within_s: how long it may take to connect, or to connect again.
        quiet_s: how long is watched for what must not come.
        heartbeat_s: after how much silence it sends a heartbeat.
        dead_after_s: after how much silence it counts as dead.
        fragments: it can put fragments together.
        call_within_s: (platform) how long to wait for somebody to place a call there.
        numbers: (platform) telephones that may be called, for the second embodiment.
        transfer_to: (platform) the LoginId that a call may be transferred to.
        login_id: whom our messages name as the dispatcher.
        only: names of the checks to run; empty: all.
        leave_out: names of checks not to run.
    """

    role: Role
    host: str
    port: int
    listen: bool = True
    secret: Secret | None = None
    peer_id: str | None = None
    linkage_id: str = "linkage"
    answer_within_s: float = 5.0
    connect_within_s: float = 30.0
    quiet_s: float = 0.5
    heartbeat_s: float = 10.0
    dead_after_s: float = 30.0
    fragments: bool = True
    call_within_s: float = 30.0
    numbers: tuple[str, ...] = ()
    transfer_to: str | None = None
    login_id: str = "13"
    only: frozenset[str] = frozenset()
    leave_out: frozenset[str] = frozenset()

    @property
    def legacy(self) -> bool:
        """True when it speaks only the patent."""
        return self.secret is None

    @property
    def dialect(self) -> Dialect:
        """How it is spoken to."""
        return LEGACY if self.legacy else DEFAULT


Run = Callable[["Harness"], Awaitable[str | None]]
"""Carries a check out; returns a note for a person, or raises one of the verdicts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that the specification demands.

    `name` identifies it on the command line and in reports, `section` is its anchor there,
    `remedy` is what a vendor whose implementation fails should look at.
    """

    name: str
    title: str
    section: str
    remedy: str
    run: Run
    roles: Sequence[Role] = SUBJECTS

    @property
    def cites(self) -> str:
        """Where the specification demands it."""
        return f"{SPECIFICATION}#{self.section}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What came of one check. `note` says why it was skipped, or what else was seen."""

    check: Check
    status: Status
    expected: str = ""
    seen: str = ""
    note: str = ""
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All findings of one run, in order; `stopped`: it was ended before it had tried all."""

    role: Role
    address: str
    peer_id: str | None
    findings: tuple[Finding, ...]
    stopped: bool = False

    def count(self, status: Status) -> int:
        """How many checks ended so."""
        return sum(finding.status is status for finding in self.findings)

    def passed(self, *, strict: bool = False) -> bool:
        """True when something was tried, nothing failed, and nobody stopped it.

        `strict`: not even a warning.
        """
        bad = {Status.FAIL, Status.WARN} if strict else {Status.FAIL}
        tried = any(finding.status is not Status.SKIP for finding in self.findings)
        return (
            tried
            and not self.stopped
            and not any(finding.status in bad for finding in self.findings)
        )

    def find(self, name: str) -> Finding:
        """The finding of a check.

        Raises:
            KeyError: that check was not part of the run.
        """
        for finding in self.findings:
            if finding.check.name == name:
                return finding
        raise KeyError(name)

    def to_plain(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "role": str(self.role),
            "address": self.address,
            "peer_id": self.peer_id,
            "passed": self.passed(),
            "stopped": self.stopped,
            "counts": {str(status): self.count(status) for status in Status},
            "checks": [
                {
                    "name": finding.check.name,
                    "title": finding.check.title,
                    "section": finding.check.cites,
                    "status": str(finding.status),
                    "expected": finding.expected,
                    "seen": finding.seen,
                    "note": finding.note,
                    "remedy": finding.check.remedy if finding.expected else "",
                    "duration_s": round(finding.duration_s, 3),
                }
                for finding in self.findings
            ],
        }
