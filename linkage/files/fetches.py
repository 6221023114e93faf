"""What the HTTP server of files asks of the core, from its threads; who fetched what is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final, Protocol, TypeVar

from linkage.flood import FloodCounter
from linkage.ports.file_links import FileLink, GrantedFile
from linkage.supervision import TaskSet

logger = logging.getLogger("linkage.files")

T = TypeVar("T")

WINDOW_S: Final = 60.0
EACH: Final = 3
"""Fetches of one file by one receiver from one host that have entries of their own in a window: a
player asks for many pieces."""
CORE_WITHIN_S: Final = 20.0

Fetcher = tuple[FileLink, str]
"""A link, and the host where it was opened."""
ELSEWHERE: Final = "several hosts"


class FetchCore(Protocol):
    """What is asked of the core, in its event loop."""

    async def open_link(self, link: FileLink) -> GrantedFile:
        """What a link opens.

        Raises:
            LinkDeniedError: its file may not be fetched by it any more.
            OSError: the store cannot be read.
        """
        ...

    async def note_fetch(self, link: FileLink, detail: str) -> None:
        """Journal that it was fetched; on disk on return.

        Raises:
            OSError: the store cannot be written.
        """
        ...


class Fetches:
    """Made in the core's event loop; `grant` and `fetched` are called in other threads."""

    def __init__(self, core: FetchCore, notes: TaskSet) -> None:
        self._core = core
        self._notes = notes
        self._loop = asyncio.get_running_loop()
        self._flood: FloodCounter[Fetcher] = FloodCounter(
            WINDOW_S, self._sum_up, lambda fetcher: (fetcher[0], ELSEWHERE)
        )

    def grant(self, link: FileLink) -> GrantedFile:
        """See `FetchCore.open_link`; OSError also where the core is too slow."""
        return self._ask(self._core.open_link(link))

    def fetched(self, link: FileLink, host: str, detail: str) -> None:
        """See `FetchCore.note_fetch`: of a flood the first few, the rest as a sum."""
        self._ask(self._fetched(link, host, detail))

    def close(self) -> None:
        """Journal what is still to be summed up."""
        self._flood.sum_up()

    async def _fetched(self, link: FileLink, host: str, detail: str) -> None:
        if self._flood.is_news((link, host), detail, EACH):
            await self._core.note_fetch(link, detail)

    def _sum_up(self, fetcher: Fetcher, untold: int, last: str) -> None:
        link, host = fetcher
        detail = f"{untold} more from {host} within {WINDOW_S:g} s, last: {last}"
        self._notes.start(self._core.note_fetch(link, detail), "fetched")

    def _ask(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            asking = asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:
            work.close()
            raise OSError("linkage stops") from None
        try:
            return asking.result(CORE_WITHIN_S)
        except TimeoutError:
            asking.cancel()
            raise OSError("the core is too slow") from None
