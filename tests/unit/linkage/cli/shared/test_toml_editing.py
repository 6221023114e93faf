"""Changing a configuration by programs, beside people and beside other programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from linkage.cli.commands import FailureError
from linkage.cli.shared.toml_editing import read_text, with_peer, without_peer, write_changed
from linkage.config.file import read_config

DESK = '[[peer]]\nid = "desk"\nrole = "application"\nsecret = "a-secret-of-the-desk"\n'


def add(path: Path, text: str, peer_id: str) -> None:
    """Add a peer to what was read."""
    settings = {"id": peer_id, "role": "platform", "secret": "another-secret-of-somebody"}
    before, document = text, read_text(path)[1]
    wanted = {**document, "peer": [*document["peer"][:1], settings]}
    write_changed(path, before, with_peer(before, settings.items()), wanted)


def test_of_two_changes_at_once_none_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "linkage.toml"
    path.write_text(DESK)
    read_by_both, _ = read_text(path)
    add(path, read_by_both, "first")
    with pytest.raises(FailureError, match="was changed meanwhile; nothing was changed"):
        add(path, read_by_both, "second")
    assert [peer["id"] for peer in read_text(path)[1]["peer"]] == ["desk", "first"]
    assert [each.name for each in tmp_path.iterdir()] == ["linkage.toml"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "bom"])
def test_line_ends_and_the_mark_of_windows_stay(tmp_path: Path, mark: str, end: str) -> None:
    path = tmp_path / "linkage.toml"
    before = (mark + DESK + "# the end\n").replace("\n", end).encode()
    path.write_bytes(before)
    assert read_config(path).find_peer("desk") is not None

    add(path, read_text(path)[0], "first")

    text, document = read_text(path)
    added = path.read_bytes()
    assert added.startswith(before)
    assert added.count(b"\n") == added.count(end.encode()) > before.count(b"\n")
    assert read_config(path).find_peer("first") is not None

    wanted = {**document, "peer": document["peer"][:1]}
    write_changed(path, text, without_peer(text, 1), wanted)
    assert path.read_bytes() == before
    first = without_peer(text, 0)
    assert (first.startswith(mark), "desk" in first) == (True, False), "the mark is before it"
