"""The core's thread: what was handed over goes in, what became of it comes back, in that order.

```
 event loop ── hand_over([item, …]) ──▶ queue ──▶ thread: process(batch), one commit
            ◀── settle(batch) ──────────────────────┘
```
The thread takes the next batch by itself: everything that queued while the last one was committed
(group commit), without waiting for the loop to hand out what the last one brought. It waits for
nothing to come together: alone, a message is committed at once. What is more than one batch is
taken in fair turns (`linkage.core.writer.fair_queue`).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Final, TypeVar

from linkage.core.jobs import Done
from linkage.core.writer.fair_queue import FairQueue, Item

T = TypeVar("T")

BATCH_MAX: Final = 512
"""Jobs of one commit at most: bounds how long the first of a batch waits for the last."""


class _Stop:
    """Hands over that there will be nothing more."""


_Handed = list[Item] | Callable[[], None] | _Stop


@dataclass(slots=True)
class Batch:
    """What one commit brought: for each item what became of it; from when to when, monotonic.

    `failed`: the disk did not take it. `journal_seq`: the newest row that is on disk after it.
    """

    items: list[Item]
    done: Sequence[Done]
    began: float
    ended: float
    failed: bool = False
    journal_seq: int = 0


class WriterThread:
    """Runs `process` in a thread of its own; `settle` is called in the loop's thread.

    Args:
        process: does one batch; must not raise.
        settle: told of each batch, in the order in which they were done.
    """

    def __init__(
        self,
        process: Callable[[list[Item]], Batch],
        settle: Callable[[Batch], None],
    ) -> None:
        self._process = process
        self._settle = settle
        self._queue: SimpleQueue[_Handed] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; call it in the event loop that `settle` is to be called in."""
        loop = asyncio.get_running_loop()
        # A daemon: who leaves the process without `stop` is not held up by it. A commit is whole
        # or not there.
        self._thread = threading.Thread(
            target=self._run, args=(loop,), name="linkage-core", daemon=True
        )
        self._thread.start()

    def hand_over(self, items: list[Item]) -> None:
        """Jobs to be done; the list is the thread's from now on."""
        self._queue.put(items)

    async def call(self, act: Callable[[], T]) -> T:
        """Do something else in the thread, after everything handed over so far; what it returns.

        It is done to its end also when its caller is cancelled.
        """
        result: Future[T] = Future()

        def run() -> None:
            result.set_running_or_notify_cancel()
            try:
                result.set_result(act())
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is the caller's
                result.set_exception(error)

        self._queue.put(run)
        return await asyncio.shield(asyncio.wrap_future(result))

    async def stop(self) -> None:
        """Wait until everything handed over is done and settled."""
        if self._thread is not None:
            self._queue.put(_Stop())
            await asyncio.to_thread(self._thread.join)
            # What the thread scheduled last is called before this goes on.
            await asyncio.sleep(0)
            self._thread = None

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        inbox = FairQueue()
        ahead: Callable[[], None] | _Stop | None = None
        while True:
            if ahead is None:
                ahead = self._gather(inbox)
            if len(inbox):
                batch = self._process(inbox.take(BATCH_MAX))
                loop.call_soon_threadsafe(self._settle, batch)
            elif isinstance(ahead, _Stop):
                return
            elif ahead is not None:
                act, ahead = ahead, None
                act()

    def _gather(self, inbox: FairQueue) -> Callable[[], None] | _Stop | None:
        """Take in what is there, and wait where nothing is; what is no work ends it."""
        while not len(inbox) or not self._queue.empty():
            handed = self._queue.get()  # this thread alone takes from it
            if not isinstance(handed, list):
                return handed
            inbox.add(handed)
        return None
