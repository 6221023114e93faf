"""Runs the checks, one after the other, and turns verdicts into findings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from simulators.conformance.bench import Bench, open_bench
from simulators.conformance.checks import checks_for
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


async def run_conformance(
    settings: Settings,
    *,
    on_ready: Callable[[str], None] = lambda _: None,
    on_finding: Callable[[Finding], None] = lambda _: None,
) -> Report:
    """Drive an implementation through all checks of its role.

    Args:
        settings: where it is, who it is, how patient to be.
        on_ready: told the address once we listen there, or are about to dial it.
        on_finding: told of each finding as it is made.

    Raises:
        ConformanceError: the run cannot begin: an address in use, a check that there is not.
    """
    if settings.role not in SUBJECTS:
        known = ", ".join(SUBJECTS)
        raise ConformanceError(f"a {settings.role} cannot be driven: only {known}")
    chosen = _choose(settings)
    findings: list[Finding] = []
    async with open_bench(settings) as bench:
        on_ready(bench.address)
        for check in chosen:
            finding = await _run_one(check, bench)
            findings.append(finding)
            on_finding(finding)
        peer_id = next((greeting.peer_id for greeting in bench.greetings), None)
        return Report(
            role=settings.role,
            address=bench.address,
            peer_id=peer_id or settings.peer_id,
            findings=tuple(findings),
        )


def _choose(settings: Settings) -> list[Check]:
    checks = checks_for(settings.role)
    unknown = (settings.only | settings.leave_out) - {check.name for check in checks}
    if unknown:
        raise ConformanceError(
            f"no check {', '.join(sorted(unknown))} for this role: see --list for those there are"
        )
    return [check for check in checks if not settings.only or check.name in settings.only]


async def _run_one(check: Check, bench: Bench) -> Finding:
    if check.name in bench.settings.leave_out:
        return Finding(check=check, status=Status.SKIP, note="left out by you")
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        note = await check.run(bench)
    except FailedError as verdict:
        return Finding(
            check=check,
            status=verdict.status,
            expected=verdict.expected,
            seen=verdict.seen,
            duration_s=loop.time() - began,
        )
    except SkippedError as reason:
        return Finding(
            check=check, status=Status.SKIP, note=str(reason), duration_s=loop.time() - began
        )
    return Finding(
        check=check, status=Status.PASS, note=note or "", duration_s=loop.time() - began
    )
