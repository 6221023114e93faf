"""Tasks under one owner that outlive the call which started them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class Background:
    """Runs coroutines until `stop`; the first error of one of them is raised there.

    A task group would bind them to one task, and a pytest fixture is set up in one task and torn
    down in another.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._error: BaseException | None = None
        self.failed = asyncio.Event()

    def start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run it from now on."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def fail(self, error: BaseException) -> None:
        """Something that belongs here went wrong outside a task; `stop` raises it."""
        self._error = self._error or error
        self.failed.set()

    async def stop(self) -> None:
        """Cancel all, wait for them, raise what went wrong."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)
