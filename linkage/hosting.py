"""Runs an adapter in this process.

It stands between the core, which sees a `Link`, and an `Adapter`, which sees a platform.

```
 core ── push(command) ──▶ capability? expired? ──▶ adapter.execute ──▶ Outcome ──▶ core.answered
 core ◀── submit(notice) ◀── emit ◀── adapter.run, under supervision
```
Whatever an adapter does (fails, hangs, raises nonsense), the host answers each command once and
stays alive.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeVar

from structlog.contextvars import bind_contextvars

from linkage.observation.figures import AdapterFigures
from linkage.ports import (
    Adapter,
    AdapterError,
    AdapterUnavailableError,
    Clock,
    CommandError,
    CorePort,
    EntryKind,
    Outcome,
    fields_of,
)
from linkage.supervision import Backoff, Lot, Sleep, Supervisor, TaskSet, describe
from linkage.tracing.spans import NS, Put, executed
from protocol.envelope import Request, Response
from protocol.message import Message
from protocol.messages import QueryCall
from protocol.results import Result

T = TypeVar("T")

logger = logging.getLogger("linkage.hosting")

WINDOW: Final = 64
"""Commands that may be unanswered at a time: that of a session (PROTOCOL.md section 3)."""
CONCURRENT_MAX: Final = 16
"""Commands that an adapter works on at a time; the rest of the window waits its turn."""
EXPIRE_S: Final = 30
"""How long a command without `Expire` may wait (PROTOCOL.md section 2)."""
EXECUTE_WITHIN_S: Final = 30.0
"""An adapter that has not answered a command by then is not waited for: result 503."""
LEAVE_WITHIN_S: Final = 5.0
"""What an adapter is given to leave its platform when linkage stops."""

TRY_AGAIN: Final = frozenset({Result.OVERLOAD, Result.STORAGE_FULL, Result.SWITCHING_OVER})
"""Refusals that pass: a notice is offered again, and its source is slowed down meanwhile."""
SUBMIT_BACKOFF: Final = Backoff(first_s=0.1, most_s=5.0)

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
DETAIL_MAX: Final = 1000


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
        self._execute_within_s = execute_within_s
        self._leave_within_s = leave_within_s
        self._sleep = sleep
        self._lot = lot
        self._peer = adapter.context.peer_id
        self._ids = RequestIds(clock.utc())
        self._tasks = TaskSet(self._peer)
        self._turns = _Turns()
        self._room = asyncio.Semaphore(CONCURRENT_MAX)
        self._waiting = 0
        self.figures = AdapterFigures()
        self._spans = spans
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
        deadline = self._deadline(request)
        self._tasks.start(self._answer(request, deadline), f"command {request.id}")

    def _deadline(self, request: Request) -> float:
        """When the command expires, monotonic; `Time` counts what it waited elsewhere."""
        left = float(EXPIRE_S if request.expire_s is None else request.expire_s)
        if request.time is not None:
            left -= max(0.0, (self._clock.utc() - request.time).total_seconds())
        return self._clock.now() + left

    async def _answer(self, request: Request, deadline: float) -> None:
        # What is logged of a command, here and in the adapter, is found by its ids.
        bind_contextvars(peer=self._peer, **fields_of(request))
        figures, began = self.figures, self._clock.now()
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
            self._core.answered(self, response)
            raise
        self._core.answered(self, response)
        return response.result

    async def _judge(self, request: Request, deadline: float) -> Response:
        """The answer to a command, whatever the adapter makes of it."""
        try:
            return await self._serve(request, deadline)
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

    async def _serve(self, request: Request, deadline: float) -> Response:
        if not self._is_asked(request.message):
            self._check_capability(request.message)
        if self._waiting >= WINDOW:
            raise CommandError(Result.OVERLOAD, f"{WINDOW} commands are in work already")
        self._waiting += 1
        try:
            async with self._turns.take(request.message.call_id), self._room:
                return await self._execute(request, deadline)
        finally:
            self._waiting -= 1

    async def _execute(self, request: Request, deadline: float) -> Response:
        if self._clock.now() >= deadline:
            raise CommandError(Result.EXPIRED, "the command expired before it could be done")
        async with asyncio.timeout(self._execute_within_s):
            outcome = await self._do(request)
        self._came_up()
        return Response(
            request_id=request.id,
            type=request.type,
            result=int(outcome.result),
            detail=outcome.detail,
            call_id=outcome.call_id,
            conference_id=outcome.conference_id,
        )

    def _is_asked(self, message: Message) -> bool:
        """Whether a 215 is for us: what linkage asks of every adapter, see `Adapter.living`."""
        served = self._adapter.capabilities
        return isinstance(message, QueryCall) and message.number not in served

    async def _do(self, request: Request) -> Outcome:
        message = request.message
        if not isinstance(message, QueryCall) or not self._is_asked(message):
            return await _contained(self._adapter.execute(request))
        found = await _contained(self._adapter.living(message))
        if found is None:
            name = self._adapter.name
            raise CommandError(Result.NOT_SUPPORTED, f"{name} cannot tell what lives")
        await self._emit(replace(found, request_id=request.id, page=1, pages=1))
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

    # --- notices: adapter → core -----------------------------------------------------------------
    async def _run_adapter(self) -> None:
        bind_contextvars(peer=self._peer)
        if self._runs:
            self.figures.restarts += 1
        self._runs += 1
        self._state = AdapterState.CONNECTING
        await _contained(self._adapter.run(self._emit))

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


async def _contained(work: Awaitable[T]) -> T:
    """What an adapter does, without what would end more than the adapter.

    A vendor's library that calls `sys.exit` would end the process, and one that lets go of a
    cancellation of its own would end the supervisor without a word.
    """
    try:
        return await work
    except SystemExit as error:
        raise AdapterError(f"it wanted to end the process ({error.code})") from error
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise AdapterError("it cancelled itself") from None


def _refusal(request: Request, result: int, detail: str) -> Response:
    return Response(
        request_id=request.id,
        type=request.type,
        result=int(result),
        # One line of at most 1000 characters fits (PROTOCOL.md section 2); vendors write more.
        detail=" ".join(detail.split())[:DETAIL_MAX],
    )


class RequestIds:
    """Ids of at most 16 characters, unique for one sender across restarts.

    Milliseconds of the start in base 36 (8 characters until the year 2059) and a counter: two
    starts would have to fall into one millisecond to meet.
    """

    __slots__ = ("_count", "_prefix")

    def __init__(self, started: datetime) -> None:
        self._prefix = _base36(round(started.timestamp() * 1000))
        self._count = 0

    def take(self) -> str:
        """The next one."""
        self._count += 1
        return self._prefix + _base36(self._count)


def _base36(value: int) -> str:
    digits = ""
    while True:
        value, digit = divmod(value, len(_DIGITS))
        digits = _DIGITS[digit] + digits
        if value == 0:
            return digits


class _Turns:
    """Whoever names the same key has to wait his turn, in the order of asking."""

    __slots__ = ("_locks", "_users")

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        self._users: Counter[str] = Counter()

    @asynccontextmanager
    async def take(self, key: str | None) -> AsyncIterator[None]:
        if key is None:
            yield
            return
        lock = self._locks.setdefault(key, asyncio.Lock())
        self._users[key] += 1
        try:
            async with lock:
                yield
        finally:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key], self._locks[key]
