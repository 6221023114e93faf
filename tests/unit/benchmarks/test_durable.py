"""Which systems are compared, and what the figures of several rounds come to."""

from pathlib import Path

import pytest

from benchmarks.comparison.rounds import choose, median_of, ratios
from benchmarks.durable import RIGS
from benchmarks.process import BenchmarkError


def chosen(only: str | None) -> list[str]:
    return [rig.name for rig in choose(RIGS, only)]


def test_a_missing_broker_is_left_out_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LINKAGE_BENCH_ROOT", str(tmp_path))
    monkeypatch.delenv("LINKAGE_REQUIRE_REAL", raising=False)
    assert chosen("linkage,rabbitmq,jetstream") == ["linkage"]
    told = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in told] == ["without rabbitmq", "without jetstream"]
    assert all("run benchmarks/provision.sh" in line for line in told)


def test_a_missing_broker_is_a_failure_where_none_may_be(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LINKAGE_BENCH_ROOT", str(tmp_path))
    monkeypatch.setenv("LINKAGE_REQUIRE_REAL", "1")
    with pytest.raises(BenchmarkError, match=r"LINKAGE_REQUIRE_REAL=1, but rabbitmq"):
        chosen("rabbitmq")


def test_a_system_that_nobody_knows_is_refused() -> None:
    with pytest.raises(BenchmarkError, match="kafka: there are linkage, "):
        chosen("linkage,kafka")


def test_rounds_come_to_their_medians() -> None:
    rounds = [{"per_s": rate, "paced": {"p99_ms": rate / 10}} for rate in (10.0, 30.0, 20.0)]
    assert median_of(rounds) == {"per_s": 20.0, "paced": {"p99_ms": 2.0}}
    lost = [{"lost": count, "such as": names} for count, names in ((0, []), (0, []), (1, ["a"]))]
    assert median_of(lost, {"lost"}) == {"lost": 1, "such as": ["a"]}


def test_linkage_is_set_against_each_other() -> None:
    medians = {"linkage": {"per_s": 30.0}, "rabbitmq": {"per_s": 10.0}, "broken": {"per_s": 0.0}}
    assert ratios(medians) == {"rabbitmq": 3.0}
    assert ratios({"rabbitmq": {"per_s": 10.0}}) == {}
