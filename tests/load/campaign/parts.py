"""A process that is kept running: whenever it is killed, it is started again after a moment."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

PAUSE_MOST_S: Final = 0.3
STOP_WITHIN_S: Final = 60.0
LOG_TAIL: Final = 2000


class CrashedError(Exception):
    """A part ended that nobody had killed; the text is the end of what it wrote."""


class Part:
    """One part, from `run` to `stop`. `command` is asked anew for each start.

    `lot` draws the pauses before it is started again.
    """

    def __init__(
        self, name: str, command: Callable[[], Sequence[str]], log: Path, lot: random.Random
    ) -> None:
        self.name = name
        self.starts = 0
        self.kills = 0
        self._command = command
        self._log = log
        self._lot = lot
        self._process: asyncio.subprocess.Process | None = None
        self._killed = False
        self._stopping = False

    async def run(self) -> None:
        """Start it, and again whenever it was killed, until `stop`.

        Raises:
            CrashedError: it ended by itself.
        """
        while not self._stopping:
            self._killed = False
            with self._log.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command(), stdout=log, stderr=log
                )
            self.starts += 1
            code = await self._process.wait()
            if not self._ended_well(code):
                raise CrashedError(f"{self.name} ended with {code}:\n{self._tail()}")
            await asyncio.sleep(self._lot.uniform(0, PAUSE_MOST_S))

    def _ended_well(self, code: int) -> bool:
        return self._killed or (self._stopping and code == 0)

    def kill(self) -> bool:
        """`kill -9`. False when it is not running just now."""
        process = self._process
        if process is None or process.returncode is not None or self._stopping:
            return False
        self._killed = True
        self.kills += 1
        process.send_signal(signal.SIGKILL)
        return True

    async def stop(self) -> None:
        """End it in good order; `run` returns then.

        Raises:
            CrashedError: it did not end in time, and was killed.
        """
        self._stopping = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_WITHIN_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            raise CrashedError(f"{self.name} does not end:\n{self._tail()}") from None

    def abandon(self) -> None:
        """Leave nothing running, whatever happened."""
        self._stopping = True
        if self._process is not None and self._process.returncode is None:
            self._killed = True
            self._process.kill()

    def _tail(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")[-LOG_TAIL:]
