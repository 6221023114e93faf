"""Real peers for every test below this folder: there, or the test is skipped (or failed)."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from tests.real.peers.asterisk import AsteriskServer, missing_peers

# Set in CI, where a missing peer is a failure and not a skip.
REQUIRED: Final = os.environ.get("LINKAGE_REQUIRE_REAL") == "1"
HERE: Final = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test in this folder `real`."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.real)


@pytest.fixture(autouse=True)
def _peers() -> None:
    """Skip without the peers; fail instead under LINKAGE_REQUIRE_REAL=1."""
    missing = missing_peers()
    if missing and REQUIRED:
        pytest.fail(f"LINKAGE_REQUIRE_REAL=1, but {missing}", pytrace=False)
    if missing:
        pytest.skip(missing)


@pytest.fixture
async def asterisk(_peers: None) -> AsyncIterator[AsteriskServer]:
    """An Asterisk without telephones; a test with officers makes its own (0.7 s)."""
    async with AsteriskServer() as server:
        yield server
