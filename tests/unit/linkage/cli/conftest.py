from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from linkage.cli import cli

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command line in this process: `run("event", "list", "-c", path)`."""
    monkeypatch.delenv("LINKAGE_CONFIG", raising=False)

    def invoke(*arguments: Any, **options: Any) -> Result:
        words = [str(argument) for argument in arguments]
        return CliRunner().invoke(cli, words, prog_name="linkage", **options)

    return invoke
