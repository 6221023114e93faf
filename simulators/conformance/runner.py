"""Runs the checks, one after the other, and turns verdicts into findings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from simulators.conformance.checks import checks_for
from simulators.conformance.harness import Harness, open_harness
from simulators.conformance.mailbox import OF_CHECK, OF_RUN
from simulators.conformance.model import (
    SUBJECTS,
    Check,
    ConformanceError,
    FailedError,
    Finding,
    Report,
    Settings,
    SkippedError,
    Status,
)

WINDOW_SECTION: Final = "delivery"
WINDOW_REMEDY: Final = (
    "Let no more requests be unanswered than the window has, send a heartbeat only where you are "
    "silent, and what was refused only after its RetryAfter."
)


async def run_conformance(
    settings: Settings,
    *,
    on_ready: Callable[[str], None] = lambda _: None,
    on_finding: Callable[[Finding], None] = lambda _: None,
    stop: asyncio.Event | None = None,
) -> Report:
    """Drive an implementation through all checks of its role.

    Args:
        settings: where it is, who it is, how patient to be.
        on_ready: told the address once we listen there, or are about to dial it.
        on_finding: told of each finding as it is made.
        stop: once it is set, the run ends; the report says what was not run.

    Raises:
        ConformanceError: the run cannot begin: an address in use, a check that there is not.
    """
    if settings.role not in SUBJECTS:
        known = ", ".join(SUBJECTS)
        raise ConformanceError(f"a {settings.role} cannot be driven: only {known}")
    chosen = _choose(settings)
    findings: list[Finding] = []
    async with open_harness(settings) as harness:
        if stop is not None:
            harness.obey(stop)
        on_ready(harness.address)
        for check in chosen:
            finding = await _run_one(check, harness)
            findings.append(finding)
            on_finding(finding)
        peer_id = next((handshake.peer_id for handshake in harness.handshakes), None)
        return Report(
            role=settings.role,
            address=harness.address,
            peer_id=peer_id or settings.peer_id,
            findings=tuple(findings),
            stopped=harness.stopped,
        )


def _choose(settings: Settings) -> list[Check]:
    checks = checks_for(settings.role)
    unknown = (settings.only | settings.leave_out) - {check.name for check in checks}
    if unknown:
        raise ConformanceError(
            f"no check {', '.join(sorted(unknown))} for this role: see --list for those there are"
        )
    return [check for check in checks if not settings.only or check.name in settings.only]


async def _run_one(check: Check, harness: Harness) -> Finding:
    why_not = _why_not(check, harness)
    if why_not:
        return Finding(check=check, status=Status.SKIP, note=why_not)
    loop = asyncio.get_running_loop()
    began = loop.time()
    harness.mailbox.begin()
    finding = await _verdict(check, harness)
    if harness.mailbox.cut:
        finding = Finding(
            check=replace(check, section=WINDOW_SECTION, remedy=WINDOW_REMEDY),
            status=Status.FAIL,
            expected=f"no more than {OF_CHECK} while a check runs, {OF_RUN} in a run",
            seen=harness.mailbox.cut,
        )
    return replace(finding, duration_s=loop.time() - began)


def _why_not(check: Check, harness: Harness) -> str:
    if check.name in harness.settings.leave_out:
        return "left out by you"
    if harness.stopped:
        return "not run: the kit was stopped"
    if harness.mailbox.spent:
        return f"not run: the implementation has sent more than {OF_RUN}"
    return ""


async def _verdict(check: Check, harness: Harness) -> Finding:
    try:
        async with asyncio.timeout(None) as harness.limit:
            note = await check.run(harness)
    except FailedError as verdict:
        return Finding(
            check=check, status=verdict.status, expected=verdict.expected, seen=verdict.seen
        )
    except SkippedError as reason:
        return Finding(check=check, status=Status.SKIP, note=str(reason))
    except TimeoutError:
        if not harness.stopped and not harness.mailbox.cut:
            raise
        return Finding(check=check, status=Status.SKIP, note="ended early: the kit was stopped")
    finally:
        harness.limit = None
    return Finding(check=check, status=Status.PASS, note=note or "")
