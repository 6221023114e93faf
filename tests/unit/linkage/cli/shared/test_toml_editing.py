"""Changing a configuration by programs, beside people and beside other programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from linkage.cli.commands import FailureError
from linkage.cli.shared.toml_editing import read_text, with_peer, write_changed

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
