"""Figures become verdicts and a page."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import report
from benchmarks.all import YARDSTICKS, choose
from benchmarks.budgets import BUDGETS, verdicts
from benchmarks.markdown import flat, tables

ITEM = {"command": "python -m benchmarks.durable", "day": "2026-12-01", "took_s": 60, "status": 0}
LINKAGE = {
    "per_s": 12_345.6, "server_us": 80.0, "load_us": 40.0, "server_core": 0.99, "load_core": 0.5,
    "paced": {"delivery": {"p50_ms": 1.5, "p99_ms": 6.25}},
}  # fmt: skip
RABBITMQ = {**LINKAGE, "per_s": 3_000.0, "paced": {"delivery": {"p99_ms": 5.0}}}
FIGURES = {
    "titles": {"linkage": "linkage", "rabbitmq": "a broker"},
    "medians": {"linkage": LINKAGE, "rabbitmq": RABBITMQ},
    "ratios": {"rabbitmq": 4.1},
}
THROUGHPUT = BUDGETS[0].what
FOUND: dict[str, Any] = {"durable": {**ITEM, "figures": FIGURES}}


def verdict_of(found: dict[str, Any]) -> dict[str, tuple[str, bool | None]]:
    return {item.what: (item.found, item.met) for item in verdicts(found)}


def test_every_budget_belongs_to_a_benchmark_that_there_is() -> None:
    assert {budget.yardstick for budget in BUDGETS} <= {item.name for item in YARDSTICKS}


def test_a_budget_is_met_or_missed_by_its_figure() -> None:
    found = verdict_of(FOUND)
    assert found[THROUGHPUT] == ("4.1 ×", False)
    assert found["delay until delivered at 1,000 messages/s, p99, against RabbitMQ's"] == (
        "1.25 ×",
        False,
    )
    better = {"durable": {**ITEM, "figures": {**FIGURES, "ratios": {"rabbitmq": 5.0}}}}
    assert verdict_of(better)[THROUGHPUT] == ("5 ×", True)


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    assert verdict_of(FOUND)["idle registered connection"][1] is None
    assert {met for _, met in verdict_of({}).values()} == {None}


def test_an_older_build_is_named_and_its_verdict_stands_in_brackets() -> None:
    older = {"durable": {**FOUND["durable"], "day": "2026-11-23", "build": "abc1234"}}
    for found, verdict in ((older, "(**no**) | abc1234, 2026-11-23"), (FOUND, "**no** | 2026-")):
        page = report.page("<!-- budgets -->\n<!-- /budgets -->\n", found)
        assert f"| {THROUGHPUT} | ≥ 5 × | 4.1 × | {verdict}" in page


def test_what_more_than_the_medians_is_promised_is_found_in_its_figures() -> None:
    reader = {"reader": {"queued": 200_000, "costs_mib": 1.2}}
    medians = {"medians": {"linkage": {"per_s": 100.0}, "two-cores": {"per_s": 170.0}}}
    start = {"idle_mib": 61.0, "empty_listening_s": 0.4}
    found = verdict_of(
        {
            name: {**ITEM, "figures": figures}
            for name, figures in {"pressure": reader, "durable": medians, "start": start}.items()
        }
    )
    assert found["queued notice of a stopped reader, beyond what one costs that is read"] == (
        "6.291 bytes",
        True,
    )
    two_cores = "the same with gateway and core on two cores, against one core"
    assert found[two_cores] == ("1.7 ×", True)
    assert found["serving, idle"] == ("61 MiB", False)
    assert found["start to listening, empty store"] == ("0.4 s", True)


def test_a_benchmark_may_judge_its_own_figures() -> None:
    own = {"what": "memory", "target": "< 64 MiB", "found": "80 MiB", "met": False}
    found = {"pressure": {**ITEM, "figures": {"budgets": [own]}}}
    assert verdict_of(found)["memory"] == ("80 MiB", False)


def test_only_what_stands_between_marks_is_written() -> None:
    text = "a\n<!-- durable -->\nold\n<!-- /durable -->\nb\n<!-- crowd -->\n<!-- /crowd -->\n"
    written = report.page(text, FOUND)
    assert "old" not in written
    assert "| linkage | 12,346 |  | 80 | 40 | 99% | 50% | 1.5 | 6.25 |" in written
    assert "| a broker | 3,000 | 4.10 × |" in written
    assert "Not measured yet: `python -m benchmarks.crowd --connections 10000" in written
    assert written.startswith("a\n<!-- durable -->")
    assert "\nb\n" in written
    assert report.page(written, FOUND) == written


def test_rows_and_groups_of_the_same_names_stand_side_by_side() -> None:
    figures = {
        "machine": {"cpu": "none of it"},
        "rows": [{"mix": "calls", "total": 1234.5}, {"mix": "sms", "total": 2.0}],
        "median_us": {"decode": 1.5, "encode": 2},
        "best_us": {"decode": 1, "encode": None},
        "took": {"s": 3},
        "failures": ["one was lost"],
    }
    assert tables(figures).splitlines() == [
        "| mix | total |",
        "|---|---:|",
        "| calls | 1,234.5 |",
        "| sms | 2 |",
        "",
        "| | median_us | best_us |",
        "|---|---:|---:|",
        "| decode | 1.5 | 1 |",
        "| encode | 2 | – |",
        "",
        "| | |",
        "|---|---:|",
        "| took.s | 3 |",
        "",
        "- **failed**: one was lost",
    ]


def test_figures_within_figures_are_named_by_their_way() -> None:
    assert dict(flat({"a": {"b": 1.25, "c": [{"d": True}, None]}})) == {
        "a.b": "1.25",
        "a.c 1.d": "True",
    }


def test_the_page_has_a_place_for_each_benchmark() -> None:
    text = report.DEFAULT.with_suffix(".md").read_text(encoding="utf-8")
    for name in ("machine", "budgets", *(item.name for item in YARDSTICKS)):
        assert f"<!-- {name} -->\n" in text
        assert f"<!-- /{name} -->" in text


def test_a_stale_page_is_told_and_a_written_one_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "reference" / "performance.json"
    source.parent.mkdir()
    source.write_text(json.dumps(FOUND), encoding="utf-8")
    source.with_suffix(".md").write_text("<!-- durable -->\n<!-- /durable -->\n", encoding="utf-8")
    assert report.main(["--check", str(source)]) == 1
    assert "performance.md" in capsys.readouterr().err
    assert report.main([str(source)]) == 0
    assert report.main(["--check", str(source)]) == 0
    assert (tmp_path / "images" / "performance.svg").read_text(encoding="utf-8").startswith("<svg")


def test_the_committed_page_is_what_the_committed_figures_say() -> None:
    assert report.main(["--check"]) == 0


def test_only_known_benchmarks_can_be_chosen() -> None:
    assert [item.name for item in choose("crowd,codec")] == ["codec", "crowd"]
    with pytest.raises(ValueError, match="nonsense"):
        choose("nonsense")
