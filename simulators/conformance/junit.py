"""The report as JUnit XML."""

from __future__ import annotations

from simulators.conformance.model import Finding, Report, Status
from simulators.junit import Case, junit_xml


def to_junit(report: Report, *, strict: bool = False) -> bytes:
    """The report as one test suite, which build servers read; `strict`: warnings are failures."""
    failing = {Status.FAIL, Status.WARN} if strict else {Status.FAIL}
    return junit_xml(
        f"linkage conformance: {report.role}",
        f"conformance.{report.role}",
        [_case(finding, fails=finding.status in failing) for finding in report.findings],
        took_s=sum(finding.duration_s for finding in report.findings),
    )


def _case(finding: Finding, *, fails: bool) -> Case:
    check = finding.check
    text = finding.note
    if finding.expected:
        text = (
            f"{check.title}\n{check.cites}\nexpected: {finding.expected}\n"
            f"seen: {finding.seen}\nremedy: {check.remedy}"
        )
    return Case(
        name=check.name,
        time_s=finding.duration_s,
        failure=f"expected {finding.expected}" if fails else None,
        text=text,
        skipped=finding.note if finding.status is Status.SKIP else None,
    )
