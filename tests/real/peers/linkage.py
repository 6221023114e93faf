"""`linkage serve` as a process of its own, so that it can be killed; and its command line."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.real.peers.asterisk import AsteriskServer
from tests.real.peers.ports import free_port

READY_WITHIN_S: Final = 60.0
COMMAND_WITHIN_S: Final = 60.0
PROGRAM: Final = (sys.executable, "-m", "linkage")


class LinkageProcess:
    """A configured linkage.

    `start`, `kill` (SIGKILL) and `start` again on the same port and data.
    """

    def __init__(
        self,
        folder: Path,
        asterisk: AsteriskServer,
        *,
        officers: Mapping[str, str],
        **hotline: Any,
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.config = folder / "linkage.toml"
        self.secret = "a-secret-of-the-test-only"
        self._process: Process | None = None
        self.config.write_text(self._settings(asterisk, officers, hotline), encoding="utf-8")

    def _settings(
        self, asterisk: AsteriskServer, officers: Mapping[str, str], hotline: Mapping[str, Any]
    ) -> str:
        ring = {"officers": list(officers), **hotline}
        lines = [
            f'listen = ["127.0.0.1:{self.port}"]',
            "[[peer]]",
            'id = "desk"',
            'role = "application"',
            f'secret = "{self.secret}"',
            "[[adapter]]",
            'id = "pbx"',
            'kind = "asterisk"',
            "[adapter.settings]",
            f'url = "{asterisk.ari_url}"',
            f'user = "{asterisk.ari_user}"',
            f'password = "{asterisk.ari_password}"',
            f'app = "{asterisk.app}"',
            "[adapter.settings.hotline.12345]",
            *(f"{key} = {json.dumps(value)}" for key, value in ring.items()),
        ]
        for number, login in officers.items():
            lines += [
                f"[adapter.settings.officer.{number}]",
                f'login = "{login}"',
                f'endpoint = "PJSIP/{number}"',
            ]
        return "\n".join(lines) + "\n"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.kill(signal.SIGTERM)

    async def start(self) -> None:
        """Serve; returns when it listens."""
        with (self.folder / "linkage.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *PROGRAM, "serve", "-c", str(self.config), stdout=PIPE, stderr=log,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )  # fmt: skip
        assert self._process.stdout is not None
        async with asyncio.timeout(READY_WITHIN_S):
            line = await self._process.stdout.readline()
        assert str(self.port) in line.decode(), self.log()

    async def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End the process and wait until it is gone."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.send_signal(number)
        async with asyncio.timeout(COMMAND_WITHIN_S):
            await process.communicate()

    def log(self) -> str:
        """What it wrote to stderr."""
        return (self.folder / "linkage.log").read_text(encoding="utf-8", errors="replace")

    async def run(self, *arguments: str) -> Any:
        """`linkage ARGUMENTS --json`, read."""
        process = await asyncio.create_subprocess_exec(
            *PROGRAM, *arguments, "--json", "-c", str(self.config), stdout=PIPE, stderr=PIPE
        )
        async with asyncio.timeout(COMMAND_WITHIN_S):
            out, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        return json.loads(out)
