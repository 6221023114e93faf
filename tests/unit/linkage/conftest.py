"""A bench for each test that wants one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.core_bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Two applications and two platforms; afterwards the journal must explain what is there."""
    made = Bench(tmp_path)
    yield made
    made.check()
    made.close()
