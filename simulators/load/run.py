"""An open-loop load: notices leave by the timetable, whether or not the last was answered.

Who waits for an answer before he sends the next measures a stalled server once, where hundreds
would have waited ("coordinated omission"). Here latency counts from when a notice was *due*, so a
stall shows in all that it delayed, those included that could not leave for it.

Measured by `perf_counter`: the clock of uvloop's loops goes by whole milliseconds.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from linkage.client import Application, ClientError, ClosedError, Platform
from linkage.config.secrets import Secret
from protocol.message import Message
from simulators.load.histogram import Histogram
from simulators.load.mix import USUAL, Calls, LoadError

UNDER_WAY_MAX: Final = 100_000
"""Notices that may be unanswered at a time; what is due beyond is not sent, and counted."""
TICK_S: Final = 0.001
"""Closer than this, notices leave together: timers of an event loop are no finer."""
REPORT_S: Final = 0.2
STOP_WITHIN_S: Final = 1.0
"""What the last answers are waited for where the load was told to stop."""
TIMES_KEPT: Final = 1_000_000
"""Notices whose delivery is still waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPeer:
    """A peer in linkage's configuration that the load speaks as."""

    id: str
    secret: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """What to send, from whom and how fast.

    Args:
        host: where linkage listens.
        port: the same.
        platforms: who sends, in turn.
        applications: who receives, for the time to delivery; may be empty. A session of theirs
            that there is elsewhere is replaced.
        rate: notices a second, all peers together.
        seconds: how long is measured.
        warm_up_s: how long is sent before that.
        drain_s: how long the last answers are waited for.
        mix: type → weight.
        poisson: irregular intervals, as independent callers make them; else even ones.
        seed: of the mix and the intervals.
    """

    host: str
    port: int
    platforms: Sequence[LoadPeer]
    applications: Sequence[LoadPeer] = ()
    rate: float = 100.0
    seconds: float = 10.0
    warm_up_s: float = 1.0
    drain_s: float = 10.0
    mix: Mapping[int, int] = field(default_factory=lambda: dict(USUAL))
    poisson: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.platforms:
            raise LoadError("a load needs a platform to send it")
        if self.rate <= 0 or self.seconds <= 0 or self.warm_up_s < 0 or self.drain_s < 0:
            raise LoadError("rate and seconds are above 0, warm_up_s and drain_s not below")


@dataclass(slots=True, kw_only=True)
class LoadResult:
    """What came of it; without the warm-up, but for `refused`.

    `shed` were due and not sent, as too many were unanswered; `unanswered` were sent in vain, and
    count in `answers` with the time that they had.
    """

    due: int = 0
    answered: int = 0
    unanswered: int = 0
    shed: int = 0
    delivered: int = 0
    refused: Counter[int] = field(default_factory=Counter)
    answers: Histogram = field(default_factory=Histogram)
    deliveries: Histogram = field(default_factory=Histogram)
    seconds: float = 0.0
    stopped: bool = False
    """It was told to end before its time; the rest is of the time until then."""
    own_cpu: float = 0.0
    """Processor time of the load itself, as a share of one core: near 1, it measures itself."""

    @property
    def complete(self) -> bool:
        """True when all that was due was taken."""
        return not (self.unanswered or self.shed or self.refused)

    def to_plain(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "due": self.due,
            "answered": self.answered,
            "refused": {str(result): number for result, number in sorted(self.refused.items())},
            "unanswered": self.unanswered,
            "shed": self.shed,
            "delivered": self.delivered,
            "seconds": round(self.seconds, 3),
            "answered_per_s": round(self.answered / self.seconds, 1) if self.seconds else 0.0,
            "stopped": self.stopped,
            "own_cpu": round(self.own_cpu, 3),
            "answer": self.answers.to_plain(),
            "delivery": self.deliveries.to_plain() if self.deliveries.count else None,
        }


def due_times(plan: LoadPlan, lots: Random) -> Iterator[float]:
    """When notices are due, in seconds from the beginning, warm-up included."""
    end_s = plan.warm_up_s + plan.seconds
    at_s, serial = 0.0, 0
    while at_s < end_s:
        yield at_s
        serial += 1
        # By the serial number: the intervals' rounding errors would add up.
        at_s = at_s + lots.expovariate(plan.rate) if plan.poisson else serial / plan.rate


async def run_load(
    plan: LoadPlan,
    *,
    on_progress: Callable[[float, LoadResult], None] = lambda *_: None,
    stop: asyncio.Event | None = None,
) -> LoadResult:
    """Connect everybody, send by the timetable, wait for the last answers.

    Args:
        plan: what to send.
        on_progress: told a few times a second how much of the time is over (0 to 1), and the
            result so far.
        stop: once it is set, nothing more is sent, and the result is what was measured until then.

    Raises:
        linkage.client.ClientError: linkage is not there, or refuses a peer.
    """
    async with AsyncExitStack() as stack:
        receivers: list[Application] = []
        for peer in plan.applications:
            application = Application(plan.host, plan.port, peer.id, secret=peer.secret)
            receivers.append(await stack.enter_async_context(application))
        senders: list[Platform] = []
        for peer in plan.platforms:
            platform = Platform(plan.host, plan.port, peer.id, secret=peer.secret)
            senders.append(await stack.enter_async_context(platform))
        try:
            return await _Run(plan, senders, receivers, on_progress).run(stop or asyncio.Event())
        except BaseExceptionGroup as group:
            # What ends a peer for good ends the load: said as the one error that it is.
            ended = group.subgroup(ClientError)
            if ended is None:
                raise
            raise _first(ended) from None


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


class _Run:
    """One load under way."""

    def __init__(
        self,
        plan: LoadPlan,
        senders: list[Platform],
        receivers: list[Application],
        on_progress: Callable[[float, LoadResult], None],
    ) -> None:
        self._plan = plan
        self._senders = senders
        self._receivers = receivers
        self._on_progress = on_progress
        self._result = LoadResult()
        self._under_way: dict[int, float] = {}
        self._serial = 0
        self._sent_at: dict[tuple[str | None, int], deque[float]] = {}
        self._zero = 0.0
        run = secrets.token_hex(3)
        self._calls = [
            Calls(f"{run}{index:x}.", plan.mix, Random(f"{plan.seed}/{index}"))  # noqa: S311 - repeatable, no secret
            for index in range(len(senders))
        ]

    async def run(self, stop: asyncio.Event) -> LoadResult:
        """Until all is answered, or was not in time, or it is told to stop."""
        self._zero = time.perf_counter()
        began_cpu_s = time.process_time()
        async with asyncio.TaskGroup() as group:
            listening = [group.create_task(self._receive(each)) for each in self._receivers]
            listening += [group.create_task(_obey(each)) for each in self._senders]
            listening.append(group.create_task(self._report()))
            plan = self._plan
            limit = asyncio.timeout(plan.warm_up_s + plan.seconds + plan.drain_s)
            listening.append(group.create_task(self._stop_at(stop, limit)))
            try:
                async with limit, asyncio.TaskGroup() as sending:
                    await self._send_all(sending)
            except TimeoutError:
                self._give_up()
            await self._wait_for_deliveries()
            for task in listening:
                task.cancel()
        if not self._result.stopped:
            self._result.seconds = plan.seconds
        spent_s = time.process_time() - began_cpu_s
        self._result.own_cpu = spent_s / (time.perf_counter() - self._zero)
        self._on_progress(1.0, self._result)
        return self._result

    async def _stop_at(self, stop: asyncio.Event, limit: asyncio.Timeout) -> None:
        """Told to stop: no more is sent, and the last answers are waited for but shortly."""
        await stop.wait()
        self._result.stopped = True
        measured_s = time.perf_counter() - self._zero - self._plan.warm_up_s
        self._result.seconds = min(max(measured_s, 0.0), self._plan.seconds)
        within_s = min(STOP_WITHIN_S, self._plan.drain_s)
        limit.reschedule(asyncio.get_running_loop().time() + within_s)

    async def _send_all(self, group: asyncio.TaskGroup) -> None:
        lots = Random(f"{self._plan.seed}/times")  # noqa: S311 - repeatable, no secret
        for serial, at_s in enumerate(due_times(self._plan, lots)):
            wait_s = self._zero + at_s - time.perf_counter()
            if wait_s > TICK_S:
                await asyncio.sleep(wait_s)
            elif serial % 64 == 63:  # noqa: PLR2004 - when late, let answers come in between
                await asyncio.sleep(0)
            if self._result.stopped:
                return
            self._send_one(group, serial, at_s)

    def _send_one(self, group: asyncio.TaskGroup, serial: int, at_s: float) -> None:
        counts = at_s >= self._plan.warm_up_s
        self._result.due += counts
        index = serial % len(self._senders)
        message = self._calls[index].next()
        if len(self._under_way) >= UNDER_WAY_MAX:
            self._result.shed += counts
            return
        due = self._zero + at_s
        self._serial += 1
        self._under_way[self._serial] = due
        if self._receivers and counts and len(self._sent_at) < TIMES_KEPT:
            key = message.call_id, message.number
            self._sent_at.setdefault(key, deque()).append(due)
        group.create_task(self._notify(self._senders[index], message, self._serial, counts=counts))

    async def _notify(
        self, sender: Platform, message: Message, serial: int, *, counts: bool
    ) -> None:
        response = await sender.notify(message)
        due = self._under_way.pop(serial)
        if not response.accepted:
            self._result.refused[response.result] += 1
        if counts:
            self._result.answered += 1
            self._result.answers.record(time.perf_counter() - due)

    def _give_up(self) -> None:
        now = time.perf_counter()
        measured_from = self._zero + self._plan.warm_up_s
        for due in self._under_way.values():
            if due >= measured_from:
                self._result.unanswered += 1
                self._result.answers.record(now - due)

    async def _receive(self, receiver: Application) -> None:
        async for notice in receiver.notices():
            key = notice.message.call_id, notice.message.number
            waiting = self._sent_at.get(key)
            if waiting and not notice.resend:
                self._result.deliveries.record(time.perf_counter() - waiting.popleft())
                self._result.delivered += 1
                if not waiting:
                    del self._sent_at[key]

    async def _wait_for_deliveries(self) -> None:
        """What was answered last may still be on its way to the receivers."""
        if not self._receivers:
            return
        last = -1
        while self._sent_at and last != self._result.delivered:
            last = self._result.delivered
            await asyncio.sleep(REPORT_S)

    async def _report(self) -> None:
        whole_s = self._plan.warm_up_s + self._plan.seconds
        while True:
            await asyncio.sleep(REPORT_S)
            passed = (time.perf_counter() - self._zero) / whole_s
            self._on_progress(min(1.0, passed), self._result)


async def _obey(sender: Platform) -> None:
    """Answer commands, such as a 201 of somebody's application, by doing nothing."""
    try:
        async for command in sender.commands():
            await command.answer()
    except ClosedError:
        return
