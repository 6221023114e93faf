"""The actor of one call: takes what comes for it in order, events, commands and looks.

How a step is carried out is `step_execution`'s, how a command is done `command_execution`'s.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from adapters.voice import call_event_handlers, command_execution, incoming
from adapters.voice.command_execution import PendingCommand, expired, fail, words
from adapters.voice.driver import PlatformRefusedError
from adapters.voice.model import Call
from adapters.voice.platform_events import Event
from adapters.voice.step import Decide, Effect, Step
from adapters.voice.step_execution import StepExecution, StepRegistry, actions_of
from linkage.ports import AdapterUnavailableError, Command, CommandError, Outcome
from protocol.results import Result

ON_ITS_WAY_S: Final = 1.0
"""So long the word that somebody went may be on its way who is found to be gone."""
AGAIN_S: Final = 5.0
"""So long what is due, and could not be decided, waits: it will hardly be decided at once."""


@dataclass(frozen=True, slots=True)
class Look:
    """What the platform has of a call: the step that brings the call up to that.

    `missing`: a channel that should live is not there, and nobody has said so yet.
    """

    decide: Decide
    missing: bool


@dataclass(slots=True, eq=False)
class PendingCheck:
    """A look at what lives of the call at the platform, and who waits for that it was taken."""

    look: Callable[[Step], Awaitable[Look]]
    done: asyncio.Future[None]
    until: float | None = None
    """When what is missing is taken to be lost, monotonic; None: nothing was missing yet."""


class CallActor:
    """Works on one call; a `fresh` one has only just come in."""

    def __init__(self, office: StepRegistry, call: Call, *, fresh: bool = False) -> None:
        self._steps = StepExecution(office, call)
        self._fresh = fresh
        self._office = office
        self._inbox: deque[Event | PendingCommand | PendingCheck] = deque()
        self._wake = asyncio.Event()
        self._gone = False
        self._pause_until = 0.0
        """What is due waits till then, monotonic."""

    @property
    def call(self) -> Call:
        """The call as it is."""
        return self._steps.call

    @property
    def key(self) -> str:
        """Under which the call is remembered."""
        return self._steps.key

    # --- what comes in ---------------------------------------------------------------------------
    def give(self, item: Event | PendingCommand | PendingCheck) -> None:
        """Put something into the inbox; never blocks (the registry counts)."""
        self._inbox.append(item)
        self._wake.set()

    async def command(self, request: Command) -> Outcome:
        """Have a command done after all that came before it.

        Raises:
            CommandError: refused; expired; or nobody knows whether it was done (503).
            AdapterUnavailableError: the link was lost before it was begun.
        """
        if self._gone:
            raise self._why_gone()
        command = PendingCommand(request, asyncio.get_running_loop().create_future())
        self.give(command)
        try:
            left_s = command.left_s(self._office.clock.now())
            await asyncio.wait((command.outcome,), timeout=max(0.0, left_s))
            if not command.begun:
                fail(command.outcome, expired())
            return await command.outcome
        except asyncio.CancelledError:
            command.outcome.cancel()
            raise

    async def check(self, look: Callable[[Step], Awaitable[Look]]) -> None:
        """Have the call compared with what the platform has of it, after all that came before.

        Nothing else happens to the call while the platform is asked. Returns when what was missed
        is told; at once where the call is over.

        Raises:
            AdapterUnavailableError: the link was lost meanwhile.
        """
        if self._gone:
            return
        check = PendingCheck(look, asyncio.get_running_loop().create_future())
        self.give(check)
        await check.done

    # --- work ------------------------------------------------------------------------------------
    async def run(self) -> None:
        """Until the call is over and everything about it is told."""
        steps = self._steps
        try:
            if self._fresh:
                await steps.decide(steps.step(self.call.started), incoming.begin)
            while not self.call.closed:
                item = await self._next()
                if item is not None:
                    self._office.taken()
                await self._work(item)
        finally:
            self.leave()

    async def resume(self, open_effects: Sequence[Effect], decide: Decide) -> None:
        """Finish the step at which the memory ends, then see what has changed meanwhile."""
        steps = self._steps
        self._office.index(self.call)
        failed: Sequence[str] = ()
        if open_effects:
            failed = await steps.act(actions_of(open_effects))
            await steps.conclude(open_effects)
            await steps.look_up(open_effects)
        step = steps.step()
        step.reconstructed = True
        await steps.decide(step, decide)
        if failed:
            await steps.carry_out(steps.follow(failed))

    async def _next(self) -> Event | PendingCommand | PendingCheck | None:
        """What has come, or None when something is due by itself."""
        due = self.call.next_due()
        delay = None
        if due is not None:
            pause_s = self._pause_until - self._office.clock.now()
            delay = max(0.0, pause_s, self._office.steady.until(due))
        if not self._inbox:
            self._wake.clear()
            try:
                async with asyncio.timeout(delay):
                    await self._wake.wait()
            except TimeoutError:
                return None
        return self._inbox.popleft()

    async def _work(self, item: Event | PendingCommand | PendingCheck | None) -> None:
        steps = self._steps
        match item:
            case PendingCommand():
                await command_execution.obey(steps, item)
            case PendingCheck():
                await self._compare(item)
            case Event() if self._office.follow(self.call, item):
                pass  # its leg was handed over while it waited here
            case Event():
                event = item
                await steps.decide(
                    steps.step(event.at), lambda step: call_event_handlers.on_event(step, event)
                )
        due, now = self.call.next_due(), self._office.clock.now()
        if due is None or due > self._office.steady.now() or now < self._pause_until:
            return
        if not await steps.decide(steps.step(), call_event_handlers.on_time):
            self._pause_until = now + AGAIN_S

    async def _compare(self, check: PendingCheck) -> None:
        step = self._steps.step()
        step.reconstructed = True
        try:
            found = await check.look(step)
            if found.missing and await self._may_be_told(check):
                # What ended meanwhile is told as what it is, then looked for once more.
                self._office.waits()
                self.give(check)
                return
            await self._steps.decide(step, found.decide)
        except PlatformRefusedError as error:
            detail = f"{self._office.driver.platform}: {error.detail}"
            fail(check.done, CommandError(Result.VENDOR, detail))
        except BaseException as error:
            fail(check.done, AdapterUnavailableError(words(error)))
            raise
        else:
            if not check.done.done():
                check.done.set_result(None)

    async def _may_be_told(self, check: PendingCheck) -> bool:
        """Whether there is news, or time for it still, of what a look has not found any more."""
        now = self._office.clock.now()
        if check.until is None:
            check.until = now + ON_ITS_WAY_S
        if not self._inbox and now < check.until:
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(check.until - now):
                    await self._wake.wait()
        return bool(self._inbox)

    # --- its end ---------------------------------------------------------------------------------
    def leave(self) -> None:
        """Nobody works here any more: whoever waits for a command is told."""
        self._gone = True
        for item in self._inbox:
            self._office.taken()
            if isinstance(item, PendingCommand):
                fail(item.outcome, self._why_gone())
            elif isinstance(item, PendingCheck):
                fail(item.done, self._why_gone())
        self._inbox.clear()

    def _why_gone(self) -> Exception:
        if self.call.closed:
            return CommandError(Result.NO_CALL, f"call {self.call.id} has ended")
        return AdapterUnavailableError(f"the link to {self._office.driver.platform} was lost")
