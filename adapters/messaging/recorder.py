"""What is told and what is remembered goes to the core together, one record after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from linkage.ports import AdapterPort, AdapterUnavailableError, Notice
from protocol.message import Message


@dataclass
class Draft:
    """What the next record will hold. What is put into one draft is on disk together or not."""

    notices: list[Notice] = field(default_factory=list)
    memory: dict[str, Any | None] = field(default_factory=dict)

    def tell(self, *messages: Message, at: datetime, reconstructed: bool = False) -> None:
        """Add notices."""
        self.notices += [Notice(each, at, reconstructed) for each in messages]


class UnsureError(AdapterUnavailableError):
    """The run ended within a record: nobody knows whether it is on disk."""


class Recorder:
    """Gathers while one record is being written; the next is all that came meanwhile.

    So records keep their order, the newest value of a key stays, and a hundred texts at once cost
    two commits.
    """

    def __init__(self, port: AdapterPort) -> None:
        self._port = port
        self._next = Draft()
        self._waiting: list[asyncio.Future[None]] = []
        self._wanted = asyncio.Event()
        self._closed = False

    @property
    def draft(self) -> Draft:
        """What the next `commit` writes. Do not keep it across an await."""
        return self._next

    async def commit(self) -> None:
        """Return when all that was put into a draft until now is on disk.

        Raises:
            AdapterUnavailableError: the run is over, and nothing was written.
            UnsureError: it ended meanwhile.
        """
        if self._closed:
            raise AdapterUnavailableError("the link was lost")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        self._wanted.set()
        await done

    def write(self) -> None:
        """Have what is in the draft written soon."""
        self._wanted.set()

    async def run(self) -> None:
        """Write until cancelled; raises what the port raises."""
        waiting: list[asyncio.Future[None]] = []
        error: BaseException = UnsureError("the link was lost")
        try:
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                draft, self._next = self._next, Draft()
                waiting, self._waiting = self._waiting, []
                await self._port.record(draft.notices, draft.memory)
                for each in _open(waiting):
                    each.set_result(None)
        except asyncio.CancelledError:
            raise
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._closed = True
            for each in _open([*waiting, *self._waiting]):
                each.set_exception(error)


def _open(waiting: Iterable[asyncio.Future[None]]) -> list[asyncio.Future[None]]:
    return [each for each in waiting if not each.done()]
