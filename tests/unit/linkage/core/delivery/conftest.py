"""A core whose queues are looked at."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.core_bench import PEERS, peer
from tests.fakes.core_links import Site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    peers = (*PEERS, peer("bs", "business-screen", application="desk", login="23"))
    async with Site(tmp_path, peers) as made:
        yield made
