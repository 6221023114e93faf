"""The benchmarks run, end to end, and judge what they should; their figures are nobody's here."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="processes are watched in /proc: Linux only"
)
REPOSITORY = Path(__file__).resolve().parents[2]


def report_of(module: str, *options: str) -> dict[str, Any]:
    command = [sys.executable, "-m", module, "--json", *options]
    done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_linkage_is_compared_with_the_echo_and_loses_nothing() -> None:
    report = report_of(
        *("benchmarks.durable", "--only", "linkage,echo", "--rounds", "1", "--connections", "2"),
        *("--seconds", "0.2", "--warm-up", "0.1", "--rate", "100"),
    )
    linkage = report["medians"]["linkage"]
    assert linkage["done"] > 0
    assert (linkage["lost"], linkage["refused"], linkage["repeated"]) == (0, 0, 0)
    assert linkage["paced"]["lost"] == 0
    assert linkage["paced"]["delivery"]["p99_ms"] > 0
    assert set(report["ratios"]) == {"echo"}


def test_a_start_is_timed_until_the_first_delivery() -> None:
    report = report_of("benchmarks.start", "--open", "300", "--runs", "1")
    assert report["open_deliveries"] == 300
    assert report["listening_s"] < report["registered_s"] < report["first_delivery_s"]
    assert report["help_cpu_ms"] > 0


def test_a_crowd_is_kept_while_others_work() -> None:
    report = report_of(
        *("benchmarks.crowd", "--connections", "200", "--minutes", "0.02"),
        *("--heartbeat", "0.5", "--rate", "50"),
    )
    assert (report["present"], report["dropped"]) == (200, 0)
    assert report["heartbeats"] >= 200
    assert report["notices"]["delivered"] == report["notices"]["sent"] == 60
    assert report["pss_kib_each"] > 0


def test_a_storm_is_answered_in_full_and_another_peer_too() -> None:
    report = report_of(
        *("tests.load.pressure", "storm", "--seconds", "0.5"),
        *("--storm-rate", "400", "--calm-rate", "20"),
    )["storm"]
    storm = report["storm"]
    assert storm["accepted"] == storm["sent"] == 1000
    assert (report["refused"], storm["refused"], storm["not_delivered"]) == (0, 0, 0)
    assert report["beside"]["p99_ms"] > 0
