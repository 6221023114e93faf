"""The actor of one call: takes what comes for it in order, decides, remembers, and carries out.

Every step goes: decide (a `Step`, no I/O) → write the new state and the open effects into the
memory → carry the effects out → cross them off. So a crash at any point leaves a record from which
the step can be finished, and a step that fails to be decided leaves the call as it was.

A command has a deadline. Its first request goes out before that or never: Asterisk must have
answered just before, for one that stands still would do later what lies in its socket. While its
requests are out, the record says how the call was before it (`interrupted_command`).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

from adapters.asterisk.ari import AriClient, AriError, AriUnknownError, segment
from adapters.voice import call_events, commands
from adapters.voice.command_target import COMMAND
from adapters.voice.effects import (
    Do,
    Effect,
    Fetch,
    Find,
    FindValue,
    Release,
    Tell,
    dump_effect,
)
from adapters.voice.events import FOUND, TAKEN_OVER, Channel, Event, read_channel
from adapters.voice.interrupted_command import InterruptedCommand
from adapters.voice.json_codec import from_json, to_json
from adapters.voice.model import Call
from adapters.voice.monotonic_time import MonotonicTime
from adapters.voice.pending import (
    Check,
    Decide,
    PendingCommand,
    expired,
    fail,
    lost,
    resolve,
    result_of,
    words,
)
from adapters.voice.step import PATIENCE_S, Step
from linkage.ports import (
    AdapterPort,
    AdapterUnavailableError,
    Clock,
    Command,
    CommandError,
    Notice,
    Outcome,
    fields_of,
)
from protocol.results import Result

logger = logging.getLogger("linkage.asterisk")

LONG_S: Final = 86_400.0
"""No command waits longer, whatever its deadline says."""
ROUNDS_MAX: Final = 2500
"""Failures that lead to failures: everybody of a long hotline, or all that a 210 calls one after
the other, may be unreachable at once."""


class Office(Protocol):
    """What an actor needs of the registry that it belongs to."""

    ari: AriClient
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

    async def fetch(self, recording: Fetch) -> None:
        """Take note that a recording is to be fetched; returns when that is on disk."""
        ...

    def start_fetching(self, name: str) -> None:
        """Begin with it: the actor has crossed it off."""
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
        self._inbox: deque[Event | PendingCommand | Check] = deque()
        self._wake = asyncio.Event()
        self._gone = False

    @property
    def key(self) -> str:
        """Under which the call is remembered."""
        return f"call:{self.call.id}"

    # --- what comes in ---------------------------------------------------------------------------
    def give(self, item: Event | PendingCommand | Check) -> None:
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
        order = PendingCommand(request, asyncio.get_running_loop().create_future())
        self.give(order)
        try:
            await asyncio.wait((order.outcome,), timeout=max(0.0, self._left_s(order)))
            if not order.begun:
                fail(order.outcome, expired())
            return await order.outcome
        except asyncio.CancelledError:
            order.outcome.cancel()
            raise

    async def check(self, look: Callable[[Step], Awaitable[Decide]]) -> None:
        """Have the call compared with what Asterisk has of it, after all that came before.

        Nothing else happens to the call while Asterisk is asked. Returns when what was missed is
        told; at once where the call is over.

        Raises:
            AdapterUnavailableError: the link was lost meanwhile.
        """
        if self._gone:
            return
        check = Check(look, asyncio.get_running_loop().create_future())
        self.give(check)
        await check.done

    # --- work ------------------------------------------------------------------------------------
    async def run(self) -> None:
        """Until the call is over and everything about it is told."""
        try:
            if self._fresh:
                await self._decide(
                    self._office.step(self.call, self.call.started), call_events.begin
                )
            while not self.call.closed:
                item = await self._next()
                if item is not None:
                    self._office.taken()
                await self._step(item)
        finally:
            self._leave()

    async def resume(self, pending: Sequence[Effect], decide: Decide) -> None:
        """Finish the step at which the memory ends, then see what has changed meanwhile."""
        self._office.index(self.call)
        if pending:
            await self._request(pending)
            await self._tell(pending)
            await self._cross_off(pending)
        step = self._office.step(self.call)
        step.reconstructed = True
        await self._decide(step, decide)

    async def _next(self) -> Event | PendingCommand | Check | None:
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

    async def _step(self, item: Event | PendingCommand | Check | None) -> None:
        office = self._office
        match item:
            case PendingCommand():
                await self._obey(item)
            case Check():
                await self._compare(item)
            case Event():
                event = item
                step = office.step(self.call, event.at)
                await self._decide(step, lambda step: call_events.on_event(step, event))
        due = self.call.next_due()
        if due is not None and due <= office.steady.now():
            await self._decide(office.step(self.call), call_events.on_time)

    async def _decide(self, step: Step, decide: Decide) -> None:
        before = to_json(self.call)
        if self._try(step, decide, before) and (step.effects or to_json(self.call) != before):
            await self._carry_out(step.effects)

    def _try(self, step: Step, decide: Decide, before: Any) -> bool:
        """Decide a step. One that makes no sense costs one step: the call stays as it was."""
        try:
            decide(step)
        except Exception:
            logger.exception(
                "call %s: an event could not be understood",
                self.call.id,
                extra={"call_id": self.call.id},
            )
            self._restore(before)
            return False
        return True

    async def _compare(self, check: Check) -> None:
        step = self._office.step(self.call)
        step.reconstructed = True
        try:
            await self._decide(step, await check.look(step))
        except AriError as error:
            fail(check.done, CommandError(Result.VENDOR, f"Asterisk: {error.detail}"))
        except BaseException as error:
            fail(check.done, AdapterUnavailableError(words(error)))
            raise
        else:
            if not check.done.done():
                check.done.set_result(None)

    async def _obey(self, order: PendingCommand) -> None:
        """Do a command, unless nobody waits for it any more: who gave it was told so."""
        request, outcome = order.request, order.outcome
        if outcome.done() or not await self._may_begin(order):
            self.call.closed |= not self.call.begun
            return
        step = self._office.step(self.call)
        step.request_id = request.id
        step.patience_s = float(PATIENCE_S if request.expire_s is None else request.expire_s)
        before = to_json(self.call)
        try:
            answer = commands.execute(step, request.message)
        except CommandError as error:
            self._take_back(before)
            fail(outcome, error)
            return
        except Exception as error:
            logger.exception(
                "call %s: command %s", self.call.id, request.id, extra=fields_of(request)
            )
            self._take_back(before)
            fail(outcome, CommandError(Result.INTERNAL, f"the adapter failed: {error}"))
            return
        try:
            await self._fulfil(order, step.effects, before)
            resolve(outcome, answer)
            follows = await self._complete(step.effects, order.failed)
            if follows:
                await self._carry_out(follows)
        except CommandError as error:
            self._take_back(before)
            await self._save(())
            await self._cross_off(())
            fail(outcome, error)
        except BaseException as error:
            # The link or the core is lost, and this actor with it: the memory knows the rest.
            fail(outcome, lost(error, order))
            raise

    async def _may_begin(self, order: PendingCommand) -> bool:
        """Whether there is time for a command, and Asterisk does what it is asked just now."""
        left_s = self._left_s(order)
        try:
            if left_s > 0:
                await self._office.ari.ping(left_s)
        except TimeoutError:
            left_s = 0
        except BaseException as error:
            fail(order.outcome, lost(error, order))
            raise
        if left_s <= 0:
            fail(order.outcome, expired())
        return not order.outcome.done()

    def _left_s(self, order: PendingCommand) -> float:
        return min(order.request.deadline - self._office.clock.now(), LONG_S)

    async def _fulfil(self, order: PendingCommand, effects: Sequence[Effect], before: Any) -> None:
        """The requests of a command; afterwards only what is to be told of it is pending."""
        self._office.index(self.call)
        requests = [effect for effect in effects if isinstance(effect, Do)]
        if not requests:
            await self._save(effects)
            return
        until = self._office.steady.at(order.request.deadline)
        doubt = InterruptedCommand(before=before, until=until, began=self._office.steady.now())
        await self._save(effects, doubt)
        for effect in requests:
            owner = await self._ask(effect, order)
            if owner:
                order.failed.append(owner)
        await self._save([effect for effect in effects if not isinstance(effect, Do)])

    async def _carry_out(self, effects: Sequence[Effect]) -> None:
        for _ in range(ROUNDS_MAX):
            self._office.index(self.call)
            await self._save(effects)
            # Requests first: telephones need not wait until notices are on disk. What they bring
            # about is told after them all the same, for it waits in the inbox.
            effects = await self._complete(effects, await self._request(effects))
            if not effects:
                break

    async def _complete(self, effects: Sequence[Effect], failed: Sequence[str]) -> list[Effect]:
        """Tell what was done; returns what follows from what Asterisk refused."""
        await self._tell(effects)
        await self._cross_off(effects)
        if not failed:
            return []
        step = self._office.step(self.call)

        def on_failed(step: Step) -> None:
            for owner in failed:
                call_events.on_failed(step, owner)

        return step.effects if self._try(step, on_failed, to_json(self.call)) else []

    async def _cross_off(self, effects: Sequence[Effect]) -> None:
        """What was to be done is done; of a closed call nothing is kept."""
        if self.call.closed:
            await self._office.port.record(memory={self.key: None})
        elif effects:
            await self._save(())
        for effect in effects:
            if isinstance(effect, Fetch):
                self._office.start_fetching(effect.name)

    async def _request(self, effects: Sequence[Effect]) -> list[str]:
        """Ask Asterisk for it; returns whose requests it refused."""
        asked = [await self._ask(effect) for effect in effects if isinstance(effect, Do)]
        return [owner for owner in asked if owner]

    async def _tell(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case Tell(message=message, at=at, reconstructed=reconstructed):
                    await self._office.port.record([Notice(message, at, reconstructed)])
                case Fetch():
                    await self._office.fetch(effect)
                case Release(call_id=call_id):
                    self._office.pass_on(call_id, Event(kind=TAKEN_OVER))
                case Find() | FindValue():
                    found = await self._look_up(effect)
                    if found is not None:
                        self._office.pass_on(self.call.id, found)

    async def _look_up(self, sought: Find | FindValue) -> Event | None:
        """What is there; None where Asterisk will not say, which is no reason to end anything."""
        if isinstance(sought, FindValue):
            return await self._find_value(sought)
        try:
            return await self._find(sought.channel)
        except AriError as error:
            logger.warning("call %s: %s: %s", self.call.id, sought.channel, error)
            return None

    async def _find(self, channel: str) -> Event:
        raw = await self._office.ari.find(f"/channels/{segment(channel)}")
        there = read_channel(raw)
        if there is None:
            return Event(kind=FOUND, channel=Channel(id=channel))
        bridges = await self._office.ari.request("GET", "/bridges")
        classes = (
            str(each.get("bridge_class", ""))
            for each in bridges or ()
            if channel in each.get("channels", ())
        )
        return Event(
            kind=FOUND,
            channel=there,
            state=there.state,
            bridge_class=next(classes, ""),
        )

    async def _find_value(self, sought: FindValue) -> Event:
        path = f"/channels/{segment(sought.channel)}/variable"
        try:
            answer = await self._office.ari.request("GET", path, {"variable": sought.function})
        except AriError:  # the channel is gone, or Asterisk has no such function
            answer = None
        value = answer.get("value") if isinstance(answer, dict) else None
        return Event(kind=sought.kind, number=sought.about, state=str(value or ""))

    async def _ask(self, effect: Do, order: PendingCommand | None = None) -> str:
        """Do one request; the first one of a command only while there is time for it.

        Returns whose failure it is if it was refused.
        """
        within_s = None
        if order is not None and not order.begun:
            within_s = self._left_s(order)
            if within_s <= 0 or order.outcome.done():
                raise expired()
            order.begun = True
        try:
            await self._office.ari.request(
                effect.method, effect.path, effect.query, effect.body, begin_within_s=within_s
            )
        except AriError as error:
            if error.status in effect.fine:
                return ""
            if effect.owner == COMMAND and order is not None:
                raise CommandError(result_of(error), f"Asterisk: {error.detail}") from error
            logger.warning(
                "call %s: %s %s: %s",
                self.call.id,
                effect.method,
                effect.path,
                error,
                extra={"call_id": self.call.id},
            )
            return effect.owner
        except AriUnknownError:
            raise
        except AdapterUnavailableError as error:
            if within_s is not None and order is not None:
                order.begun = False  # nobody was there to take it
                if self._left_s(order) <= 0:
                    raise expired() from error
            raise
        return ""

    # --- memory ----------------------------------------------------------------------------------
    async def _save(
        self, effects: Sequence[Effect], doubt: InterruptedCommand | None = None
    ) -> None:
        record: dict[str, Any] = {
            "call": to_json(self.call),
            "pending": [dump_effect(effect) for effect in effects],
            **self._office.steady.stamp(),
        }
        if doubt is not None:
            record["unfinished"] = to_json(doubt)
        await self._office.port.record(memory={self.key: record})

    def _take_back(self, before: Any) -> None:
        """Nothing was done; a call that the command was to make does not come about."""
        self._restore(before)
        if not self.call.begun:
            self.call.closed = True

    def _restore(self, before: Any) -> None:
        self.call = from_json(Call, before)
        self._office.index(self.call)

    def _leave(self) -> None:
        """Nobody works here any more: whoever waits for a command is told."""
        self._gone = True
        for item in self._inbox:
            self._office.taken()
            if isinstance(item, PendingCommand):
                fail(item.outcome, self._why_gone())
            elif isinstance(item, Check):
                fail(item.done, self._why_gone())
        self._inbox.clear()

    def _why_gone(self) -> Exception:
        if self.call.closed:
            return CommandError(Result.NO_CALL, f"call {self.call.id} has ended")
        return AdapterUnavailableError("the link to Asterisk was lost")
