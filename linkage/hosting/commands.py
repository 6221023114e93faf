"""Commands: core → adapter. Each is done in turn and in time, or never, and answered once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, Final

from structlog.contextvars import bind_contextvars

from linkage.hosting.contained import contained
from linkage.hosting.keyed_locks import KeyedLocks
from linkage.logs.request_fields import fields_of
from linkage.observation.instruments import AdapterFigures
from linkage.ports import (
    Adapter,
    AdapterPort,
    AdapterUnavailableError,
    Clock,
    Command,
    CommandError,
    Notice,
    Outcome,
    Snapshots,
)
from linkage.supervision import describe
from linkage.tracing.spans import NS, Put, executed
from protocol.envelope import Request, Response
from protocol.message import Message
from protocol.messages import QueryCall
from protocol.results import Result

logger = logging.getLogger("linkage.hosting")

EXPIRE_S: Final = 30
"""How long a command without `Expire` may wait (protocol.md#expiry)."""
ATTRIBUTES: Final = frozenset({"call_id", "conference_id"})
"""Ids that a response has attributes for."""
DETAIL_MAX: Final = 1000
WINDOW: Final = 64
"""Commands that may be unanswered at a time, at least: that of a session (protocol.md#window).
Those that the adapter does not work on wait their turn."""


class Commands:
    """Does the commands for one adapter.

    Args:
        execution: has the adapter do one.
        figures: counts them.
        answered: told of each answer.
        worked: told of each command that the platform did.
        spans: where traces go; None: there are none.
    """

    def __init__(
        self,
        adapter: Adapter,
        clock: Clock,
        execution: Execution,
        figures: AdapterFigures,
        *,
        answered: Callable[[Response], None],
        worked: Callable[[], None],
        spans: Put | None,
    ) -> None:
        self._adapter = adapter
        self._peer = adapter.context.peer_id
        self._clock = clock
        self.execution = execution
        self._figures = figures
        self._answered = answered
        self._worked = worked
        self._spans = spans

    def deadline_of(self, request: Request) -> float:
        """When the command expires, monotonic; `Time` counts what it waited elsewhere."""
        left = float(EXPIRE_S if request.expire_s is None else request.expire_s)
        if request.time is not None:
            left -= max(0.0, (self._clock.utc() - request.time).total_seconds())
        return self._clock.now() + left

    async def carry_out(self, request: Request, deadline: float) -> None:
        """Do a command and answer it once, whatever becomes of it."""
        # What is logged of a command, here and in the adapter, is found by its ids.
        bind_contextvars(peer=self._peer, **fields_of(request))
        figures, began = self._figures, self._clock.now()
        figures.in_work += 1
        result = int(Result.TIMEOUT)
        try:
            result = await self._tell(request, deadline)
        finally:
            took_s = self._clock.now() - began
            figures.in_work -= 1
            figures.commands[result] += 1
            figures.seconds.observe(took_s)
            if self._spans is not None:
                self._trace(self._spans, request, result, took_s)

    def _trace(self, put: Put, request: Request, result: int, took_s: float) -> None:
        end_ns = round(self._clock.utc().timestamp() * NS)
        span = executed(
            self._peer, self._adapter.name, request, result, end_ns - round(took_s * NS), end_ns
        )
        if span is not None:
            put(span)

    async def _tell(self, request: Request, deadline: float) -> int:
        """Do a command and answer it; returns the result."""
        try:
            response = await self._judge(request, deadline)
        except asyncio.CancelledError:
            response = _refusal(request, Result.TIMEOUT, "linkage stopped while this was in work")
            self._answered(response)
            raise
        self._answered(response)
        return response.result

    async def _judge(self, request: Request, deadline: float) -> Response:
        """The answer to a command, whatever the adapter makes of it."""
        try:
            outcome = await self.execution.execute(request, deadline)
            self._worked()
            return _taken(request, outcome)
        except CommandError as error:
            return _refusal(request, error.result, error.detail)
        except AdapterUnavailableError as error:
            return _refusal(
                request, Result.UNREACHABLE, str(error) or "the platform is not connected"
            )
        except TimeoutError:
            return _refusal(request, Result.TIMEOUT, "the platform did not answer in time")
        except Exception as error:
            logger.exception("adapter %s: command %s %d", self._peer, request.id, request.type)
            return _refusal(request, Result.INTERNAL, f"the adapter failed: {describe(error)}")


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


def _taken(request: Request, outcome: Outcome) -> Response:
    return Response(
        request_id=request.id,
        type=request.type,
        result=int(outcome.result),
        detail=_detail_of(outcome),
        call_id=outcome.ids.get("call_id"),
        conference_id=outcome.ids.get("conference_id"),
    )


def _detail_of(outcome: Outcome) -> str | None:
    """Its detail, and the ids that a response has no attribute for: `RecordId 17`."""
    named = [
        f"{''.join(word.capitalize() for word in name.split('_'))} {id_}"
        for name, id_ in outcome.ids.items()
        if id_ is not None and name not in ATTRIBUTES
    ]
    parts = named if outcome.detail is None else [outcome.detail, *named]
    return "; ".join(parts) or None


def _refusal(request: Request, result: int, detail: str) -> Response:
    return Response(
        request_id=request.id,
        type=request.type,
        result=int(result),
        # One line of at most 1000 characters fits (protocol.md#attributes); vendors write more.
        detail=" ".join(detail.split())[:DETAIL_MAX],
    )


def _expired() -> CommandError:
    return CommandError(Result.EXPIRED, "the command expired before it could be done")


async def _caught(work: Awaitable[Outcome]) -> Outcome | Exception:
    """What came of it, errors included: they are for the command's sender, not for the log."""
    try:
        return await work
    except Exception as error:  # noqa: BLE001 - told where it is taken
        return error
