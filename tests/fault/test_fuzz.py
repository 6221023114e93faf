"""The fuzz campaign of `python -m tests.load.fuzz`, as small as the gate can bear it."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.roles import Role
from tests.load.fuzz import Fuzz, run_fuzz
from tests.load.fuzz.corpus import ROLES, payloads
from tests.load.fuzz.damage import WAYS, make_stream


@pytest.mark.timeout(110)
def test_damaged_streams_leave_linkage_serving(tmp_path: Path) -> None:
    plan = Fuzz(streams=2_000, seed=20_14, workers=2, width=16)

    report = run_fuzz(plan, tmp_path)

    assert report.failures == [], "\n".join(report.lines())
    assert report.streams == 2_000
    assert report.canary > 0
    assert set(report.ways) == {way.__name__ for way in WAYS}, "every way had its turn"
    assert report.journal_rows > 100, "and some got as far as the core"


def test_a_stream_is_made_again_from_its_number() -> None:
    for role in ROLES:
        for number in range(50):
            assert make_stream(1, number, payloads(role)) == make_stream(1, number, payloads(role))


def test_streams_differ_by_seed_and_number() -> None:
    valid = payloads(Role.PLATFORM)
    made = {
        b"".join(make_stream(seed, number, valid)[1]) for seed in (1, 2) for number in range(200)
    }
    assert len(made) > 300, "some ways know few streams, such as many heartbeats"
