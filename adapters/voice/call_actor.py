"""The actor of one call: takes what comes for it in order, decides, remembers, and carries out.

Every step goes: decide (a `Step`, no I/O) → write the new state and what is to be done → have the
actions done → tell the notices and cross everything off, in one transaction. So a crash at any
point leaves a record from which the step can be finished, no notice is told twice or lost, and
telephones ring before notices are on disk. A step without actions is one transaction; one that
fails to be decided leaves the call as it was.

A command has a deadline. Its first action goes out before that or never: the platform must answer
while the command is written down, for one that stands still would do later what lies in its
socket. While its actions are out, the record says how the call was before it
(`interrupted_command`).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

from adapters.voice import call_event_handlers, commands, incoming
from adapters.voice.driver import Driver, OutcomeUnknownError, PlatformRefusedError
from adapters.voice.interrupted_command import InterruptedCommand, undo
from adapters.voice.json_codec import from_json, to_json
from adapters.voice.look_up import look_up
from adapters.voice.model import Call
from adapters.voice.monotonic_time import MonotonicTime
from adapters.voice.pending import (
    Decide,
    PendingCheck,
    PendingCommand,
    expired,
    fail,
    lost,
    resolve,
    words,
)
from adapters.voice.platform_actions import COMMAND, Action, LookUp
from adapters.voice.platform_events import Event, EventKind
from adapters.voice.step import PATIENCE_S, Step
from adapters.voice.step_effects import Effect, Fetch, Release, Tell, dump_effect
from linkage.logs.request_fields import fields_of
from linkage.ports import (
    AdapterPort,
    AdapterUnavailableError,
    Clock,
    Command,
    CommandError,
    Notice,
    Outcome,
)
from protocol.results import Result

logger = logging.getLogger("linkage.voice")

LONG_S: Final = 86_400.0
"""No command waits longer, whatever its deadline says."""
ANSWER_S: Final = 1.0
"""So long an answer of the platform says that it does what it is asked now."""
ROUNDS_MAX: Final = 2500
"""Failures that lead to failures: everybody of a long hotline, or all that a 210 calls one after
the other, may be unreachable at once."""


class Office(Protocol):
    """What an actor needs of the registry that it belongs to."""

    driver: Driver
    clock: Clock
    steady: MonotonicTime
    port: AdapterPort

    def step(self, call: Call, at: datetime | None = None) -> Step:
        """A new step of a call."""
        ...

    def index(self, call: Call) -> None:
        """Let events about the call's channels find their way to it."""
        ...

    def pass_on(self, call_id: str, event: Event) -> None:
        """Have another call take notice of something; nothing where it is over."""
        ...

    def note_recording(self, recording: Fetch) -> Mapping[str, Any]:
        """What the memory must hold so that a recording is fetched, whatever happens."""
        ...

    def start_fetching(self, name: str) -> None:
        """Begin with it: that is on disk."""
        ...

    def taken(self) -> None:
        """One thing less waits at an actor."""
        ...


class CallActor:
    """Works on one call; a `fresh` one has only just come in."""

    def __init__(self, office: Office, call: Call, *, fresh: bool = False) -> None:
        self.call = call
        self._fresh = fresh
        self._office = office
        self._inbox: deque[Event | PendingCommand | PendingCheck] = deque()
        self._wake = asyncio.Event()
        self._gone = False
        self._saved: Any = to_json(call)
        """The call as data, as it was after the last step."""

    @property
    def key(self) -> str:
        """Under which the call is remembered."""
        return f"call:{self.call.id}"

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
            await asyncio.wait((command.outcome,), timeout=max(0.0, self._left_s(command)))
            if not command.begun:
                fail(command.outcome, expired())
            return await command.outcome
        except asyncio.CancelledError:
            command.outcome.cancel()
            raise

    async def check(self, look: Callable[[Step], Awaitable[Decide]]) -> None:
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
        try:
            if self._fresh:
                await self._decide(self._office.step(self.call, self.call.started), incoming.begin)
            while not self.call.closed:
                item = await self._next()
                if item is not None:
                    self._office.taken()
                await self._work(item)
        finally:
            self.leave()

    async def resume(self, open_effects: Sequence[Effect], decide: Decide) -> None:
        """Finish the step at which the memory ends, then see what has changed meanwhile."""
        self._office.index(self.call)
        failed: Sequence[str] = ()
        if open_effects:
            failed = await self._act(_actions(open_effects))
            await self._conclude(open_effects)
            await self._look_up(open_effects)
        step = self._office.step(self.call)
        step.reconstructed = True
        await self._decide(step, decide)
        if failed:
            await self._carry_out(self._follow(failed))

    async def _next(self) -> Event | PendingCommand | PendingCheck | None:
        """What has come, or None when something is due by itself."""
        due = self.call.next_due()
        delay = None
        if due is not None:
            delay = max(0.0, self._office.steady.until(due))
        if not self._inbox:
            self._wake.clear()
            try:
                async with asyncio.timeout(delay):
                    await self._wake.wait()
            except TimeoutError:
                return None
        return self._inbox.popleft()

    async def _work(self, item: Event | PendingCommand | PendingCheck | None) -> None:
        office = self._office
        match item:
            case PendingCommand():
                await self._obey(item)
            case PendingCheck():
                await self._compare(item)
            case Event():
                event = item
                step = office.step(self.call, event.at)
                await self._decide(step, lambda step: call_event_handlers.on_event(step, event))
        due = self.call.next_due()
        if due is not None and due <= office.steady.now():
            await self._decide(office.step(self.call), call_event_handlers.on_time)

    async def _decide(self, step: Step, decide: Decide) -> None:
        if self._try(step, decide):
            await self._carry_out(step.effects)

    def _try(self, step: Step, decide: Decide) -> bool:
        """Decide a step. One that makes no sense costs one step: the call stays as it was."""
        try:
            decide(step)
        except Exception:
            logger.exception(
                "call %s: a step could not be decided, the call stays as it was",
                self.call.id,
                extra={"call_id": self.call.id},
            )
            self._restore()
            return False
        return True

    async def _compare(self, check: PendingCheck) -> None:
        step = self._office.step(self.call)
        step.reconstructed = True
        try:
            await self._decide(step, await check.look(step))
        except PlatformRefusedError as error:
            detail = f"{self._office.driver.platform}: {error.detail}"
            fail(check.done, CommandError(Result.VENDOR, detail))
        except BaseException as error:
            fail(check.done, AdapterUnavailableError(words(error)))
            raise
        else:
            if not check.done.done():
                check.done.set_result(None)

    # --- a step ----------------------------------------------------------------------------------
    async def _carry_out(self, effects: Sequence[Effect]) -> None:
        """Write a step down and do it; what follows from refusals is the next one."""
        for _ in range(ROUNDS_MAX):
            after = to_json(self.call)
            if not effects and after == self._saved:
                return
            self._saved = after
            self._office.index(self.call)
            actions = _actions(effects)
            if actions:
                await self._office.port.record(memory=self._record(effects))
            failed = await self._act(actions)
            await self._conclude(effects)
            await self._look_up(effects)
            if not failed:
                return
            effects = self._follow(failed)

    def _follow(self, failed: Sequence[str]) -> Sequence[Effect]:
        """What follows from what the platform refused."""
        step = self._office.step(self.call)

        def on_failed(step: Step) -> None:
            for owner in failed:
                call_event_handlers.on_failed(step, owner)

        return step.effects if self._try(step, on_failed) else ()

    async def _act(self, actions: Sequence[Action]) -> list[str]:
        """Have actions done; returns whose the platform refused."""
        asked = [await self._ask(each) for each in actions]
        return [owner for owner in asked if owner]

    async def _conclude(self, effects: Sequence[Effect]) -> None:
        """The actions of a step are done: tell what it tells, and cross everything off.

        Look-ups stay open until the next step: one that is lost is repeated after a restart.
        """
        notices: list[Notice] = []
        recordings: list[str] = []
        looks = [each for each in effects if isinstance(each, LookUp)]
        memory = dict(self._record(() if self.call.closed else looks))
        for effect in effects:
            match effect:
                case Tell(message=message, at=at, reconstructed=reconstructed):
                    notices.append(Notice(message, at, reconstructed))
                case Fetch():
                    memory |= self._office.note_recording(effect)
                    recordings.append(effect.name)
        await self._office.port.record(notices, memory)
        for name in recordings:
            self._office.start_fetching(name)
        for effect in effects:
            if isinstance(effect, Release):
                self._office.pass_on(effect.call_id, Event(kind=EventKind.TAKEN_OVER))

    async def _look_up(self, effects: Sequence[Effect]) -> None:
        for each in effects:
            if isinstance(each, LookUp):
                found = await look_up(self._office.driver, self.call.id, each)
                if found is not None:
                    self._office.pass_on(self.call.id, found)

    def _record(
        self, effects: Sequence[Effect], doubt: InterruptedCommand | None = None
    ) -> Mapping[str, Any]:
        """The call with what is still to be done; of a closed call nothing is kept."""
        if self.call.closed and not effects:
            return {self.key: None}
        record: dict[str, Any] = {
            "call": self._saved,
            "pending": [dump_effect(effect) for effect in effects],
            **self._office.steady.stamp(),
        }
        if doubt is not None:
            record["unfinished"] = to_json(doubt)
        return {self.key: record}

    # --- a command -------------------------------------------------------------------------------
    async def _obey(self, command: PendingCommand) -> None:
        """Do a command, unless nobody waits for it any more: who gave it was told so."""
        request, outcome = command.request, command.outcome
        if outcome.done() or self._left_s(command) <= 0:
            fail(outcome, expired())
            self.call.closed |= not self.call.begun
            return
        step = self._office.step(self.call)
        step.request_id = request.id
        step.patience_s = float(PATIENCE_S if request.expire_s is None else request.expire_s)
        try:
            answer = commands.execute(step, request.message)
        except CommandError as error:
            self._take_back(self._saved)
            fail(outcome, error)
            return
        except Exception as error:
            logger.exception(
                "call %s: command %s failed, taken back",
                self.call.id,
                request.id,
                extra=fields_of(request),
            )
            self._take_back(self._saved)
            fail(outcome, CommandError(Result.INTERNAL, f"the adapter failed: {error}"))
            return
        before, self._saved = self._saved, to_json(self.call)
        try:
            await self._fulfil(command, step.effects, before)
        except CommandError as error:
            undone = self.call
            self._take_back(before)
            step = self._office.step(self.call)
            if command.begun:
                undo(step, undone)
            await self._office.port.record(memory=self._record(step.effects))
            fail(outcome, error)
            await self._act(_actions(step.effects))
            if step.effects:
                await self._conclude(step.effects)
            return
        except BaseException as error:
            # The link or the core is lost, and this actor with it: the memory knows the rest.
            fail(outcome, lost(error, command))
            raise
        resolve(outcome, answer)
        await self._look_up(step.effects)
        if command.failed:
            await self._carry_out(self._follow(command.failed))

    async def _fulfil(
        self, command: PendingCommand, effects: Sequence[Effect], before: Any
    ) -> None:
        """Have the actions of a command done, then tell what is told of it."""
        office = self._office
        office.index(self.call)
        actions = _actions(effects)
        if actions:
            until = office.steady.at(command.request.deadline)
            doubt = InterruptedCommand(before=before, until=until, began=office.steady.now())
            record = self._record(effects, doubt)
            asked = office.clock.now()
            # While that is being written, see whether the platform answers.
            for each in await asyncio.gather(
                office.port.record(memory=record),
                self._be_answered(command),
                return_exceptions=True,
            ):
                if each is not None:
                    raise each
            if office.clock.now() - asked > ANSWER_S:
                await self._be_answered(command)
        else:
            await self._be_answered(command)
        for action in actions:
            owner = await self._ask(action, command)
            if owner:
                command.failed.append(owner)
        # What has no actions is begun by its commit, however long that takes.
        command.begun = True
        await self._conclude(effects)

    async def _be_answered(self, command: PendingCommand) -> None:
        """Return when the platform answers, in time for the command: it does not stand still.

        Raises:
            CommandError: the time is over.
        """
        try:
            await self._office.driver.ping(self._left_s(command))
        except TimeoutError:
            raise expired() from None
        if self._left_s(command) <= 0 or command.outcome.done():
            raise expired()

    def _left_s(self, command: PendingCommand) -> float:
        return min(command.request.deadline - self._office.clock.now(), LONG_S)

    async def _ask(self, action: Action, command: PendingCommand | None = None) -> str:
        """Do one action; the first one of a command only while there is time for it.

        Returns whose failure it is if it was refused.
        """
        within_s = None
        if command is not None and not command.begun:
            within_s = self._left_s(command)
            if within_s <= 0 or command.outcome.done():
                raise expired()
            command.begun = True
        try:
            await self._office.driver.perform(action, begin_within_s=within_s)
        except PlatformRefusedError as error:
            platform = self._office.driver.platform
            if action.owner == COMMAND and command is not None:
                raise CommandError(error.result, f"{platform}: {error.detail}") from error
            logger.warning(
                "call %s: %s refused %s: %s",
                self.call.id,
                platform,
                action,
                error,
                extra={"call_id": self.call.id},
            )
            return action.owner
        except OutcomeUnknownError:
            raise
        except AdapterUnavailableError as error:
            if within_s is not None and command is not None:
                command.begun = False  # nobody was there to take it
                if self._left_s(command) <= 0:
                    raise expired() from error
            raise
        return ""

    def _take_back(self, before: Any) -> None:
        """Nothing was done; a call that the command was to make does not come about."""
        self._saved = before
        self._restore()
        if not self.call.begun:
            self.call.closed = True

    def _restore(self) -> None:
        self.call = from_json(Call, self._saved)
        self._office.index(self.call)

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


def _actions(effects: Sequence[Effect]) -> list[Action]:
    """Those that change something at the platform."""
    return [each for each in effects if isinstance(each, Action) and not isinstance(each, LookUp)]
