"""What is shipped for Prometheus and Grafana names only metrics that there are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from linkage.reference.metrics import families

DOCS = Path(__file__).parents[4] / "docs"
METRIC = re.compile(r"\b(?:linkage|process|python)_[a-z_]+\b")
LABEL = re.compile(r"\b([a-z]+)=~?\"|by \(([^)]*)\)|on \(([^)]*)\)|label_values\(\w+, (\w+)\)")
OF_PROMETHEUS = {"instance", "job", "le"}


class Shown(Collector):
    def collect(self) -> Iterator[Metric]:
        return families()


def samples() -> dict[str, set[str]]:
    """Every sample that a scrape can have, with its labels."""
    registry = CollectorRegistry()
    registry.register(Shown())
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def alerts() -> list[dict[str, Any]]:
    document = yaml.safe_load((DOCS / "monitoring" / "alerts.yml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DOCS / "monitoring" / "grafana.json").read_text())
    return found


def expressions() -> list[str]:
    board = dashboard()
    asked = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    asked += [item["expr"] for item in board["annotations"]["list"]]
    asked += [item["query"] for item in board["templating"]["list"] if item["type"] == "query"]
    return asked + [rule["expr"] for rule in alerts()]


@pytest.mark.parametrize("expression", expressions())
def test_dashboard_and_alerts_ask_for_metrics_and_labels_that_there_are(expression: str) -> None:
    known = samples()
    names = set(METRIC.findall(expression))
    assert names <= set(known), names - set(known)
    labels = {
        label.strip()
        for found in LABEL.findall(expression)
        for group in found
        for label in group.split(",")
        if label.strip()
    }
    carried: set[str] = OF_PROMETHEUS.union(*(known[name] for name in names))
    assert labels <= carried, labels - carried


def test_every_metric_of_linkage_is_on_the_dashboard() -> None:
    shown = {name for text in expressions() for name in METRIC.findall(text)}
    for family in families():
        assert any(name.startswith(family.name) for name in shown), family.name


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    guide = (DOCS / "how-to" / "observe.md").read_text()
    for rule in alerts():
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["summary"]
        assert f"`{rule['alert']}`" in guide, rule["alert"]


def test_names_follow_prometheus_conventions() -> None:
    for family in families():
        assert family.name.startswith("linkage_")
        assert not family.name.endswith(("_ms", "_milliseconds", "_count", "_sum"))
        assert family.documentation.endswith(".")
