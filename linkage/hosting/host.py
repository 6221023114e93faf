"""One adapter under supervision, and the `Link` that the core sees of it."""

from __future__ import annotations

import asyncio
import logging
import random
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Final

from structlog.contextvars import bind_contextvars

from linkage.hosting.commands import WINDOW, Commands
from linkage.hosting.contained import contained
from linkage.hosting.ids import RequestIds
from linkage.observation.figures import AdapterFigures
from linkage.ports import Adapter, Clock, CorePort, EntryKind
from linkage.supervision import Backoff, Lot, Sleep, Supervisor, TaskSet, describe
from linkage.tracing.spans import Put
from protocol.envelope import Request
from protocol.message import Message
from protocol.results import Result

logger = logging.getLogger("linkage.hosting")

EXECUTE_WITHIN_S: Final = 30.0
"""An adapter that has not answered a command by then is not waited for: result 503."""
LEAVE_WITHIN_S: Final = 5.0
"""What an adapter is given to leave its platform when linkage stops."""

TRY_AGAIN: Final = frozenset({Result.OVERLOAD, Result.STORAGE_FULL, Result.SWITCHING_OVER})
"""Refusals that pass: a notice is offered again, and its source is slowed down meanwhile."""
SUBMIT_BACKOFF: Final = Backoff(first_s=0.1, most_s=5.0)


class AdapterState(StrEnum):
    """How it stands between an adapter and its platform."""

    CONNECTING = "connecting"
    UP = "up"
    DOWN = "down"
    REFUSED = "refused"


class AdapterHost:
    """Runs one adapter and is its `Link`.

    An adapter counts as up from its first notice or its first command that did not fail for want
    of a platform; one that connects to a silent platform tells so by a 191 PlatformStatusNotice.
    """

    def __init__(
        self,
        adapter: Adapter,
        core: CorePort,
        clock: Clock,
        *,
        backoff: Backoff | None = None,
        execute_within_s: float = EXECUTE_WITHIN_S,
        leave_within_s: float = LEAVE_WITHIN_S,
        sleep: Sleep = asyncio.sleep,
        lot: Lot = random.random,
        spans: Put | None = None,
    ) -> None:
        self._adapter = adapter
        self._core = core
        self._clock = clock
        self._leave_within_s = leave_within_s
        self._sleep = sleep
        self._lot = lot
        self._peer = adapter.context.peer_id
        self._ids = RequestIds(clock.utc())
        self._tasks = TaskSet(self._peer)
        self.figures = AdapterFigures()
        self._commands = Commands(
            adapter,
            clock,
            self.figures,
            answered=partial(core.answered, self),
            emit=self._emit,
            worked=self._came_up,
            within_s=execute_within_s,
            spans=spans,
        )
        self._state = AdapterState.CONNECTING
        self._runs = 0
        self._alarmed = False
        self._open = False
        self._supervisor = Supervisor(
            f"adapter {self._peer}",
            self._run_adapter,
            clock=clock,
            backoff=backoff,
            ended=self._ended,
            sleep=sleep,
            lot=lot,
        )

    @property
    def address(self) -> str:
        """Where the peer speaks from, for the journal."""
        return "adapter"

    @property
    def window(self) -> int:
        """How many commands may be unanswered at a time."""
        return WINDOW

    @property
    def peer_id(self) -> str:
        """The id under which the adapter is configured."""
        return self._peer

    @property
    def state(self) -> AdapterState:
        """How it stands between the adapter and its platform, as far as the host can see."""
        return self._state

    async def start(self) -> None:
        """Make the adapter known to the core and begin to run it; returns at once.

        Raises:
            KeyError: the core knows no such peer.
        """
        await self._core.adopt(self, self._peer)
        self._open = True
        self._tasks.start(self._supervisor.run(), "supervisor")
        self._core.begin(self)

    async def stop(self, reason: str = "linkage stops") -> None:
        """End the adapter and all it does, in bounded time; commands in work are answered 503."""
        self._open = False
        try:
            async with asyncio.timeout(self._leave_within_s):
                await self._tasks.close()
        except TimeoutError:
            logger.warning(
                "adapter %s does not end: left behind", self._peer, extra={"peer": self._peer}
            )
        self._core.closed(self, reason)

    def close(self, reason: str) -> None:
        """The core ends the conversation: no command is taken any more, the adapter ends."""
        if not self._open:
            return
        self._open = False
        logger.warning(
            "adapter %s: closed by the core: %s", self._peer, reason, extra={"peer": self._peer}
        )
        self._tasks.cancel()
        self._core.closed(self, reason)

    # --- commands: core → adapter ----------------------------------------------------------------
    def push(self, request: Request) -> None:
        """Start a command; `core.answered` is told once, and never from within this call."""
        if not self._open:
            return
        deadline = self._commands.deadline_of(request)
        self._tasks.start(self._commands.carry_out(request, deadline), f"command {request.id}")

    # --- notices: adapter → core -----------------------------------------------------------------
    async def _run_adapter(self) -> None:
        bind_contextvars(peer=self._peer)
        if self._runs:
            self.figures.restarts += 1
        self._runs += 1
        self._state = AdapterState.CONNECTING
        await contained(self._adapter.run(self._emit))

    async def _emit(
        self, message: Message, *, time: datetime | None = None, reconstructed: bool = False
    ) -> None:
        """`linkage.ports.Emit`. A refusal is the core's last word: noted, and the adapter goes on.

        An exception of the core goes through to the adapter: the notice is not on disk, so the
        adapter must not go on as if it were; it is run again, and its resync tells what it missed.
        """
        self._came_up()
        self.figures.notices += 1
        request = Request(id=self._ids.take(), message=message, time=time or self._clock.utc())
        failures = 0
        while True:
            response = await self._core.submit(self, request, reconstructed=reconstructed)
            if response.result not in TRY_AGAIN:
                break
            failures += 1
            pause = SUBMIT_BACKOFF.pause(failures, self._lot())
            await self._sleep(max(pause, float(response.retry_after_s or 0)))
        if not response.accepted:
            await self._note(
                EntryKind.REFUSED,
                f"notice {request.id} ({request.type}) of {self._peer}: {response.detail or ''}",
                result=response.result,
            )

    # --- state -----------------------------------------------------------------------------------
    def _came_up(self) -> None:
        # Not from DOWN: a command that outlived the link says nothing about the next one.
        if self._state is not AdapterState.CONNECTING:
            return
        self._state = AdapterState.UP
        logger.info("adapter %s: up", self._peer, extra={"peer": self._peer})
        # Also at the first time: the alarm may have been raised before linkage was started again.
        self._alarmed = False
        self._tasks.start(self._clear(), "note")

    async def _ended(self, error: Exception | None, pause_s: float | None) -> None:
        reason = "ended" if error is None else describe(error)
        if pause_s is None:
            self._state = AdapterState.REFUSED
            await self._note(EntryKind.ALARM, f"{self._peer} refuses us for good: {reason}")
            return
        self._state = AdapterState.DOWN
        # One entry for one outage, however many attempts it takes to end it.
        if not self._alarmed:
            self._alarmed = True
            await self._note(EntryKind.ALARM, f"{self._peer} is down: {reason}")

    async def _clear(self) -> None:
        await self._core.note(self, EntryKind.ALARM_CLEARED, f"{self._peer} is up again")

    async def _note(self, kind: EntryKind, detail: str, *, result: int | None = None) -> None:
        logger.warning("adapter %s: %s: %s", self._peer, kind, detail, extra={"peer": self._peer})
        await self._core.note(self, kind, detail, result=result)
