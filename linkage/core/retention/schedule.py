"""The schedule of retention: finds what is overdue beside the writer, has it done in slices."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, TypeVar

from linkage.config.file import Config
from linkage.core.core import Core
from linkage.core.retention.dropped_queues import DropQueue
from linkage.core.retention.trimming import DeleteRows, Rows, SealSegment
from linkage.ports import Clock
from linkage.ports.maintenance import MaintenancePort
from linkage.ports.store import StoreFailedError
from linkage.store.archive import Segment
from linkage.store.journal_head import Head, write_head
from linkage.store.rows import MICROSECONDS, to_us

logger = logging.getLogger("linkage.retention")

T = TypeVar("T")

EVERY_S: Final = 60.0
HEAD_EVERY_S: Final = 10.0
"""How much of the journal's end can be cut off unnoticed, at most."""
SLICE_ROWS: Final = 200
"""Rows that one slice takes away: some milliseconds of the writer's thread at most."""
SHARE: Final = 4.0
"""The pause after a slice, as a multiple of what it took: no more than a fifth goes into this."""
DAY_US: Final = 24 * 3600 * MICROSECONDS
TRUST_AFTER_S: Final = 24 * 3600.0
"""How long a wall clock that was set ahead must stand before anything gets older by it."""


class CautiousTime:
    """The wall clock for who throws things away: one that is set ahead is not believed at once.

    A clock that is wrong by a month for a minute must not cost what waits for peers. One that is
    set back is believed: then everything is kept a little longer. Neither is one believed that is
    ahead when linkage starts: how long it did not run is not known.

    Args:
        clock: the clocks.
        newest_us: when something was recorded last; None: nothing was yet.
    """

    def __init__(self, clock: Clock, newest_us: int | None = None) -> None:
        self._clock = clock
        self._offset_us = self._offset_now_us()
        if newest_us is not None:
            now_us = round(clock.now() * MICROSECONDS)
            self._offset_us = min(self._offset_us, newest_us - now_us)
        self._ahead_since: float | None = None

    def _offset_now_us(self) -> int:
        return to_us(self._clock.utc()) - round(self._clock.now() * MICROSECONDS)

    def now_us(self) -> int:
        """In microseconds."""
        now, offset_us = self._clock.now(), self._offset_now_us()
        if self._ahead_since is None:
            self._ahead_since = now
        if offset_us <= self._offset_us or now - self._ahead_since >= TRUST_AFTER_S:
            self._offset_us, self._ahead_since = offset_us, None
        return round(now * MICROSECONDS) + self._offset_us


class RetentionSchedule:
    """Keeps the store to what `[retention]` says, while it serves.

    Args:
        core: does the slices, each as a piece of work among the others'.
        store: what is looked for there, and archived, beside the writer.
        config: whose `[retention]` holds, and where archive and head lie.
        clock: for ages, and for how long slices take.
    """

    def __init__(
        self,
        core: Core,
        store: MaintenancePort,
        config: Config,
        clock: Clock,
        tidy_files: Callable[[datetime], object] = lambda _: None,
    ) -> None:
        self._core = core
        self._tidy_files = tidy_files
        self._store = store
        self._config = config
        self._clock = clock
        newest = store.newest()
        self._time = CautiousTime(clock, None if newest is None else newest.at)
        self._task: asyncio.Task[None] | None = None
        self._pool = ThreadPoolExecutor(1, "linkage-retention")
        self._stopping = threading.Event()
        self._noted: Head | None = None
        self._page_began = 0.0

    def start(self) -> None:
        """Begin; the first look is after `EVERY_S`."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="linkage-retention")

    async def stop(self) -> None:
        """End; what was begun goes on at the next start. To be called after the core's end."""
        self._stopping.set()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        with suppress(OSError, StoreFailedError):
            await self._beside(self._note_head)
        self._pool.shutdown()

    async def _beside(self, function: Callable[..., T], *arguments: Any) -> T:
        """In the thread of what may take long; it is never the core's."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)

    async def _run(self) -> None:
        for turn in itertools.count(1):
            await asyncio.sleep(HEAD_EVERY_S)
            try:
                await self._beside(self._note_head)
                if turn % round(EVERY_S / HEAD_EVERY_S) == 0:
                    await self.once()
            except (OSError, StoreFailedError) as error:
                logger.warning(
                    "retention: the store cannot be used: %s; retrying in a minute", error
                )
            except Exception:
                logger.exception("retention: failed; retrying in a minute")

    async def once(self) -> None:
        """Look through everything once."""
        now_us = self._time.now_us()
        settings = self._config.retention
        for overdue in await self._beside(self._store.find_overdue, settings, now_us):
            moved = await self._core.drop_queue(
                DropQueue(overdue.receiver, overdue.to_seq, overdue.why)
            )
            if moved and overdue.why is not None:
                logger.warning(
                    "%s: messages up to Seq %d were not fetched and are dropped: %s",
                    overdue.receiver, overdue.to_seq, overdue.why,
                )  # fmt: skip
        for receiver in await self._beside(self._store.queues_to_trim):
            await self._trim(DeleteRows(Rows.QUEUE, SLICE_ROWS, receiver))
        await self._trim(DeleteRows(Rows.NONCES, SLICE_ROWS, now_us=now_us))
        await self._trim(DeleteRows(Rows.JOURNAL, SLICE_ROWS))  # what a crash may have left
        while (segment := await self._beside(self._archive, now_us)) is not None:
            await self._core.keep(SealSegment(segment))
            await self._trim(DeleteRows(Rows.JOURNAL, SLICE_ROWS))
            logger.info("journal up to seq %d is archived: %s", segment.last_seq, segment.name)
        await self._beside(self._tidy_files, self._clock.utc())

    async def _trim(self, work: DeleteRows) -> None:
        while True:
            began = self._clock.now()
            removed = await self._core.keep(work)
            if removed < work.limit:
                return
            await asyncio.sleep(SHARE * (self._clock.now() - began))

    # --- in a thread of its own ------------------------------------------------------------------
    def _archive(self, now_us: int) -> Segment | None:
        """Write the next segment, where one is due."""
        self._page_began = self._clock.now()
        return self._store.archive(self._config.retention, now_us, self._pace)

    def _pace(self) -> None:
        """Rest: reading and packing must not take the interpreter from those who serve.

        Raises:
            InterruptedError: linkage stops.
        """
        took = self._clock.now() - self._page_began
        if self._stopping.wait(SHARE * took):
            raise InterruptedError("linkage stops; the segment is begun anew at the next start")
        self._page_began = self._clock.now()

    def _note_head(self) -> None:
        head = self._store.newest()
        if head is not None and head != self._noted:
            write_head(self._config.head_path, head)
            self._noted = head
