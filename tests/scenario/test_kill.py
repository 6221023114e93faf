"""`kill -9` in the middle of a call: what was answered is there, and the call goes on.

A linkage in a process of its own, a platform and an application over TCP that live on.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from linkage.store.sqlite.database import open_for_reading
from tests.scenario.killing import (
    HOLDS,
    WAIT_S,
    call_of,
    check_heard,
    check_store,
    requests_in,
    write_config,
)

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def serving(config: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """`linkage serve`, listening; killed without a word at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "linkage", "serve", "--json", "--log-level", "error", "-c", config,
        stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        async with asyncio.timeout(WAIT_S):
            line = await process.stdout.readline()
        assert json.loads(line)["event"] == "listening"
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def test_a_killed_linkage_loses_nothing_that_it_answered(tmp_path: Path) -> None:
    config, port = write_config(tmp_path)
    database = tmp_path / "data" / "linkage.db"
    async with serving(config) as process, call_of(port) as call:
        await call.begin()

        async with asyncio.TaskGroup() as storm:
            for number in range(HOLDS):
                storm.create_task(call.hold(number))
            await call.until(lambda: len(call.answered) >= 100)
            process.send_signal(signal.SIGKILL)
            answered = list(call.answered)
            await process.wait()
            assert len(answered) < HOLDS, "it was killed in the middle"

            dead = open_for_reading(database)
            assert set(answered) <= set(requests_in(dead, 106))
            dead.dispose()

            async with serving(config):
                # What was not answered is sent again by the platform's library, and only that.
                await call.end()

                check_heard(call)
                living = open_for_reading(database)
                check_store(living, call)
                living.dispose()
