"""The report as JUnit XML, which build servers read."""

from __future__ import annotations

from typing import Final

from lxml import etree

from protocol.fields import NOT_XML
from simulators.conformance.model import Report, Status

SUITE: Final = "linkage conformance"


def to_junit(report: Report, *, strict: bool = False) -> bytes:
    """The report as one test suite; `strict`: warnings are failures."""
    failing = {Status.FAIL, Status.WARN} if strict else {Status.FAIL}
    cases = report.findings
    suite = etree.Element(
        "testsuite",
        name=f"{SUITE}: {report.role}",
        tests=str(len(cases)),
        failures=str(sum(case.status in failing for case in cases)),
        errors="0",
        skipped=str(report.count(Status.SKIP)),
        time=f"{sum(case.duration_s for case in cases):.3f}",
    )
    for finding in cases:
        case = etree.SubElement(
            suite,
            "testcase",
            classname=f"conformance.{report.role}",
            name=finding.check.name,
            time=f"{finding.duration_s:.3f}",
        )
        if finding.status is Status.SKIP:
            etree.SubElement(case, "skipped", message=_text(finding.note))
        elif finding.expected:
            text = (
                f"{finding.check.title}\n{finding.check.cites}\nexpected: {finding.expected}\n"
                f"seen: {finding.seen}\nremedy: {finding.check.remedy}"
            )
            tag = "failure" if finding.status in failing else "system-out"
            element = etree.SubElement(case, tag)
            element.text = _text(text)
            if tag == "failure":
                element.set("message", _text(f"expected {finding.expected}"))
        elif finding.note:
            etree.SubElement(case, "system-out").text = _text(finding.note)
    root = etree.Element("testsuites")
    root.append(suite)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _text(text: str) -> str:
    """Without what XML cannot carry: a report quotes whatever an implementation sent."""
    return NOT_XML.sub("\ufffd", text)
