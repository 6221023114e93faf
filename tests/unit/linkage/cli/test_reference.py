"""The reference pages say what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from linkage.cli.reference import main
from linkage.config.declared import meanings
from linkage.config.problems import names_of
from linkage.config.reference import SECTIONS, reference_text
from linkage.config.reference import main as write_settings

ALIASES = {"secret": "inline_secret"}
REFERENCE = Path(__file__).parents[4] / "docs" / "reference"


def test_the_reference_of_the_settings_is_fresh() -> None:
    assert write_settings(["--check", str(REFERENCE / "configuration.md")]) == 0


@pytest.mark.parametrize(("heading", "model"), SECTIONS.items(), ids=str)
def test_every_setting_says_what_it_means(heading: str, model: type) -> None:
    told = meanings(model)
    assert [name for name in names_of(model) if not told.get(ALIASES.get(name, name))] == []
    assert heading in reference_text()


def test_a_setting_is_told_with_its_default_as_it_would_be_written() -> None:
    page = reference_text()

    for row in (
        '| `id` | `"linkage"` |',
        '| `listen` | `["127.0.0.1:7700"]` |',
        '| `listen` | `"127.0.0.1:9464"` |',
        "| `secret` | none |",
        "| `queue_bytes` | `2147483648` |",
        "| `heartbeat_s` | `10` |",
        "| `tls` | `false` |",
        "| `[[peer]]` | none |",
        "| `[peer.dialect]` |  |",
        "| `[adapter.settings.hotline.NUMBER]` | none |",
    ):
        assert f"\n{row}" in page
    assert "`password_file`" in page
    assert "`headers_file`" not in page


def test_the_reference_of_the_command_line_is_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", str(REFERENCE / "cli.md")]) == 0


def test_a_stale_reference_is_named_and_written_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cli.md"
    path.write_text("old")

    assert main(["--check", str(path)]) == 1
    assert capsys.readouterr().err == f"stale: {path}; run: make generate\n"
    assert main([str(path)]) == 0
    assert main(["--check", str(path)]) == 0
