"""`linkage journal`: its end, its chain, its archive, and what leaves it."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path

from sqlalchemy import text

from linkage.store.archive import Anchor
from linkage.store.journal_head import write_head
from linkage.store.sql.journal_rows import insert_segment, newest_of
from linkage.store.sql.maintenance import archive_rows
from linkage.store.sqlite.database import open_store
from protocol import messages as m
from tests.fakes.embodiments import DESK, Writer
from tests.unit.linkage.cli.conftest import Run


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


def archive_of(store: Path) -> Path:
    """The first ten entries moved into a segment; the rest is in the database."""
    engine = open_store(store)
    segment = archive_rows(engine, store.parent / "archive", Anchor(), 10, pace=lambda: None)
    with engine.begin() as connection:
        connection.execute(insert_segment(segment))
        connection.exec_driver_sql("DELETE FROM journal WHERE seq <= 10")
    engine.dispose()
    return store.parent / "archive" / segment.name


def test_verify_looks_into_the_archive_and_says_what_is_not_there(
    run: Run, alarm_config: Path, alarm_store: Path
) -> None:
    path = archive_of(alarm_store)
    result = run("journal", "verify", "-c", alarm_config)
    assert result.stdout == "the chain of 5 entries and 10 archived ones holds\n"
    assert run("journal", "verify", path).stdout == f"{path}: holds\n"

    path.rename(path.with_name("elsewhere"))
    result = run("journal", "verify", "-c", alarm_config)
    assert result.exit_code == 0
    assert f"{path.name}: is missing and was not checked" in result.stdout
    shown = run("event", "show", "1213243", "-c", alarm_config)
    assert f"archive/{path.name} is missing" in shown.stderr
    exported = run("journal", "export", "-c", alarm_config)
    assert (exported.exit_code, path.name in exported.stderr) == (1, True)


def test_export_writes_what_is_archived_too(
    run: Run, alarm_config: Path, alarm_store: Path
) -> None:
    before = run("journal", "export", "-c", alarm_config).stdout
    archive_of(alarm_store)
    assert run("journal", "export", "-c", alarm_config).stdout == before


def test_verify_finds_a_changed_segment(run: Run, alarm_config: Path, alarm_store: Path) -> None:
    path = archive_of(alarm_store)
    changed = gzip.decompress(path.read_bytes()).replace(b"139123444444", b"139123444445", 1)
    path.write_bytes(gzip.compress(changed))
    for arguments in (["-c", alarm_config], [path]):
        result = run("journal", "verify", *arguments)
        assert result.exit_code == 1
        assert "seq 1: its content was changed" in result.stdout
        found = json.loads(run("journal", "verify", "--json", *arguments).stdout)
        assert "seq 1: its content" in json.dumps(found)


def test_verify_finds_that_the_end_was_cut_off(
    run: Run, alarm_config: Path, alarm_store: Path, tmp_path: Path
) -> None:
    engine = open_store(alarm_store)
    with engine.begin() as connection:
        head = newest_of(connection)
        assert head is not None
        write_head(alarm_store.with_suffix(".head"), head)
        write_head(tmp_path / "copy", head)
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o600
    result = run("journal", "verify", "-c", alarm_config)
    assert f"noted last at seq {head.seq}, which is there" in result.stdout

    with engine.begin() as connection:
        connection.exec_driver_sql(f"DELETE FROM journal WHERE seq = {head.seq}")
    engine.dispose()
    for arguments in ([], ["--head", tmp_path / "copy"]):
        result = run("journal", "verify", "-c", alarm_config, *arguments)
        assert result.exit_code == 1
        assert "is missing: the journal was cut off after seq" in result.stdout
    (tmp_path / "copy").write_text("no head")
    result = run("journal", "verify", "-c", alarm_config, "--head", tmp_path / "copy")
    assert (result.exit_code, "is no head of a journal" in result.stderr) == (1, True)
