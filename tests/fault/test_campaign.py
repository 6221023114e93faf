"""The kill campaign of `python -m tests.load.campaign`, as small as a gate can bear it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.load.campaign import Plan, run_campaign


@pytest.mark.campaign
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "plan",
    [
        pytest.param(Plan(notices=10_000, kills=8, seed=20_07, split=True), id="split"),
        pytest.param(Plan(notices=4_000, kills=4, seed=2, split=False), id="one process"),
    ],
)
def test_no_kill_loses_or_doubles_or_reorders_a_notice(plan: Plan, tmp_path: Path) -> None:
    report = run_campaign(plan, tmp_path)

    assert report.failures == [], "\n".join(report.lines())
    assert report.answered == report.delivered == plan.notices
    assert sum(report.kills.values()) == plan.kills
    assert all(report.kills.values()), "every process had its turn"
    assert report.sessions > plan.connections, "and its end was felt"
