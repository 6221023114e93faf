"""Backups: of one moment, beside a writer that goes on, never half."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import update

from linkage.files import DirectoryFiles
from linkage.files.caretaker import Caretaker
from linkage.store.sql import tables
from linkage.store.sqlite.backup import (
    BackupError,
    make_backup,
    read_manifest,
    whole_backups,
)
from linkage.store.sqlite.database import StoreError
from linkage.store.sqlite.lock import hold_file
from linkage.store.sqlite.restore import find_backup
from tests.fakes.backed_store import BY, Backed, _ignore, put_back
from tests.fakes.said import hangup, incoming


def test_a_backup_holds_everything_and_nobody_else_may_read_it(backed: Backed, into: Path) -> None:
    (backed.config.files_path / "ab" / "cd34.wav.part").write_bytes(b"half")
    made = backed.backup(into)

    assert made.manifest.problems == []
    assert sorted(made.manifest.files) == ["files/ab/ab12.wav", "linkage.db"]
    assert made.manifest.last_seq == backed.journal()[-1].seq
    assert read_manifest(made.folder) == made.manifest
    assert [path.name for path in whole_backups(into)] == [made.folder.name]
    for path in (made.folder, *(made.folder / name for name in made.manifest.files)):
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize("name", ["site #2", "100%41", "what?"])
def test_signs_that_mean_something_in_a_uri_may_stand_in_the_directory_s_name(
    tmp_path: Path, into: Path, name: str
) -> None:
    backed = Backed(tmp_path / name)
    backed.say("pbx", incoming())

    assert backed.backup(into).manifest.last_seq == backed.journal()[-1].seq
    backed.close()


def test_what_an_earlier_backup_has_is_linked(backed: Backed, into: Path) -> None:
    first = backed.backup(into)
    backed.record("ef56", b"new")
    second = backed.backup(into)

    name = "files/ab/ab12.wav"
    assert (first.folder / name).samefile(second.folder / name)
    database = second.manifest.files["linkage.db"].size_bytes
    assert second.copied_bytes == database + len(b"new")
    assert backed.backup(into, full=True).manifest.problems == []


def test_a_file_whose_name_got_its_sum_is_linked_too_and_its_content_comes_by_it(
    backed: Backed, into: Path
) -> None:
    first = backed.backup(into)
    files = DirectoryFiles(backed.config.files_path, clock=backed.clock)
    Caretaker(files, backed.clock).work(backed.clock.utc())
    second = backed.backup(into)

    (name,) = [name for name in second.manifest.files if name.startswith("files/")]
    assert name == f"files/ab/ab12.{hashlib.sha256(b'RIFF').hexdigest()}.wav"
    assert (first.folder / "files/ab/ab12.wav").samefile(second.folder / name)
    assert second.copied_bytes == second.manifest.files["linkage.db"].size_bytes
    assert second.manifest.problems == []


def test_a_changed_recording_is_copied_and_said_to_be_another(backed: Backed, into: Path) -> None:
    backed.backup(into)
    (backed.config.files_path / "ab" / "ab12.wav").write_bytes(b"changed")
    second = backed.backup(into)
    assert second.manifest.problems == ["ab12.wav: is not the file that was recorded (SHA-256)"]
    assert (second.folder / "files/ab/ab12.wav").read_bytes() == b"changed"


def test_a_file_that_went_bad_in_an_earlier_backup_is_found_by_full(
    backed: Backed, into: Path
) -> None:
    first = backed.backup(into)
    (first.folder / "files/ab/ab12.wav").write_bytes(b"FFIR")
    with pytest.raises(BackupError, match="is not what was written"):
        backed.backup(into, full=True)


def test_the_writer_goes_on_and_the_copy_is_of_one_moment(backed: Backed, into: Path) -> None:
    """Between the steps of the copy the core commits; the copy ends, and holds none of it."""
    before = backed.journal()[-1].seq
    for number in range(200):
        backed.say("pbx", incoming(f"C{number}"))
    end = backed.journal()[-1].seq
    steps = []

    def write(_bytes: int) -> None:
        steps.append(backed.say("pbx", hangup("C1")).result)

    made = backed.backup(into, advance=write)
    assert steps
    assert set(steps) == {0}
    assert before < end == made.manifest.last_seq < backed.journal()[-1].seq
    assert made.manifest.problems == []


@pytest.mark.parametrize("step", [1, 2])
def test_a_backup_that_was_killed_is_never_taken_for_a_whole_one(
    backed: Backed, into: Path, step: int
) -> None:
    calls = iter(range(1, 100))

    def die(_bytes: int) -> None:
        if next(calls) == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backed.backup(into, advance=die)
    assert whole_backups(into) == []
    with pytest.raises(BackupError, match="no whole backup"):
        find_backup(into)
    made = backed.backup(into)
    assert find_backup(into) == made.folder
    assert sorted(path.name for path in into.iterdir()) == [made.folder.name, "backup.lock"]


def test_one_backup_at_a_time(backed: Backed, into: Path) -> None:
    with hold_file(into / "backup.lock", "x"), pytest.raises(StoreError, match="makes a backup"):
        backed.backup(into)


def test_a_broken_chain_is_copied_and_said(backed: Backed, into: Path) -> None:
    def set_source(source: str) -> None:
        with backed.engine.begin() as connection:
            connection.execute(
                update(tables.journal).where(tables.journal.c.seq == 1).values(source=source)
            )

    set_source("somebody")
    made = backed.backup(into)
    set_source("pbx")
    assert made.manifest.problems == ["seq 1: its content was changed after it was written"]
    restored = put_back(made.folder, into / "data", backed.clock.utc())
    assert restored.manifest.problems == made.manifest.problems


def test_a_store_that_is_not_there_is_named(tmp_path: Path, into: Path) -> None:
    with pytest.raises(StoreError, match="no store yet"):
        make_backup(tmp_path, into, BY, datetime.fromisoformat("2026-11-22"), _ignore)
    assert not into.exists()
