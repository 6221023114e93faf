"""SIGHUP has a serving linkage read its settings again; mistakes in them change nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.fakes.asterisk import FakeAsterisk

ROOT = Path(__file__).parents[2]
WAIT_S = 60
Says = Callable[..., Awaitable[None]]


def settings(asterisk: FakeAsterisk, password: str) -> str:
    return (
        'listen = ["127.0.0.1:0"]\n[[adapter]]\nid = "pbx"\nkind = "asterisk"\n'
        "[adapter.settings]\n"
        f'url = "{asterisk.url}"\nuser = "linkage"\npassword = "{password}"\n'
        '[adapter.settings.hotline.12345]\nofficers = ["1001"]\n'
        '[adapter.settings.officer.1001]\nlogin = "23"\nendpoint = "PJSIP/1001"\n'
    )


@pytest.fixture
async def asterisk() -> AsyncIterator[FakeAsterisk]:
    async with FakeAsterisk() as server:
        yield server


@asynccontextmanager
async def served(config: Path, *options: str) -> AsyncIterator[tuple[Process, Says]]:
    """`linkage serve`, and what waits for a line of its log."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "linkage", "serve", "-c", config, *options,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stderr is not None
    stderr = process.stderr

    async def says(*words: str) -> None:
        async with asyncio.timeout(WAIT_S):
            while True:
                line = (await stderr.readline()).decode()
                assert line, "it has ended"
                if all(word in line for word in words):
                    return

    try:
        yield process, says
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_an_adapter_with_a_wrong_password_gets_the_right_one_by_sighup(
    tmp_path: Path, asterisk: FakeAsterisk
) -> None:
    config = tmp_path / "linkage.toml"
    config.write_text(settings(asterisk, "wrong"))
    async with served(config) as (process, says):
        await says("refuses us")
        config.write_text("listen = 7")
        process.send_signal(signal.SIGHUP)
        await says("settings not reloaded")
        config.write_text(settings(asterisk, "secret"))
        process.send_signal(signal.SIGHUP)
        await says("pbx: up")
        process.terminate()
        assert await process.wait() == 0


async def test_a_part_of_linkage_reads_the_file_again_by_sighup(tmp_path: Path) -> None:
    config = tmp_path / "linkage.toml"
    desk = '[[peer]]\nid = "desk"\nrole = "application"\nsecret = "sixteen-letters-and-more"\n'
    config.write_text(desk)
    async with served(config, "--only", "core") as (process, says):
        assert process.stdout is not None
        await asyncio.wait_for(process.stdout.readline(), WAIT_S)
        config.write_text("")
        process.send_signal(signal.SIGHUP)
        await says("peer desk: removed, session closed")
        process.terminate()
        assert await process.wait() == 0
