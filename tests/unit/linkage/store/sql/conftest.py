"""What these tests begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from linkage.store.sql.unit import UnitOfWork
from linkage.store.sqlite.database import open_store
from tests.fakes.core_bench import new_store


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    path = tmp_path / "linkage.db"
    new_store(path)
    made = open_store(path)
    yield made
    made.dispose()


@pytest.fixture
def unit(engine: Engine) -> UnitOfWork:
    return UnitOfWork(engine)
