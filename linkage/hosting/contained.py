"""What an adapter does must end nothing but the adapter."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from linkage.ports import AdapterError

T = TypeVar("T")


async def contained(work: Awaitable[T]) -> T:
    """What an adapter does, without what would end more than the adapter.

    A vendor's library that calls `sys.exit` would end the process, and one that lets go of a
    cancellation of its own would end the supervisor without a word.
    """
    try:
        return await work
    except SystemExit as error:
        raise AdapterError(f"it wanted to end the process ({error.code})") from error
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise AdapterError("it cancelled itself") from None
