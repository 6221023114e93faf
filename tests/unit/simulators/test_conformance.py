"""The conformance kit: passes what is right, and finds what vendors get wrong."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest
from lxml import etree

from linkage.config.secrets import Secret
from protocol.codec import decode
from protocol.dialect import DEFAULT
from protocol.envelope import Request
from protocol.roles import Role
from simulators.conformance import (
    CHECKS,
    ConformanceError,
    Finding,
    Report,
    Settings,
    Status,
    checks_for,
    run_conformance,
    to_junit,
)
from simulators.conformance.connection import Connection
from simulators.conformance.mailbox import OF_CHECK, OF_RUN, Mailbox
from simulators.conformance.violations import Violations
from tests.fakes.vendor_implementation import SECRET, Defect, Implementation
from tests.pages import SPECIFICATION, anchors

NUMBERS = ("13912344444", "13912344445")


def settings(role: Role, *, port: int = 0, listen: bool = True, **options: object) -> Settings:
    given: dict[str, object] = {
        "secret": Secret(SECRET),
        "answer_within_s": 2.0,
        "connect_within_s": 5.0,
        "quiet_s": 0.15,
        "heartbeat_s": 0.3,
        "dead_after_s": 1.0,
        "call_within_s": 0.2,
        "numbers": NUMBERS if role is Role.PLATFORM else (),
    }
    made = {**given, **options}
    return Settings(role=role, host="127.0.0.1", port=port, listen=listen, **made)  # type: ignore[arg-type]  # options of the tests


@asynccontextmanager
async def connecting(vendor: Implementation) -> AsyncIterator[asyncio.Future[str]]:
    """A vendor that connects as soon as it is told where."""
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def work() -> None:
        host, port = (await ready).split(":")
        await vendor.connect(host, int(port))

    task = asyncio.get_running_loop().create_task(work())
    try:
        yield ready
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def examine(
    role: Role, *defects: Defect, only: tuple[str, ...] = (), patience_s: float = 2.0
) -> Report:
    """Run the kit against an implementation that connects to it."""
    async with connecting(Implementation(role.value, *defects)) as ready:
        return await run_conformance(
            settings(role, only=frozenset(only), answer_within_s=patience_s),
            on_ready=ready.set_result,
        )


async def examine_listening(*defects: Defect, only: tuple[str, ...] = ()) -> Report:
    """Run the kit against an application that listens, as the patent has it."""
    vendor = Implementation("application", *defects)
    async with vendor.listening() as port:
        return await run_conformance(
            settings(Role.APPLICATION, port=port, listen=False, only=frozenset(only))
        )


def verdicts(report: Report, *statuses: Status) -> dict[str, str]:
    """What ended so, for a readable assertion."""
    return {
        finding.check.name: finding.seen or finding.note
        for finding in report.findings
        if finding.status in statuses
    }


# --- what is right passes ------------------------------------------------------------------------
@pytest.mark.parametrize("role", [Role.APPLICATION, Role.PLATFORM])
async def test_an_implementation_without_defects_passes(role: Role) -> None:
    report = await examine(role)
    assert verdicts(report, Status.FAIL) == {}
    assert report.passed()
    assert report.peer_id == "vendor"
    skipped = verdicts(report, Status.SKIP)
    expected = {
        Role.APPLICATION: {"judges-registration", "refuses-strangers"},
        Role.PLATFORM: {"embodiment-1", "no-value"},
    }
    assert set(skipped) == expected[role]


async def test_an_application_that_listens_passes() -> None:
    report = await examine_listening()
    assert verdicts(report, Status.FAIL) == {}
    assert report.find("judges-registration").status is Status.PASS
    assert report.find("refuses-strangers").status is Status.PASS


@pytest.mark.parametrize("role", [Role.APPLICATION, Role.PLATFORM])
async def test_an_implementation_of_the_patent_alone_passes(role: Role) -> None:
    """Nobody registers, and it is sent nothing of the profile."""
    async with connecting(Implementation(role.value, Defect.NO_REGISTRATION)) as ready:
        report = await run_conformance(settings(role, secret=None), on_ready=ready.set_result)
    assert verdicts(report, Status.FAIL) == {}
    assert report.find("registers").status is Status.SKIP
    assert report.find("fragments").status is Status.SKIP
    assert report.find("answers-each-request").status is Status.PASS


async def test_an_application_may_end_with_its_call_and_come_back() -> None:
    report = await examine(Role.APPLICATION, Defect.ENDS_WITH_THE_CALL)
    assert verdicts(report, Status.FAIL) == {}


# --- what is wrong is found ----------------------------------------------------------------------
APPLICATION_DEFECTS = {
    Defect.LITTLE_ENDIAN: "registers",
    Defect.LENGTH_COUNTS_HEADER: "registers",
    Defect.NO_REGISTRATION: "registers",
    Defect.NO_NONCE: "registers",
    Defect.SAME_NONCE: "fresh-nonce",
    Defect.WRONG_DIGEST: "digest",
    Defect.OLD_CLOCK: "digest",
    Defect.IMPATIENT: "waits-for-registration",
    Defect.GOES_ON_AFTER_REFUSAL: "refused-registration",
    Defect.ANSWERS_HEARTBEATS: "heartbeats-unanswered",
    Defect.NO_HEARTBEATS: "sends-heartbeats",
    Defect.NO_RESPONSE: "answers-each-request",
    Defect.WRONG_TYPE_IN_RESPONSE: "answers-each-request",
    Defect.WRONG_ID_IN_RESPONSE: "answers-each-request",
    Defect.REPLIES_TWICE: "only-owed-responses",
    Defect.ACTS_TWICE: "duplicate",
    Defect.REFUSES_DUPLICATES: "duplicate",
    Defect.DROPS_WHAT_MAY_BE_REPEATED: "repeat",
    Defect.LOOKS_AT_THE_ID_ALONE: "two-messages-with-one-id",
    Defect.ONE_MESSAGE_A_PACKET: "requests-in-one-packet",
    Defect.WANTS_WHOLE_PACKETS: "one-byte-at-a-time",
    Defect.CHECKS_RESERVED: "reserved-byte",
    Defect.SIGNED_LENGTH: "longest-frame",
    Defect.CLOSES_AT_FRAGMENTS: "fragments",
    Defect.DIES_AT_UNKNOWN_ELEMENT: "unknown-elements",
    Defect.ECHOES_EMPTY: "writes-null",
    Defect.WRONG_DIRECTION: "direction",
    Defect.IDS_REPEATED: "unique-ids",
    Defect.LONG_EVENT_ID: "well-formed",
    Defect.LAST_SEQ_STANDS_STILL: "resumes",
    Defect.LAST_SEQ_TOO_FAR: "resumes",
    Defect.IGNORES_FLAGS: "unknown-flag",
    Defect.HANGS_AT_BAD_XML: "truncated-xml",
    Defect.CLOSES_AT_REFUSALS: "refusals-stay-open",
    Defect.IGNORES_FAREWELL: "farewell",
}
PLATFORM_DEFECTS = {
    Defect.TAKES_UNKNOWN_COMMANDS: "unknown-type",
    Defect.EXECUTES_LATE: "expired-command",
    Defect.FORGETS_UNANSWERED: "sends-again",
    Defect.RESULT_WITHOUT_EVENT: "embodiment-2",
    Defect.NO_RESULT: "embodiment-2",
    Defect.ACTS_TWICE: "embodiment-2",
    Defect.NO_RESPONSE: "answers-each-request",
    Defect.WRONG_DIGEST: "digest",
}
LISTENING_DEFECTS = {
    Defect.TAKES_ANY_REGISTRATION: "judges-registration",
    Defect.SERVES_STRANGERS: "refuses-strangers",
}
PROVOKES = {
    "fresh-nonce": ("resumes",),
    "only-owed-responses": ("embodiment-1",),
    "direction": ("embodiment-1",),
    "unique-ids": ("embodiment-1", "duplicate"),
    "well-formed": ("embodiment-1",),
    "writes-null": ("no-value",),
}
"""What must have been run before, for the checks that look back on the whole run."""
SILENT = {
    Defect.LITTLE_ENDIAN,
    Defect.NO_RESPONSE,
    Defect.WRONG_TYPE_IN_RESPONSE,
    Defect.WRONG_ID_IN_RESPONSE,
    Defect.ONE_MESSAGE_A_PACKET,
    Defect.WANTS_WHOLE_PACKETS,
    Defect.HANGS_AT_BAD_XML,
    Defect.IGNORES_FAREWELL,
    Defect.FORGETS_UNANSWERED,
}
"""Defects that show in an answer that never comes."""
BRIEFLY_S = 0.5
"""Long enough for what never comes."""
SLOWLY_S = 60.0
"""However slow the machine is: nothing but the flood ends the check."""


@pytest.mark.parametrize(("defect", "check"), APPLICATION_DEFECTS.items())
async def test_a_defect_of_an_application_is_found(defect: Defect, check: str) -> None:
    only = (*PROVOKES.get(check, ()), check)
    patience_s = BRIEFLY_S if defect in SILENT else 2.0
    report = await examine(Role.APPLICATION, defect, only=only, patience_s=patience_s)
    found = report.find(check)
    assert found.status is Status.FAIL, found
    assert found.expected
    assert found.seen


@pytest.mark.parametrize(("defect", "check"), PLATFORM_DEFECTS.items())
async def test_a_defect_of_a_platform_is_found(defect: Defect, check: str) -> None:
    patience_s = BRIEFLY_S if defect in SILENT else 2.0
    report = await examine(Role.PLATFORM, defect, only=(check,), patience_s=patience_s)
    assert report.find(check).status is Status.FAIL, report.find(check)


@pytest.mark.parametrize(("defect", "check"), LISTENING_DEFECTS.items())
async def test_a_defect_of_a_listening_application_is_found(defect: Defect, check: str) -> None:
    report = await examine_listening(defect, only=(check,))
    assert report.find(check).status is Status.FAIL, report.find(check)


@pytest.mark.parametrize(("defect", "check"), APPLICATION_DEFECTS.items())
async def test_what_finds_a_defect_passes_without_it(defect: Defect, check: str) -> None:
    report = await examine(Role.APPLICATION, only=(*PROVOKES.get(check, ()), check))
    assert report.find(check).status is Status.PASS, (defect, report.find(check))


@pytest.mark.parametrize(
    ("defect", "words"),
    [
        (Defect.LITTLE_ENDIAN, "little-endian"),
        (Defect.LENGTH_COUNTS_HEADER, "counts the header"),
        (Defect.NO_NONCE, "Nonce"),
    ],
)
async def test_a_wrong_header_is_named_for_what_it_is(defect: Defect, words: str) -> None:
    report = await examine(Role.APPLICATION, defect, only=("registers",), patience_s=BRIEFLY_S)
    assert words in report.find("registers").seen


async def test_what_hurts_nobody_else_is_a_warning_and_strict_makes_it_fail() -> None:
    report = await examine(Role.APPLICATION, Defect.TAKES_DOCTYPE, only=("doctype",))
    assert report.find("doctype").status is Status.WARN
    assert report.passed()
    assert not report.passed(strict=True)


async def test_two_defects_are_both_found() -> None:
    wrong = (Defect.REPLIES_TWICE, Defect.CLOSES_AT_FRAGMENTS)
    report = await examine(Role.APPLICATION, *wrong)
    assert set(verdicts(report, Status.FAIL)) == {"only-owed-responses", "fragments"}


# --- the run itself ------------------------------------------------------------------------------
async def test_nobody_connects_and_the_run_still_ends() -> None:
    report = await run_conformance(settings(Role.APPLICATION, connect_within_s=0.1))
    assert report.find("connects").status is Status.FAIL
    assert report.find("fragments").status is Status.SKIP
    assert not report.passed()
    # Whoever says nothing has shown nothing.
    assert verdicts(report, Status.PASS) == {}


async def test_what_an_implementation_declares_of_its_encoding_hurts_nobody() -> None:
    written = '<request Id="1" Type="201"><EventId>1</EventId><Title>{}</Title></request>'
    violations = Violations(Role.APPLICATION)
    nobody = cast("asyncio.StreamWriter", None)  # nothing is sent
    connection = Connection(
        asyncio.StreamReader(), nobody, DEFAULT, violations.take, Mailbox(lambda: None)
    )
    for declared, title in (("UTF-16", "火灾"), ("gb2312", "火灾"), ("gb2312", "水灾")):
        raw = f'<?xml version="1.0" encoding="{declared}"?>{written.format(title)}'.encode()
        item = decode(raw)
        assert isinstance(item, Request)
        violations.take(connection, item)
    assert len(violations.ids) == 1
    assert "'1' for a 201 and again for another 201" in violations.ids[0]


async def test_nobody_listens_and_the_run_still_ends() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        report = await run_conformance(
            settings(Role.APPLICATION, port=port, listen=False, connect_within_s=0.3)
        )
    assert report.find("connects").status is Status.FAIL
    assert "did not take a connection" in report.find("connects").seen


async def test_checks_can_be_left_out_and_say_so() -> None:
    async with connecting(Implementation("application")) as ready:
        report = await run_conformance(
            settings(
                Role.APPLICATION,
                only=frozenset({"connects", "doctype"}),
                leave_out=frozenset({"doctype"}),
            ),
            on_ready=ready.set_result,
        )
    assert [finding.check.name for finding in report.findings] == ["connects", "doctype"]
    assert verdicts(report, Status.SKIP) == {"doctype": "left out by you"}


async def test_a_check_that_there_is_not_is_refused() -> None:
    with pytest.raises(ConformanceError, match="no check embodiment-9"):
        await run_conformance(settings(Role.PLATFORM, only=frozenset({"embodiment-9"})))


async def test_a_port_in_use_is_refused_with_a_remedy() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConformanceError, match="name another address"):
            await run_conformance(settings(Role.APPLICATION, port=port))


async def test_a_screen_cannot_be_driven() -> None:
    with pytest.raises(ConformanceError, match="business-screen cannot be driven"):
        await run_conformance(settings(Role.BUSINESS_SCREEN))


async def test_findings_are_told_as_they_are_made() -> None:
    told: list[Finding] = []
    async with connecting(Implementation("application")) as ready:
        report = await run_conformance(
            settings(Role.APPLICATION, only=frozenset({"connects", "registers"})),
            on_ready=ready.set_result,
            on_finding=told.append,
        )
    assert tuple(told) == report.findings


async def test_a_flood_costs_the_check_in_which_it_comes() -> None:
    report = await examine(
        Role.APPLICATION, Defect.FLOODS, only=("duplicate",), patience_s=SLOWLY_S
    )
    (finding,) = report.findings
    assert (finding.status, finding.check.section) == (Status.FAIL, "delivery")
    assert finding.seen.startswith(f"{OF_CHECK.messages + 1} messages")


async def test_a_run_ends_however_often_an_implementation_floods_it() -> None:
    report = await examine(Role.APPLICATION, Defect.FLOODS_WITH_HEARTBEATS, patience_s=SLOWLY_S)
    cut = [finding for finding in report.findings if "the rest is not read" in finding.seen]
    assert 2 <= len(cut) <= OF_RUN.messages // OF_CHECK.messages
    left = f"not run: the implementation has sent more than {OF_RUN}"
    assert report.findings[-1].note == left
    assert not report.passed()


async def test_a_run_that_is_stopped_reports_what_was_tried_and_what_was_not() -> None:
    stop = asyncio.Event()
    names = ("connects", "registers", "answers-each-request", "duplicate")

    def found(finding: Finding) -> None:
        if finding.check.name == "registers":
            # The next check waits for an answer that never comes.
            asyncio.get_running_loop().call_soon(stop.set)

    async with connecting(Implementation("application", Defect.NO_RESPONSE)) as ready:
        report = await run_conformance(
            settings(Role.APPLICATION, only=frozenset(names), answer_within_s=3600.0),
            on_ready=ready.set_result,
            on_finding=found,
            stop=stop,
        )
    statuses = {finding.check.name: str(finding.status) for finding in report.findings}
    assert statuses == dict(zip(names, ("pass", "pass", "skip", "skip"), strict=True))
    assert verdicts(report, Status.SKIP) == {
        "answers-each-request": "ended early: the kit was stopped",
        "duplicate": "not run: the kit was stopped",
    }
    assert not report.passed()
    assert report.to_plain()["stopped"] is True


# --- the report ----------------------------------------------------------------------------------
async def test_the_report_names_section_expectation_and_remedy() -> None:
    report = await examine(
        Role.APPLICATION,
        Defect.NO_RESPONSE,
        only=("connects", "answers-each-request"),
        patience_s=BRIEFLY_S,
    )
    plain = json.loads(json.dumps(report.to_plain()))
    assert plain["passed"] is False
    assert plain["counts"] == {"pass": 1, "warn": 0, "fail": 1, "skip": 0}
    failed = plain["checks"][1]
    assert failed["section"] == "docs/reference/protocol.md#requests-and-responses"
    assert "<response RequestId=" in failed["expected"]
    assert "no answer" in failed["seen"]
    assert "exactly one response" in failed["remedy"]


async def test_build_servers_can_read_the_report() -> None:
    report = await examine(
        Role.APPLICATION,
        Defect.NO_RESPONSE,
        only=("connects", "answers-each-request", "judges-registration"),
        patience_s=BRIEFLY_S,
    )
    suite = etree.fromstring(to_junit(report)).find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "1")
    failure = suite.find("testcase[@name='answers-each-request']/failure")
    assert failure is not None
    assert "protocol.md#requests-and-responses" in (failure.text or "")
    assert "remedy:" in (failure.text or "")


async def test_in_junit_a_warning_fails_only_where_it_is_strict() -> None:
    report = await examine(Role.APPLICATION, Defect.TAKES_DOCTYPE, only=("doctype",))
    lenient, strict = to_junit(report), to_junit(report, strict=True)
    assert b'failures="0"' in lenient
    assert b'failures="1"' in strict


def test_every_check_says_what_a_vendor_needs_to_know() -> None:
    for check in CHECKS:
        assert check.title
        assert check.remedy.endswith(".")
        assert check.section in anchors(SPECIFICATION)


@pytest.mark.parametrize("role", [Role.APPLICATION, Role.PLATFORM])
def test_names_are_unique_for_a_role(role: Role) -> None:
    names = [check.name for check in checks_for(role)]
    assert len(names) == len(set(names))
