"""How it stands between an adapter and its platform, and who is told of that."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from enum import StrEnum
from typing import Any

from linkage.ports import AdapterReplacedError, EntryKind
from linkage.supervision import TaskSet, describe, find_refusal

logger = logging.getLogger("linkage.hosting")


class AdapterState(StrEnum):
    """How it stands between an adapter and its platform."""

    CONNECTING = "connecting"
    UP = "up"
    DOWN = "down"
    REFUSED = "refused"
    """The platform as a whole refuses us: somebody must act, here or there. Tried again."""
    REPLACED = "replaced"
    """Another speaks for this adapter now: at the core (the one here has ended), or at the
    platform (the one here waits until its place is free)."""


class Status:
    """One adapter's state. One outage is one alarm, however many attempts it takes to end it.

    Args:
        peer: the adapter.
        note: writes an entry for the journal; an alarm is told to applications and screens too.
        tasks: own what is told by the way.
    """

    def __init__(
        self,
        peer: str,
        note: Callable[[EntryKind, str, int | None], Coroutine[Any, Any, None]],
        tasks: TaskSet,
    ) -> None:
        self._peer = peer
        self._note = note
        self._tasks = tasks
        self.state = AdapterState.CONNECTING
        self._alarmed: AdapterState | None = None
        """Of what state the last alarm told that still stands."""

    def connecting(self) -> None:
        """A run begins."""
        self.state = AdapterState.CONNECTING

    def up(self) -> None:
        """The platform was heard of; no news where it was up already."""
        # Not from DOWN: a command that outlived the link says nothing about the next one.
        if self.state is not AdapterState.CONNECTING:
            return
        self.state = AdapterState.UP
        logger.info("adapter %s: up", self._peer, extra={"peer": self._peer})
        # Also at the first time: the alarm may have been raised before linkage was started again.
        self._alarmed = None
        cleared = self._note(EntryKind.ALARM_CLEARED, f"{self._peer} is up again", None)
        self._tasks.start(cleared, "note")

    def replaced(self) -> None:
        """Another link speaks for the adapter at the core."""
        self.state = AdapterState.REPLACED
        logger.error(
            "adapter %s: replaced by another instance; stopping: run each adapter once",
            self._peer,
            extra={"peer": self._peer},
        )

    def down_soon(self, reason: str) -> None:
        """It is down now, and that is told by the way."""
        self.state = AdapterState.DOWN
        self._tasks.start(self._down(reason), "note")

    async def ended(self, error: Exception | None, pause_s: float) -> None:
        """A run ended, and the next one begins after a pause (`linkage.supervision.Ended`)."""
        refusal = None if error is None else find_refusal(error)
        if refusal is None:
            await self._down("ended" if error is None else describe(error))
            return
        is_replaced = isinstance(refusal, AdapterReplacedError)
        self.state = AdapterState.REPLACED if is_replaced else AdapterState.REFUSED
        # Somebody must act: that is told also where an outage was told of before, for which that
        # one has to end: an alarm that stands is not raised again.
        if self._alarmed is not self.state:
            if self._alarmed is not None:
                await self.note(EntryKind.ALARM_CLEARED, f"{self._peer} answers again")
            self._alarmed = self.state
            what = "is served by another program" if is_replaced else "refuses us"
            reason = f"{describe(refusal)} (tried again every {pause_s:g} s)"
            await self.note(EntryKind.ALARM, f"{self._peer} {what}: {reason}")

    async def _down(self, reason: str) -> None:
        self.state = AdapterState.DOWN
        if self._alarmed is None:
            self._alarmed = AdapterState.DOWN
            await self.note(EntryKind.ALARM, f"{self._peer} is down: {reason}")

    async def note(self, kind: EntryKind, detail: str, result: int | None = None) -> None:
        """Log it, and write it down."""
        logger.warning("adapter %s: %s: %s", self._peer, kind, detail, extra={"peer": self._peer})
        await self._note(kind, detail, result)
