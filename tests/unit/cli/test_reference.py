"""The reference pages say what the code does."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from adapters.asterisk.settings import Settings
from adapters.voice.settings import Hotline, Officer
from linkage.cli.reference import main
from linkage.config.file import AdapterSettings, Config, LimitSettings
from linkage.config.gateway import ListenerSettings, TimerSettings, TlsFiles
from linkage.config.peers import PeerSettings
from linkage.config.processes import LogSettings, MessagingSettings, TraceSettings, WatchSettings
from protocol.dialect import DialectSettings

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"
SECTIONS: dict[str, type[Any]] = {
    "## The file": Config,
    "## `[[peer]]`": PeerSettings,
    "### `[peer.dialect]`": DialectSettings,
    "## `[timers]`": TimerSettings,
    "## `[limits]`": LimitSettings,
    "## `[[listener]]`": ListenerSettings,
    "## `[tls]`": TlsFiles,
    "## `[log]`": LogSettings,
    "## `[watch]`": WatchSettings,
    "## `[trace]`": TraceSettings,
    "## `[messaging]`": MessagingSettings,
    "## `[[adapter]]`": AdapterSettings,
    '### `kind = "asterisk"`': Settings,
    "#### `hotline.NUMBER`": Hotline,
    "#### `officer.NUMBER`": Officer,
}


def rows(heading: str) -> dict[str, str]:
    """Key → default, of the table under a heading."""
    page = (REFERENCE / "configuration.md").read_text(encoding="utf-8")
    section = page.split(f"\n{heading}\n")[1].split("\n#")[0]
    found = re.findall(r"^\| `([^`]+)` \|([^|]*)\|", section, re.MULTILINE)
    return {_key(written): default.strip() for written, default in found}


def fields(model: type[Any]) -> dict[str, Any]:
    """By the name that stands in the file: the default, or MISSING."""
    if not dataclasses.is_dataclass(model):
        return {
            field.alias or name: dataclasses.MISSING if field.is_required() else field.default
            for name, field in model.model_fields.items()
            if not field.exclude
        }
    return {field.name: field.default for field in dataclasses.fields(model)}


def _key(written: str) -> str:
    """`[[peer]]` → peer, `[adapter.settings.hotline.NUMBER]` → hotline."""
    return written.strip("[]").removesuffix(".NUMBER").rpartition(".")[2]


@pytest.mark.parametrize(("heading", "model"), SECTIONS.items(), ids=str)
def test_every_setting_is_in_the_reference_and_nothing_else(
    heading: str, model: type[Any]
) -> None:
    settings = set(fields(model))

    assert set(rows(heading)) == settings


@pytest.mark.parametrize(("heading", "model"), SECTIONS.items(), ids=str)
def test_the_defaults_of_the_reference_are_those_of_the_code(
    heading: str, model: type[Any]
) -> None:
    for name, written in rows(heading).items():
        default: Any = fields(model)[name]
        if written.startswith("required"):
            assert default is dataclasses.MISSING or default is None, name
        elif isinstance(default, bool | int | float | str):
            told = written.strip("`").strip('"')
            assert told == (str(default).lower() if isinstance(default, bool) else _plain(default))


def _plain(default: float | str) -> str:
    return f"{default:g}" if isinstance(default, float) else str(default)


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
