"""What outlives an adapter that is killed: the notices it told and its memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from linkage.ports import AdapterPort, Notice
from linkage.ports.adapter import NOTHING
from protocol.codec import decode, encode
from protocol.envelope import Request
from protocol.kinds import NOTICES
from protocol.message import Message
from pytest_linkage.contract.platform import Expected


class KilledError(BaseException):
    """The process is no more (for a test): nothing that an adapter catches."""


class Disk:
    """A journal and a memory, in this process; a record is all there or not at all."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self.memory: dict[str, str] = {}
        self.records = 0
        """How many were asked for."""
        self.open = asyncio.Event()
        """While it is not set, the core takes nothing."""
        self.open.set()
        self.answers_after_s = 0.0
        """How long the core takes from the commit, when others hear of it, to its answer."""
        self._changed = asyncio.Condition()
        self._kill_at: int | None = None
        self._commits_it = False

    @property
    def messages(self) -> list[Message]:
        """All notices that were told."""
        return [notice.message for notice in self.notices]

    def kill_at(self, count: int | None, *, committed: bool = False) -> None:
        """Kill the process at the n-th record from here on (0: the next), or at none.

        `committed`: after its commit, so that only its answer is lost.
        """
        self._kill_at = None if count is None else self.records + count
        self._commits_it = committed

    @property
    def killed(self) -> bool:
        """Whether the process was killed."""
        return self._kill_at is not None and self.records > self._kill_at

    def count(self, expected: Expected) -> int:
        """How often a notice was told."""
        return sum(map(expected.fits, self.messages))

    async def until(self, condition: Callable[[], object], patience_s: float, lack: str) -> None:
        """Wait for the next records to make something true; fails with what was told instead."""
        try:
            async with asyncio.timeout(patience_s), self._changed:
                while not condition():
                    await self._changed.wait()
        except TimeoutError:
            told = "\n".join(f"  {message}" for message in self.messages)
            raise AssertionError(f"{lack} within {patience_s:g} s, but:\n{told}") from None

    async def load(self) -> dict[str, Any]:
        """See `AdapterPort.load`."""
        return {key: json.loads(text) for key, text in self.memory.items()}

    async def record(
        self, notices: Sequence[Notice] = (), memory: Mapping[str, Any | None] = NOTHING
    ) -> None:
        """See `AdapterPort.record`."""
        texts = {
            key: None if value is None else json.dumps(value) for key, value in memory.items()
        }
        told = [_as_read_again(notice) for notice in notices]
        await self.open.wait()
        self.records += 1
        is_last = self.records - 1 == self._kill_at
        if not self.killed or (is_last and self._commits_it):
            self.notices += told
            for key, text in texts.items():
                if text is None:
                    self.memory.pop(key, None)
                else:
                    self.memory[key] = text
        async with self._changed:
            self._changed.notify_all()
        await asyncio.sleep(self.answers_after_s)
        if self.killed:
            raise KilledError


def _as_read_again(notice: Notice) -> Notice:
    """The notice as the journal gives it back; what cannot be written is an error of the adapter.

    Raises:
        AssertionError: it is no notice, or its time has no zone.
    """
    message = notice.message
    assert message.number in NOTICES, f"{message.number} is no notice"
    assert notice.time is None or notice.time.tzinfo is not None, "a time without its zone"
    read = decode(encode(Request(id="1", message=message, time=notice.time)))
    assert isinstance(read, Request), "a notice is a request"
    return Notice(read.message, notice.time, notice.reconstructed)


def serves_the_port(disk: Disk) -> AdapterPort:
    """Proven by mypy."""
    return disk
