"""The store's housekeeper: looks beside the writer for what is overdue, has it done in slices."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from linkage.config import RetentionSettings
from linkage.core.core import Core
from linkage.core.work import Retire, Trim
from linkage.ports import Clock
from linkage.store.retention import QueueLimits, find_overdue, queues_to_trim
from linkage.store.rows import MICROSECONDS, to_us

logger = logging.getLogger("linkage.keeper")

EVERY_S: Final = 60.0
SLICE_ROWS: Final = 200
"""Rows that one slice takes away: some milliseconds of the writer's thread at most."""
SHARE: Final = 4.0
"""The pause after a slice, as a multiple of what it took: no more than a fifth goes into this."""
DAY_US: Final = 24 * 3600 * MICROSECONDS


def queue_limits(settings: RetentionSettings) -> QueueLimits:
    """The bounds of queues as the store takes them."""
    return QueueLimits(
        age_us=round(settings.queue_days * DAY_US),
        messages=settings.queue_messages,
        size_bytes=settings.queue_bytes,
        replay_us=round(settings.replay_days * DAY_US),
        replay_messages=settings.replay_messages,
    )


class Keeper:
    """Keeps the store to what `[retention]` says, while it serves.

    Args:
        core: does the slices, each as a piece of work among the others'.
        engine: the store for reading (`linkage.store.database.open_for_reading`).
        settings: `[retention]`.
        clock: for ages, and for how long slices take.
    """

    def __init__(
        self, core: Core, engine: Engine, settings: RetentionSettings, clock: Clock
    ) -> None:
        self._core = core
        self._engine = engine
        self._limits = queue_limits(settings)
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the first look is after `EVERY_S`."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="linkage-keeper")

    async def stop(self) -> None:
        """End; what was begun goes on at the next start."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.once()
            except (OSError, DBAPIError) as error:
                logger.warning("retention waits for the store: %s", error)
            except Exception:
                logger.exception("retention failed; it is tried again")

    async def once(self) -> None:
        """Look through everything once."""
        now_us = to_us(self._clock.utc())
        for overdue in await asyncio.to_thread(find_overdue, self._engine, self._limits, now_us):
            moved = await self._core.keep(Retire(overdue.receiver, overdue.to_seq, overdue.why))
            if moved and overdue.why is not None:
                logger.warning(
                    "%s: messages up to Seq %d are dropped unfetched: %s",
                    overdue.receiver, overdue.to_seq, overdue.why,
                )  # fmt: skip
        for receiver in await asyncio.to_thread(queues_to_trim, self._engine):
            await self._trim(Trim(receiver, SLICE_ROWS))
        await self._trim(Trim(None, SLICE_ROWS))

    async def _trim(self, work: Trim) -> None:
        while True:
            began = self._clock.now()
            removed = await self._core.keep(work)
            if removed < work.limit:
                return
            await asyncio.sleep(SHARE * (self._clock.now() - began))
