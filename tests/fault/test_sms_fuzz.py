"""The campaign of `python -m tests.load.sms_fuzz`, as small as the gate can bear it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.load.sms_fuzz import Fuzz, run_fuzz


@pytest.mark.campaign
@pytest.mark.timeout(200)
def test_a_centre_that_lies_keeps_no_honest_text_from_anybody(tmp_path: Path) -> None:
    report = run_fuzz(Fuzz(pdus=1_500, seed=5), tmp_path)

    assert report.failures == [], "\n".join(report.lines())
    assert sum(report.ways.values()) == 1_500
    assert report.honest == 7
    assert report.links > 1, "some lies ended the link"
    assert report.received > report.honest, "and some could be read"
