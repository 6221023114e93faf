"""`linkage peer list`: who is configured, and who left something."""

from __future__ import annotations

import json
from pathlib import Path

from protocol import messages as m
from tests.fakes.embodiments import Writer
from tests.unit.linkage.cli.conftest import Run


def test_peers_are_those_configured_and_those_that_left_something(
    run: Run, alarm_config: Path
) -> None:
    writer = Writer(alarm_config.parent / "data" / "linkage.db")
    writer.say("gone", m.CreateEvent(event_id="G1"), owner="gone", target="other")
    writer.close()

    rows = {
        row["id"]: row for row in json.loads(run("peers", "--json", "-c", alarm_config).stdout)
    }
    shown = run("peers", "-c", alarm_config).stdout

    assert set(rows) == {"desk", "pbx", "other"}
    assert rows["desk"]["open_deliveries"] == rows["desk"]["next_seq"] - 1
    assert (rows["other"]["configured"], rows["other"]["open_deliveries"]) == (False, 1)
    assert "platform (not configured)" in shown


def test_peers_can_be_listed_before_linkage_ever_ran(run: Run, tmp_path: Path) -> None:
    run("init", tmp_path)

    rows = json.loads(run("peers", "--json", "-c", tmp_path / "linkage.toml").stdout)

    assert [(row["id"], row["next_seq"]) for row in rows] == [
        ("desk", None), ("pbx", None), ("screen1", None),
    ]  # fmt: skip
