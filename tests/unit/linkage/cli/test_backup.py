"""`linkage backup` and `linkage restore`, as their users see them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from linkage.store.sqlite.lock import hold_store
from tests.unit.linkage.cli.conftest import Run


def test_a_backup_is_made_and_put_in_place(run: Run, alarm_config: Path, tmp_path: Path) -> None:
    into = tmp_path / "backups"
    result = run("backup", into, "-c", alarm_config)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "journal up to seq 15, 1 files" in result.stdout

    result = run("restore", into, "--to", tmp_path / "again")
    assert result.exit_code == 0
    assert "journal up to seq 15; " in result.stdout
    config = tmp_path / "again.toml"
    config.write_text(f'data = "again"\n{alarm_config.read_text()}')
    checked = run("journal", "verify", "-c", config)
    assert checked.stdout.startswith("the chain of 16 entries holds\nits end was noted last at")
    shown = run("event", "show", "1213243", "--json", "-c", config)
    assert json.loads(shown.stdout)["event"]["event_id"] == "1213243"


def test_programs_read_what_was_done(run: Run, alarm_config: Path, tmp_path: Path) -> None:
    into = tmp_path / "backups"
    made = json.loads(run("backup", into, "--json", "-c", alarm_config).stdout)
    assert (made["last_seq"], made["files"], made["problems"]) == (15, 1, [])
    assert Path(made["backup"]).parent == into

    with hold_store(tmp_path / "data" / "linkage.db"):
        result = run("restore", into, "--force", "-c", alarm_config)
        assert (result.exit_code, "serves this data" in result.stderr) == (1, True)
    result = run("restore", into, "-c", alarm_config)
    assert (result.exit_code, "--force" in result.stderr) == (1, True)
    done = json.loads(run("restore", into, "--force", "--json", "-c", alarm_config).stdout)
    assert (done["last_seq"], done["backup"]) == (15, made["backup"])
    assert (Path(done["aside"]) / "linkage.db").exists()


def test_what_cannot_be_done_is_said_in_one_line(
    run: Run, alarm_config: Path, tmp_path: Path
) -> None:
    result = run("restore", tmp_path, "--to", tmp_path / "again")
    assert (result.exit_code, "holds no whole backup" in result.stderr) == (1, True)
    shutil.rmtree(tmp_path / "data")
    result = run("backup", tmp_path / "backups", "-c", alarm_config)
    assert (result.exit_code, "no store yet" in result.stderr) == (1, True)


def test_a_store_that_does_not_hold_is_backed_up_all_the_same(
    run: Run, alarm_config: Path, alarm_store: Path, tmp_path: Path
) -> None:
    from linkage.store.sqlite.database import open_store

    engine = open_store(alarm_store)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE journal SET source = 'x' WHERE seq = 3")
    engine.dispose()
    result = run("backup", tmp_path / "backups", "-c", alarm_config)
    assert result.exit_code == 1
    assert "seq 3: its content was changed" in result.stdout
    assert "1 problems in the store" in result.stderr
    assert run("restore", tmp_path / "backups", "--to", tmp_path / "again").exit_code == 0
