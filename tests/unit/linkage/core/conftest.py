"""A core whose journal is whole in the end, and explains what is there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from linkage.store.chain import breaks
from linkage.store.sql.rebuild import differences, rebuild
from tests.fakes.core_bench import chain
from tests.fakes.core_links import Site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A core; afterwards its journal is whole and explains what is there."""
    async with Site(tmp_path) as made:
        yield made
        await made.settled()
        assert list(breaks(chain(made.engine))) == []
        again = rebuild(made.engine)
        assert differences(made.engine, again) == []
        again.dispose()
