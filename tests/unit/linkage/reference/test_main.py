"""The reference pages say what the code does, and may not lag behind it."""

from __future__ import annotations

from pathlib import Path

import pytest

from linkage.reference.__main__ import PAGES, main

REFERENCE = Path(__file__).parents[4] / "docs" / "reference"


def test_the_committed_pages_are_what_the_code_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", str(REFERENCE)]) == 0, capsys.readouterr().err


def test_a_stale_page_is_named_and_written_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == PAGES.keys()
    (tmp_path / "cli.md").write_text("old")
    (tmp_path / "api.md").unlink()
    assert main(["--check", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    for name in ("api.md", "cli.md"):
        assert f"stale: {tmp_path / name}; run: make generate\n" in told
    assert main([str(tmp_path)]) == 0
    assert main(["--check", str(tmp_path)]) == 0
