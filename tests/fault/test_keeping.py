"""`kill -9` while the house is kept: nothing is lost, nothing is doubled, nothing is half."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import delete

from linkage.store.read.reader import StoreReader
from linkage.store.sql import tables
from linkage.store.sql.rebuild import differences, rebuild
from linkage.store.sqlite.backup import BackupError, whole_backups
from linkage.store.sqlite.restore import find_backup, restore
from linkage.store.verify import verify
from tests.fakes.core_bench import Bench
from tests.fakes.said import create, hangup, incoming
from tests.fault.keeping import LATER

ROOT = Path(__file__).parents[2]
CALLS = 30
KILLS = 3


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path / "site")
    for number in range(CALLS):
        made.say("pbx", incoming(f"C{number}"))
        made.say("desk", create(f"E{number}", f"C{number}"))
        made.say("pbx", hangup(f"C{number}"))
    with made.engine.begin() as connection:
        connection.execute(delete(tables.delivery))  # fetched long ago
    return made


def run_and_kill(steps: int, *arguments: object) -> list[str]:
    """Run a keeping process so many steps, then kill it; without `steps` to its end."""
    command = [sys.executable, "-m", "tests.fault.keeping", *map(str, arguments)]
    said = []
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        while line := process.stdout.readline():
            said.append(line.strip())
            if line.strip() == "done":
                break
            if steps and len(said) == steps:
                process.kill()
                break
            process.stdin.write("\n")
            process.stdin.flush()
    return said


def check(bench: Bench, seqs: int) -> int:
    """Everything is there once, and holds; how many entries there are."""
    archive = bench.config.archive_path
    with StoreReader.open(bench.config.database_path) as reader:
        for problem, _ in verify(reader, archive, None):
            assert problem == ""
        found = [entry.seq for entry in reader.entries()]
    assert found == list(range(1, len(found) + 1))
    assert len(found) >= seqs
    again = rebuild(bench.engine, archive)
    assert differences(bench.engine, again) == []
    again.dispose()
    return len(found)


def test_a_keeper_that_is_killed_at_any_step_loses_and_doubles_nothing(bench: Bench) -> None:
    chance = random.Random(3)
    entries = check(bench, CALLS * 4)
    steps = set()
    for _ in range(KILLS):
        bench.close()
        steps.update(run_and_kill(chance.randint(3, 20), "archive", bench.config.source.parent))
        bench.open()
        entries = check(bench, entries)
    bench.close()
    steps.update(run_and_kill(0, "archive", bench.config.source.parent))
    bench.open()
    check(bench, entries)
    assert steps == {"writing", "written", "sealed", "trimmed", "done"}
    assert not list(bench.config.archive_path.glob("*.part"))
    with StoreReader.open(bench.config.database_path) as reader:
        listed = {segment.name for segment in reader.segments()}
        assert reader.anchor().seq >= CALLS * 4
    assert {path.name for path in bench.config.archive_path.iterdir()} == listed
    bench.close()


def test_a_backup_that_is_killed_leaves_nothing_that_looks_whole(
    bench: Bench, tmp_path: Path
) -> None:
    files = bench.config.files_path / "ab"
    files.mkdir(parents=True)
    (files / "ab12.wav").write_bytes(b"RIFF")
    into = tmp_path / "backups"
    arguments = ("backup", bench.config.source.parent, into)
    assert run_and_kill(2, *arguments) == ["copying", "copying"]
    assert whole_backups(into) == []
    with pytest.raises(BackupError, match="no whole backup"):
        find_backup(into)

    assert run_and_kill(0, *arguments)[-1] == "done"
    (made,) = whole_backups(into)
    assert {path.name for path in into.iterdir()} == {made.name, "backup.lock"}
    assert restore(made, tmp_path / "again", LATER, lambda _: None).skipped
    assert (tmp_path / "again/files/ab/ab12.wav").read_bytes() == b"RIFF"
    bench.close()
