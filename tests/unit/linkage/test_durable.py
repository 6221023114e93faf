"""A file is the old or the new one, whoever reads it, whatever happens."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from linkage.durable import replace_file


def test_a_file_is_replaced_as_a_whole_and_is_its_owner_s_alone(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    replace_file(path, "one\n")
    replace_file(path, "two\n")
    assert path.read_text() == "two\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_of_two_writers_the_second_is_told(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    replace_file(path, "one")
    beside = tmp_path / "kept.new"
    beside.write_text("another's")
    with pytest.raises(FileExistsError):
        replace_file(path, "two")
    assert (path.read_text(), beside.read_text()) == ("one", "another's")


def test_what_cannot_be_written_leaves_the_old_one_and_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    replace_file(path, "one")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        replace_file(path, "two", full)
    assert path.read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]


def test_content_is_on_disk_before_the_name_and_the_name_before_the_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kept"
    done: list[str] = []
    sync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        done.append("sync")
        sync(descriptor)

    def named(part: Path, to: Path) -> Path:
        done.append("name")
        return replace(part, to)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", named)
    replace_file(path, "one")
    assert done == ["sync", "name", "sync"]
