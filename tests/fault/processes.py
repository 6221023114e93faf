"""Linkage in processes of its own: started, killed without a word, started again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[2]
PLUGIN = Path(__file__).parent / "plugin"
"""A package with an adapter of its own, as pip would install it."""
WAIT_S = 60


class Parts:
    """`async with Parts(config)`; what was started and is left at the end is killed."""

    def __init__(self, config: Path) -> None:
        self._config = config
        self._environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{PLUGIN}"}
        self._running: dict[str, asyncio.subprocess.Process] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for name in list(self._running):
            await self.kill(name)

    async def start(self, *names: str) -> None:
        """Start parts at the same time, and wait until each says that it is up."""
        async with asyncio.TaskGroup() as group:
            for name in names:
                group.create_task(self._start(name))

    async def _start(self, name: str) -> None:
        process = await self.launch(name)
        assert process.stdout is not None
        async with asyncio.timeout(WAIT_S):
            told: dict[str, Any] = json.loads(await process.stdout.readline())
        assert told["part"] == name

    async def launch(self, name: str, *options: str) -> asyncio.subprocess.Process:
        """Start one, without waiting for anything."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "linkage", "serve", "--only", name, "--json",
            "--log-level", "error", "-c", self._config, *options,
            stdout=asyncio.subprocess.PIPE, env=self._environment,
        )  # fmt: skip
        self._running[name] = process
        return process

    def send(self, name: str, number: signal.Signals) -> None:
        """Send a signal."""
        self._running[name].send_signal(number)

    async def kill(self, name: str) -> None:
        """`kill -9`."""
        process = self._running.pop(name)
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()

    async def stop(self, name: str) -> int:
        """SIGTERM; the exit status."""
        process = self._running.pop(name)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(WAIT_S):
            return await process.wait()
