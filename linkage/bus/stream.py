"""One side of a conversation: what goes out in batches, and whether what comes in is complete."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from linkage.bus.envelope import Envelope, pack_item, seal

BATCH_ITEMS: Final = 512
BATCH_BYTES: Final = 1024 * 1024
"""An envelope is closed when it holds so much; a single item may be longer."""
AGAIN_S: Final = 0.02
"""Until the next attempt when ZeroMQ takes nothing: the other side is slow, or not there."""


class Pace:
    """How late this side's own loop is: nobody was silent while nobody listened."""

    def __init__(self, every_s: float, now: float) -> None:
        self._every_s = every_s
        self._looked_at = now

    def late_s(self, now: float) -> float:
        """Seconds by which this look, one of every `every_s`, comes too late."""
        late_s = now - self._looked_at - self._every_s
        self._looked_at = now
        return max(0.0, late_s)


class Stream:
    """Items said within one turn of the loop leave as one envelope, in order.

    `send` hands an envelope to ZeroMQ and says whether it was taken. What is not taken waits here;
    the callers' own bounds (windows, calls in work) keep that small.
    """

    def __init__(self, send: Callable[[bytes], bool]) -> None:
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._out: deque[bytes] = deque()
        self._sent = 0
        self._taken = 0
        self._due: asyncio.Handle | None = None
        self.conversation = 0

    def begin(self, conversation: int) -> None:
        """A new conversation: nothing of the one before is sent any more."""
        self.end()
        self.conversation = conversation
        self._sent = self._taken = 0

    def end(self) -> None:
        """Say nothing more."""
        self._out.clear()
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def say(self, *item: Any) -> None:
        """Queue an item.

        Raises:
            TypeError, ValueError, OverflowError: a value in it cannot cross.
        """
        self.add(pack_item(*item))

    def add(self, packed: bytes) -> None:
        """Queue an item that is packed already."""
        self._out.append(packed)
        if self._due is None:
            self._due = self._loop.call_soon(self._flush)

    def take(self, envelope: Envelope) -> bool:
        """Whether an envelope is the next one; if not, something was lost before it."""
        self._taken += 1
        return envelope.number == self._taken

    def flush(self) -> None:
        """Send what there is, now."""
        if self._due is not None:
            self._due.cancel()
        self._flush()

    def _flush(self) -> None:
        self._due = None
        while self._out:
            batch = self._next_batch()
            if not self._send(seal(self.conversation, self._sent + 1, batch)):
                self._due = self._loop.call_later(AGAIN_S, self._flush)
                return
            self._sent += 1
            for _ in batch:
                self._out.popleft()

    def _next_batch(self) -> list[bytes]:
        batch: list[bytes] = []
        size = 0
        for packed in self._out:
            if batch and (len(batch) >= BATCH_ITEMS or size + len(packed) > BATCH_BYTES):
                break
            batch.append(packed)
            size += len(packed)
        return batch
