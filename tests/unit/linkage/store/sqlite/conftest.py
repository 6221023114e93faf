"""What these tests begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.backed_store import Backed
from tests.fakes.said import create, incoming


@pytest.fixture
def backed(tmp_path: Path) -> Iterator[Backed]:
    made = Backed(tmp_path / "site")
    made.say("pbx", incoming())
    made.say("desk", create())
    made.record()
    yield made
    made.check()
    made.close()


@pytest.fixture
def into(tmp_path: Path) -> Path:
    return tmp_path / "backups"
