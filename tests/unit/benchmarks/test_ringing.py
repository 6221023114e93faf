"""What the calls of several builds come to, and a machine without Asterisk."""

import argparse
from pathlib import Path

import pytest

from benchmarks import ringing

CALLS = argparse.Namespace(calls=20)
EVENLY = [float(number) for number in range(1, 21)]


def test_a_build_is_set_against_the_one_before() -> None:
    found = {
        "linkage": {"205": EVENLY, "210": EVENLY},
        "before": {"205": [2 * each for each in EVENLY], "210": EVENLY},
        "asterisk": {"ring": EVENLY},
    }
    report = ringing.report_of(found, CALLS)
    assert report["ratios"] == {"205": 2.0, "210": 1.0}
    assert report["medians"]["before"]["205"]["p50_ms"] == 21.0
    assert "205: 2.00 × as fast as before" in ringing.show({"machine": {}, **report})


def test_without_another_build_there_is_no_ratio() -> None:
    report = ringing.report_of({"linkage": {"205": EVENLY}, "asterisk": {"ring": EVENLY}}, CALLS)
    assert "ratios" not in report


def test_without_asterisk_it_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LINKAGE_REAL_ROOT", str(tmp_path))
    monkeypatch.delenv("LINKAGE_REQUIRE_REAL", raising=False)
    assert ringing.main([]) == ringing.NOT_PROVISIONED
    assert capsys.readouterr().err.startswith("not measured: ")
    monkeypatch.setenv("LINKAGE_REQUIRE_REAL", "1")
    assert ringing.main([]) == 1
