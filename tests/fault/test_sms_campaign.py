"""The campaign of `python -m tests.load.sms_campaign`, as small as a gate can bear it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.load.sms_campaign import Plan, run_campaign


@pytest.mark.campaign
@pytest.mark.timeout(200)
def test_no_kill_sends_a_text_twice_or_forgets_one(tmp_path: Path) -> None:
    plan = Plan(texts=1_500, kills=6, seed=3, batch=150)

    report = run_campaign(plan, tmp_path)

    assert report.failures == [], "\n".join(report.lines())
    assert report.kills == plan.kills
    assert report.taken > plan.texts // 2, "most of them were sent"
    assert report.doubts, "and some were on their way when it was killed"
