"""The whole middleware in a process."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway import ListenError
from linkage.client import Application, Platform
from linkage.config.file import Config
from linkage.config.load import load_config
from linkage.server.process import open_part
from linkage.server.server import Server
from linkage.store.sqlite.database import StoreError
from protocol import messages as m
from tests.fakes.core_bench import SECRET, peer
from tests.fakes.said import incoming

PEERS = [peer("desk", "application"), peer("pbx", "platform")]


def config(folder: Path, listen: str = "127.0.0.1:0") -> Config:
    return Config.model_validate(
        {"source": folder / "linkage.toml", "peer": PEERS, "listen": [listen]}
    )


async def test_a_call_goes_through_a_server_embedded_in_a_process(tmp_path: Path) -> None:
    async with Server(config(tmp_path)) as server:
        ((host, port),) = server.addresses
        async with (
            Platform(host, port, "pbx", secret=SECRET) as pbx,
            Application(host, port, "desk", secret=SECRET) as desk,
        ):
            answer = await pbx.notify(incoming())
            heard = await desk.next_notice()

    assert answer.result == 0
    assert isinstance(heard.message, m.IncomingCallNotice)
    assert server.hosts == ()


async def test_a_server_that_cannot_start_leaves_nothing_behind(tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    async with Server(config(tmp_path / "one")) as server:
        ((host, port),) = server.addresses
        with pytest.raises(ListenError):
            await Server(config(tmp_path / "two", f"{host}:{port}")).__aenter__()
        with pytest.raises(StoreError):
            await Server(config(tmp_path / "one")).__aenter__()

    assert asyncio.all_tasks() == before
    async with Server(config(tmp_path / "two")):
        pass  # the failed one let go of its data


def test_a_misspelt_keyword_of_the_server_is_told_with_the_one_that_was_meant() -> None:
    wrong: Any = Server
    read: Any = load_config
    with pytest.raises(TypeError, match=r"Server\(\) got .* 'confg': did you mean 'config'\?"):
        wrong(confg=1)
    with pytest.raises(TypeError, match=r"linkage\.load_config\(path\)"):
        wrong("linkage.toml")
    with pytest.raises(TypeError, match=r"'pth': did you mean 'path'\?"):
        read(pth="linkage.toml")


async def test_a_part_that_stops_before_any_core_came_has_nothing_to_complain_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_part(config(tmp_path), "gateway") as part:
        assert part.addresses
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
