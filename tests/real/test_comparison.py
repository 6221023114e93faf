"""What linkage is compared with runs as it is meant to: nothing lost, nothing doubled."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.durable import RIGS

REPOSITORY = Path(__file__).resolve().parents[2]
REQUIRED = os.environ.get("LINKAGE_REQUIRE_REAL") == "1"


@pytest.mark.parametrize("name", ["rabbitmq", "jetstream"])
def test_every_notice_goes_all_the_way_through_what_linkage_is_compared_with(name: str) -> None:
    remedy = RIGS[name].missing()
    if remedy is not None and not REQUIRED:  # else the benchmark itself fails, and says why
        pytest.skip(remedy)
    options = ["--only", name, "--rounds", "1", "--seconds", "0.5", "--warm-up", "0.2"]
    command = [sys.executable, "-m", "benchmarks.durable", *options, "--rate", "100", "--json"]
    done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)["medians"][name]
    assert figures["done"] > 0
    assert (figures["lost"], figures["refused"], figures["repeated"]) == (0, 0, 0)
    assert (figures["paced"]["lost"], figures["paced"]["refused"]) == (0, 0)
    assert figures["server_us"] > 0
