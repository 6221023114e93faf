from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from sqlalchemy import text

from linkage.store.database import open_store
from protocol import messages as m
from tests.unit.cli.conftest import Run
from tests.unit.store.embodiments import DESK, Writer


def test_the_tail_is_the_end_of_the_journal_one_line_each(run: Run, alarm_config: Path) -> None:
    lines = run("journal", "tail", "-n", "3", "-c", alarm_config).stdout.splitlines()

    assert [line.split()[0] for line in lines] == ["13", "14", "15"]
    assert "1213244 103 ConferenceNotice 会议通知" in lines[-1]


def test_the_tail_for_programs_is_one_object_to_a_line(run: Run, alarm_config: Path) -> None:
    lines = run("journal", "tail", "-n", "2", "--json", "-c", alarm_config).stdout.splitlines()

    assert [json.loads(line)["seq"] for line in lines] == [14, 15]


def test_a_chain_that_holds_is_said_to_hold(run: Run, alarm_config: Path) -> None:
    result = run("journal", "verify", "-c", alarm_config)

    assert (result.exit_code, result.stdout) == (0, "the chain of 15 entries holds\n")


def test_every_break_of_the_chain_is_named_and_the_status_is_1(
    run: Run, alarm_config: Path
) -> None:
    engine = open_store(alarm_config.parent / "data" / "linkage.db")
    with engine.begin() as connection:
        connection.execute(text("UPDATE journal SET source = 'x' WHERE seq IN (4, 11)"))
    engine.dispose()

    result = run("journal", "verify", "-c", alarm_config)

    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "seq 4: its content was changed after it was written",
        "seq 11: its content was changed after it was written",
    ]
    assert result.stderr == "linkage: the chain is broken in 2 places\n"
    told = json.loads(run("journal", "verify", "--json", "-c", alarm_config).stdout)
    assert (told["entries"], len(told["breaks"])) == (15, 2)


def test_the_export_has_every_entry_of_a_range(
    run: Run, alarm_config: Path, tmp_path: Path
) -> None:
    output = tmp_path / "journal.jsonl"
    result = run("journal", "export", "--from", "3", "--to", "5", "-o", output, "-c", alarm_config)

    entries = [json.loads(line) for line in output.read_text().splitlines()]
    assert result.exit_code == 0
    assert [entry["seq"] for entry in entries] == [3, 4, 5]
    assert entries[0]["body"].startswith("<request ")


def test_a_spreadsheet_runs_no_formula_that_a_peer_wrote(run: Run, alarm_config: Path) -> None:
    writer = Writer(alarm_config.parent / "data" / "linkage.db")
    writer.say(DESK, m.CreateEvent(event_id="=1+1"))
    writer.close()

    written = run("journal", "export", "--format", "csv", "-c", alarm_config).stdout
    rows = list(csv.DictReader(io.StringIO(written)))

    assert len(rows) == 16
    assert rows[-1]["event_id"] == "'=1+1"


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
