"""The kill campaign of `python -m benchmarks.campaign`, as small as a gate can bear it."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.campaign import Plan, run_campaign


@pytest.mark.campaign
@pytest.mark.timeout(170)
def test_no_kill_loses_or_doubles_or_reorders_a_notice(tmp_path: Path) -> None:
    plan = Plan(notices=10_000, connections=20, kills=8, seed=20_07)

    report = run_campaign(plan, tmp_path)

    assert report.failures == [], "\n".join(report.lines())
    assert report.answered == report.delivered == 10_000
    assert sum(report.kills.values()) == 8
    assert all(report.kills.values()), "every process had its turn"
    assert report.resends_discarded + report.duplicates_discarded, "and each kill met something"
