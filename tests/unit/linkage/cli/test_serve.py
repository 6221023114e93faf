"""`linkage serve`: what it makes of signals, from its start to its end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from linkage.cli.serve import _reload, _serve
from linkage.config.file import Config, read_config
from linkage.logs.redaction import SecretsOf
from linkage.reader import open_store
from linkage.server.server import Server

WAIT_S = 60


@pytest.fixture
def uncaught() -> Iterator[list[int]]:
    """The SIGHUPs that would have ended the process."""
    seen: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        seen.append(number)

    before = signal.signal(signal.SIGHUP, note)
    yield seen
    signal.signal(signal.SIGHUP, before)


class Reading:
    """Reads the file, and says that it was asked for it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.asked = asyncio.Event()
        self.fails = False

    def __call__(self) -> Config:
        self.asked.set()
        if self.fails:
            raise SyntaxError("an adapter of somebody else's")
        return read_config(self._path)


async def test_a_hangup_while_it_starts_is_a_reload_once_it_serves(
    tmp_path: Path, uncaught: list[int]
) -> None:
    path = tmp_path / "linkage.toml"
    path.write_text('listen = ["127.0.0.1:0"]')
    config, reading = read_config(path), Reading(path)
    serving = asyncio.get_running_loop().create_task(
        _serve(config, reading, SecretsOf(config), as_json=False)
    )
    asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGHUP)
    await asyncio.wait_for(reading.asked.wait(), WAIT_S)
    serving.cancel()
    await asyncio.wait({serving})
    assert not uncaught


async def test_a_reload_that_fails_in_an_unheard_of_way_ends_nothing(
    tmp_path: Path, uncaught: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "linkage.toml"
    path.write_text('listen = ["127.0.0.1:0"]')
    config, reading = read_config(path), Reading(path)
    reading.fails = True
    serving = asyncio.get_running_loop().create_task(
        _serve(config, reading, SecretsOf(config), as_json=False)
    )
    await asyncio.sleep(0)  # it has begun
    for _ in range(2):
        reading.asked.clear()
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.wait_for(reading.asked.wait(), WAIT_S)
    assert not serving.done()
    serving.cancel()
    await asyncio.wait({serving})
    assert "settings not reloaded" in caplog.text
    assert not uncaught


async def test_a_file_that_cannot_be_served_is_an_alarm_until_it_can(
    tmp_path: Path, uncaught: list[int]
) -> None:
    path = tmp_path / "linkage.toml"
    path.write_text('listen = ["127.0.0.1:0"]')
    config, reading = read_config(path), Reading(path)
    async with Server(config) as server:
        with open_store(path) as store:
            for fails in (True, True, False):
                reading.fails = fails
                await _reload(server, reading, SecretsOf(config))
                async with asyncio.timeout(WAIT_S):
                    while ("settings" in store.alarms()) is not fails:  # noqa: ASYNC110 - of the store
                        await asyncio.sleep(0.01)
    assert not uncaught
