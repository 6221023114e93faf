"""Reports as JUnit XML, which build servers read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lxml import etree

from protocol.fields import NOT_XML


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test case.

    `failure` is what went wrong, in a line; `text` is all that is to be said, of the failure or,
    where there is none, as output. `skipped` says why the case was not tried.
    """

    name: str
    time_s: float
    failure: str | None = None
    text: str = ""
    skipped: str | None = None


def junit_xml(
    name: str, class_name: str, cases: Sequence[Case], *, took_s: float, stopped: bool = False
) -> bytes:
    """A suite of cases; `stopped`: it was ended before its end, which is an error."""
    suite = etree.Element(
        "testsuite",
        name=_text(name),
        tests=str(len(cases)),
        failures=str(sum(case.failure is not None for case in cases)),
        errors=str(int(stopped)),
        skipped=str(sum(case.skipped is not None for case in cases)),
        time=f"{took_s:.3f}",
    )
    for case in cases:
        element = etree.SubElement(
            suite,
            "testcase",
            classname=_text(class_name),
            name=_text(case.name),
            time=f"{case.time_s:.3f}",
        )
        if case.skipped is not None:
            etree.SubElement(element, "skipped", message=_text(case.skipped))
        elif case.failure is not None:
            failure = etree.SubElement(element, "failure", message=_text(case.failure))
            failure.text = _text(case.text)
        elif case.text:
            etree.SubElement(element, "system-out").text = _text(case.text)
    root = etree.Element("testsuites")
    root.append(suite)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _text(text: str) -> str:
    """Without what XML cannot carry: reports quote strangers."""
    return NOT_XML.sub("\ufffd", text)
