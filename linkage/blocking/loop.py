"""An event loop in a thread of its own, and the way to it from others."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

STOP_WITHIN_S: Final = 5.0
LOOK_FOR_SIGNALS_S: Final = 1.0

T = TypeVar("T")


class StoppedError(Exception):
    """The loop turns no more, or did not to the end of what was asked."""


class LoopThread:
    """An event loop in a thread, and the way to it."""

    def __init__(self, name: str) -> None:
        self.stopped = False
        self._ending = threading.Lock()
        """What was taken before `stop` finds a loop that turns; nothing is taken after it."""
        self._loop = asyncio.new_event_loop()
        # A daemon: a script that was interrupted twice must not hang at its end.
        self._thread = threading.Thread(target=self._run, name=f"linkage:{name}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            self._loop.close()

    def call(self, work: Coroutine[Any, Any, T], timeout_s: float | None = None) -> T:
        """Run it there and wait for it here; whoever interrupts the wait cancels it.

        Raises:
            TimeoutError: it did not end within `timeout_s`.
            StoppedError: the loop was stopped before, or before its end.
        """
        with self._ending:
            if self.stopped:
                work.close()
                raise StoppedError
            future = asyncio.run_coroutine_threadsafe(_within(work, timeout_s), self._loop)
        try:
            # In slices: a signal that comes just before the wait begins is looked at after one.
            while not concurrent.futures.wait([future], LOOK_FOR_SIGNALS_S).done:
                pass
            return future.result()
        except concurrent.futures.CancelledError:
            raise StoppedError from None
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        """End it; harmless when it has ended."""
        with self._ending:
            if self.stopped:
                return
            self.stopped = True
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_WITHIN_S)


async def _within(work: Coroutine[Any, Any, T], timeout_s: float | None) -> T:
    """In the loop's thread: there it is certain whether it came in time or not."""
    async with asyncio.timeout(timeout_s):
        return await work


def refuse_in_loop() -> None:
    """Waiting here would stop the loop of whoever calls.

    Raises:
        RuntimeError: called from a coroutine.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError("linkage.blocking is for programs without asyncio: use linkage.client here")
