from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

import pytest

from tests.fakes.far_end import ScriptedLinkage

T = TypeVar("T")
Spawn = Callable[[Coroutine[Any, Any, T]], "asyncio.Task[T]"]


@pytest.fixture
async def linkage() -> AsyncIterator[ScriptedLinkage]:
    async with ScriptedLinkage().listening() as scripted:
        yield scripted


@pytest.fixture
async def spawn() -> AsyncIterator[Spawn[Any]]:
    """Runs something beside the test; cancelled at its end if it is not through by then."""
    tasks: list[asyncio.Task[Any]] = []

    def start(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        tasks.append(asyncio.get_running_loop().create_task(work))
        return tasks[-1]

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
