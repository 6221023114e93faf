"""One command at an adapter: may it, is it its turn, is it in time; and what lives there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, Final

from linkage.hosting.contained import contained
from linkage.hosting.keyed_locks import KeyedLocks
from linkage.ports import (
    Adapter,
    AdapterPort,
    Clock,
    Command,
    CommandError,
    Notice,
    Outcome,
    Snapshots,
)
from protocol.envelope import Request
from protocol.message import Message
from protocol.messages import QueryCall
from protocol.results import Result

WINDOW: Final = 64
"""Commands that may be unanswered at a time, at least: that of a session (protocol.md#window).
Those that the adapter does not work on wait their turn."""


class Execution:
    """Has an adapter do its commands, so many at a time, and those of one key one by one.

    Args:
        start: begins a task, and owns it.
        port: takes notices; what lives on the platform is one.
        within_s: how long the adapter may take for one.
    """

    def __init__(
        self,
        adapter: Adapter,
        clock: Clock,
        *,
        start: Callable[[Coroutine[Any, Any, Outcome | Exception], str], asyncio.Task[Any]],
        port: AdapterPort,
        within_s: float,
    ) -> None:
        self._adapter = adapter
        self._clock = clock
        self._start = start
        self._port = port
        self.within_s = within_s
        self._turns = KeyedLocks()
        self.window = max(WINDOW, adapter.concurrent_max)
        self._room = asyncio.Semaphore(adapter.concurrent_max)
        self._waiting = 0

    async def execute(self, request: Request, deadline: float) -> Outcome:
        """Do a command that expires at `deadline`, monotonic.

        Raises:
            CommandError: it is not done, or not as it was wanted.
            TimeoutError: nobody knows whether it was.
            Exception: what the adapter raised.
        """
        if not self._is_asked(request.message):
            self._check_capability(request.message)
        if self._waiting >= self.window:
            raise CommandError(Result.OVERLOAD, f"{self.window} commands are in work already")
        self._waiting += 1
        try:
            key = self._adapter.serial_key(request.message)
            if self._turns.is_free(key) and not self._room.locked():  # most wait for nobody
                async with self._turns.take(key), self._room:
                    return await self._in_turn(request, deadline)
            async with AsyncExitStack() as turn:
                try:
                    async with asyncio.timeout(max(0.0, deadline - self._clock.now())):
                        await turn.enter_async_context(self._turns.take(key))
                        await turn.enter_async_context(self._room)
                except TimeoutError:
                    raise _expired() from None
                return await self._in_turn(request, deadline)
        finally:
            self._waiting -= 1

    async def _in_turn(self, request: Request, deadline: float) -> Outcome:
        if self._clock.now() >= deadline:
            raise _expired()
        return await self._within_time(Command.of(request, deadline))

    async def _within_time(self, request: Command) -> Outcome:
        """What the adapter makes of a command, if it says so in time.

        One that is not to be stopped, for it lets go of its cancellation, is left behind: it must
        not keep the place of every command that comes after it.
        """
        work: asyncio.Task[Outcome | Exception] = self._start(
            _caught(self._do(request)), f"doing {request.id}"
        )
        try:
            await asyncio.wait((work,), timeout=self.within_s)
        finally:
            if not work.done():
                work.cancel()
        if not work.done():
            raise TimeoutError
        result = work.result()
        if isinstance(result, Exception):
            raise result
        return result

    def _is_asked(self, message: Message) -> bool:
        """Whether a 215 is for us: what linkage asks of every adapter, see `Snapshots`."""
        served = self._adapter.capabilities
        return isinstance(message, QueryCall) and message.number not in served

    async def _do(self, request: Command) -> Outcome:
        message = request.message
        if not isinstance(message, QueryCall) or not self._is_asked(message):
            return await contained(self._adapter.execute(request))
        if not isinstance(self._adapter, Snapshots):
            name = self._adapter.name
            raise CommandError(Result.NOT_SUPPORTED, f"{name} cannot tell what lives")
        found = await contained(self._adapter.snapshot(message))
        answer = replace(found, request_id=request.id, page=1, pages=1)
        await self._port.record([Notice(answer)])
        return Outcome()

    def _check_capability(self, message: Message) -> None:
        served = self._adapter.capabilities.get(message.number)
        name = self._adapter.name
        if served is None:
            raise CommandError(
                Result.NOT_SUPPORTED, f"{name} does not do {message.number} {message.english}"
            )
        action = getattr(message, "action", None)
        if action is None:
            action = getattr(message, "mode", None)
        if served and action is not None and action not in served:
            raise CommandError(
                Result.NOT_SUPPORTED, f"{name} does not do {message.english} {action!r}"
            )


def _expired() -> CommandError:
    return CommandError(Result.EXPIRED, "the command expired before it could be done")


async def _caught(work: Awaitable[Outcome]) -> Outcome | Exception:
    """What came of it, errors included: they are for the command's sender, not for the log."""
    try:
        return await work
    except Exception as error:  # noqa: BLE001 - told where it is taken
        return error
