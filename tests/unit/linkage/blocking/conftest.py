from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from linkage.blocking.loop import LoopThread
from linkage.config.file import Config
from linkage.server.server import Server
from tests.fakes.core_bench import peer

Address = tuple[str, int]


@pytest.fixture
def address(tmp_path: Path) -> Iterator[Address]:
    """A linkage that serves in a thread of its own."""
    config = Config.model_validate(
        {
            "data": tmp_path / "data",
            "listen": ("127.0.0.1:0",),
            "peer": [
                peer("desk", "application"),
                peer("pbx", "platform"),
                peer("all", "monitor"),
            ],
        }
    )
    server = Server(config)
    thread = LoopThread("server")
    thread.call(server.__aenter__())
    yield server.addresses[0]
    thread.call(server.__aexit__(None, None, None))
    thread.stop()
