"""One adapter under supervision, and the `LinkPort` that the core sees of it."""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress
from functools import partial
from typing import Any, Final

from structlog.contextvars import bind_contextvars

from linkage.hosting.commands import Commands, Execution
from linkage.hosting.contained import contained
from linkage.hosting.notices_and_memory import LinkClosedError, NoticesAndMemory
from linkage.hosting.status import AdapterState, Status
from linkage.observation.instruments import AdapterFigures
from linkage.ports import (
    REPLACED,
    Absent,
    Adapter,
    AdapterCorePort,
    Clock,
    EntryKind,
    LinkPort,
)
from linkage.supervision import (
    Backoff,
    Jitter,
    Sleep,
    Supervisor,
    TaskSet,
)
from linkage.tracing.spans import Put
from protocol.envelope import Request

logger = logging.getLogger("linkage.hosting")

EXECUTE_WITHIN_S: Final = 30.0
"""An adapter that has not answered a command by then is not waited for: result 503."""
LEAVE_WITHIN_S: Final = 5.0
"""What an adapter is given to leave its platform when linkage stops."""


class AdapterHost:
    """Runs one adapter and is its `LinkPort`.

    An adapter counts as up from its first notice or its first command that did not fail for want
    of a platform; one that connects to a silent platform tells so by a 191 PlatformStatusNotice.

    A link that the core closes is a failure like any other: after a pause the core is asked to
    take it again and the adapter is run again. Only a newer link of the same adapter ends it for
    good.
    """

    def __init__(
        self,
        adapter: Adapter,
        core: AdapterCorePort,
        clock: Clock,
        *,
        backoff: Backoff | None = None,
        execute_within_s: float = EXECUTE_WITHIN_S,
        leave_within_s: float = LEAVE_WITHIN_S,
        sleep: Sleep = asyncio.sleep,
        jitter: Jitter = random.random,
        spans: Put | None = None,
    ) -> None:
        self._adapter = adapter
        self._core = core
        self._clock = clock
        self._leave_within_s = leave_within_s
        self._sleep = sleep
        self._jitter = jitter
        self._peer = adapter.context.peer_id
        self._tasks = TaskSet(self._peer)
        self._work = TaskSet(self._peer)
        """The commands: these end with the link, the supervisor does not."""
        self.figures = AdapterFigures()
        self._status = Status(self._peer, self._note, self._tasks)
        self._port = NoticesAndMemory(
            core,
            self,
            self._peer,
            clock,
            begun=self._record_begins,
            refused=self._status.note,
            sleep=sleep,
            jitter=jitter,
        )
        self._commands = Commands(
            adapter,
            clock,
            Execution(
                adapter, clock, start=self._work.start, port=self._port, within_s=execute_within_s
            ),
            self.figures,
            answered=partial(core.answered, self),
            worked=self._status.up,
            spans=spans,
        )
        self._runs = 0
        self._linked = False
        """The core has the link, or is about to."""
        self._over = False
        """Stopped or replaced: whatever ends now is not begun again."""
        self._why = ""
        """Why the last link was closed."""
        self._running: asyncio.Timeout | None = None
        """By which the adapter is ended with its link."""
        self._supervisor = Supervisor(
            f"adapter {self._peer}",
            self._run_adapter,
            clock=clock,
            backoff=backoff or Backoff(most_s=adapter.longest_pause_s),
            ended=self._status.ended,
            sleep=sleep,
            jitter=jitter,
        )

    @property
    def address(self) -> str:
        """Where the peer speaks from, for the journal."""
        return "adapter"

    @property
    def window(self) -> int:
        """How many commands may be unanswered at a time."""
        return self._commands.execution.window

    @property
    def peer_id(self) -> str:
        """The id under which the adapter is configured."""
        return self._peer

    @property
    def state(self) -> AdapterState:
        """How it stands between the adapter and its platform, as far as the host can see."""
        return self._status.state

    async def start(self) -> None:
        """Make the adapter known to the core and begin to run it; returns at once.

        Raises:
            KeyError: the core knows no such peer.
        """
        # A bug that costs the link already is no reason not to start: it is taken again.
        with suppress(LinkClosedError):
            await self._join()
        if not self._over:
            self._tasks.start(self._supervisor.run(), "supervisor")

    async def stop(self, reason: str = "linkage stops") -> None:
        """End the adapter and all it does, in bounded time; commands in work are answered 503."""
        self._over = True
        await self._end(self._tasks, self._work)
        self._linked = False
        self._core.closed(self, reason)

    def close(self, reason: str) -> None:
        """The core ends the conversation: what runs ends, and is begun again after a pause."""
        if self._over or not self._linked:
            return
        self._linked = False
        self._why = reason
        self._core.closed(self, reason)
        self._work.cancel()
        if reason == REPLACED:
            self._give_way()
            return
        # At once: an adapter may take its time to end.
        self._status.down_soon(f"the core closed its link: {reason}")
        if self._running is not None:
            self._running.reschedule(0)

    def _give_way(self) -> None:
        self._over = True
        self._status.replaced()
        self._tasks.cancel()

    async def _end(self, *owners: TaskSet) -> None:
        for owner in owners:
            owner.cancel()
        try:
            async with asyncio.timeout(self._leave_within_s):
                for owner in owners:
                    await owner.close()
        except TimeoutError:
            logger.warning(
                "adapter %s does not end: left behind", self._peer, extra={"peer": self._peer}
            )

    async def _join(self) -> None:
        """Have the link taken by the core.

        Raises:
            LinkClosedError: it was closed again at once.
            KeyError: the core knows no such peer.
        """
        # What an earlier link left must not be answered for at the next.
        await self._end(self._work)
        # Before it is: the core may take it and close it before this task hears of either.
        self._linked = True
        try:
            await self._core.adopt(self, self._peer)
        except BaseException:
            self._linked = False
            raise
        self._core.begin(self)
        self._check_link()

    def _check_link(self) -> None:
        if not self._linked:
            raise LinkClosedError(f"the core closed its link: {self._why}")

    def take_up(self, settings: Any) -> bool:
        """See `Adapter.take_up`; one that is refused is better started again at once."""
        return self.state is not AdapterState.REFUSED and self._adapter.take_up(settings)

    # --- commands: core → adapter ----------------------------------------------------------------
    def push(self, request: Request) -> None:
        """Start a command; `core.answered` is told once, and never from within this call."""
        if self._over or not self._linked:
            return
        deadline = self._commands.deadline_of(request)
        self._work.start(self._commands.carry_out(request, deadline), f"command {request.id}")

    # --- notices: adapter → core -----------------------------------------------------------------
    async def _run_adapter(self) -> None:
        bind_contextvars(peer=self._peer)
        try:
            if not self._linked:
                await self._join()
            await self._run_linked()
        finally:
            if self._over:
                # Also where an adapter let go of its cancellation: it must not be run again.
                raise asyncio.CancelledError

    async def _run_linked(self) -> None:
        """Run the adapter until it ends or its link is closed."""
        if self._runs:
            self.figures.restarts += 1
        self._runs += 1
        self._status.connecting()
        try:
            async with asyncio.timeout(None) as self._running:
                await contained(self._adapter.run(self._port))
        except Exception as error:
            if self._linked:
                raise
            # It fell over the link that was closed under it: `_check_link` tells of that instead.
            logger.debug("%s: while its link was closed: %r", self._adapter.name, error)
        finally:
            self._running = None
        self._check_link()

    def _record_begins(self, notices: int) -> None:
        self._check_link()
        if notices:
            self._status.up()
            self.figures.notices += notices

    async def _note(self, kind: EntryKind, detail: str, result: int | None = None) -> None:
        """An entry for the journal; without a link the core does not know whose it is."""
        source: LinkPort = self if self._linked else Absent(self._peer)
        await self._core.note(source, kind, detail, result=result)
