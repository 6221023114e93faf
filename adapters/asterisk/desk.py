"""The desk of one call: takes what comes for it in order, decides, remembers, and carries out.

Every step goes: decide (a `Turn`, no I/O) → write the new state and the open effects into the
memory → carry the effects out → cross them off. So a crash at any point leaves a record from which
the step can be finished, and a step that fails to be decided leaves the call as it was.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final, Protocol

from adapters.asterisk import calls, commands
from adapters.asterisk.ari import AriClient, AriError, AriTimeoutError, segment
from adapters.asterisk.effects import (
    Do,
    Effect,
    Fetch,
    Find,
    FindValue,
    Release,
    Tell,
    dump_effect,
)
from adapters.asterisk.events import FOUND, TAKEN_OVER, Channel, Event, read_channel
from adapters.asterisk.model import Call
from adapters.asterisk.orders import COMMAND
from adapters.asterisk.records import from_json, to_json
from adapters.asterisk.turn import Turn
from linkage.ports import (
    AdapterUnavailableError,
    Clock,
    CommandError,
    Emit,
    Memory,
    Outcome,
    fields_of,
)
from protocol.envelope import Request
from protocol.results import Result

logger = logging.getLogger("linkage.asterisk")

Decide = Callable[[Turn], None]
"""A step of a call, without I/O."""

ROUNDS_MAX: Final = 2500
"""Failures that lead to failures: everybody of a long hotline, or all that a 210 calls one after
the other, may be unreachable at once."""


class Office(Protocol):
    """What a desk needs of the switchboard that it belongs to."""

    ari: AriClient
    clock: Clock
    memory: Memory
    emit: Emit

    def turn(self, call: Call, at: datetime | None = None) -> Turn:
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
        """Begin with it: the desk has crossed it off."""
        ...

    def taken(self) -> None:
        """One thing less waits at a desk."""
        ...


@dataclass(slots=True, eq=False)
class Order:
    """A command that waits for its turn, and who waits for its outcome."""

    request: Request
    outcome: asyncio.Future[Outcome]


@dataclass(slots=True, eq=False)
class Check:
    """A look at what lives of the call at Asterisk, and who waits for that it was taken."""

    look: Callable[[Turn], Awaitable[Decide]]
    done: asyncio.Future[None]


class Desk:
    """Works on one call; a `fresh` one has only just come in."""

    def __init__(self, office: Office, call: Call, *, fresh: bool = False) -> None:
        self.call = call
        self._fresh = fresh
        self._office = office
        self._inbox: deque[Event | Order | Check] = deque()
        self._wake = asyncio.Event()
        self._gone = False

    @property
    def key(self) -> str:
        """Under which the call is remembered."""
        return f"call:{self.call.id}"

    # --- what comes in ---------------------------------------------------------------------------
    def give(self, item: Event | Order | Check) -> None:
        """Put something into the inbox; never blocks (the switchboard counts)."""
        self._inbox.append(item)
        self._wake.set()

    async def command(self, request: Request) -> Outcome:
        """Have a command done after all that came before it.

        Raises:
            CommandError: refused.
            AdapterUnavailableError: the link was lost before it was done.
        """
        if self._gone:
            raise self._why_gone()
        order = Order(request, asyncio.get_running_loop().create_future())
        self.give(order)
        return await order.outcome

    async def check(self, look: Callable[[Turn], Awaitable[Decide]]) -> None:
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
                await self._decide(self._office.turn(self.call, self.call.started), calls.begin)
            while not self.call.closed:
                item = await self._next()
                if item is not None:
                    self._office.taken()
                await self._step(item)
        finally:
            self._leave()

    async def resume(self, pending: Sequence[Effect], decide: Callable[[Turn], None]) -> None:
        """Finish the step at which the memory ends, then see what has changed meanwhile."""
        self._office.index(self.call)
        if pending:
            await self._perform(pending, None)
            await self._cross_off(pending)
        turn = self._office.turn(self.call)
        turn.reconstructed = True
        await self._decide(turn, decide)

    async def _next(self) -> Event | Order | Check | None:
        """What has come, or None when something is due by itself."""
        due = self.call.next_due()
        delay = None
        if due is not None:
            # By the wall clock, because deadlines outlive the process. Should it be set back,
            # Asterisk's own limit on ringing stands behind ours.
            delay = max(0.0, (due - self._office.clock.utc()).total_seconds())
        if not self._inbox:
            self._wake.clear()
            try:
                async with asyncio.timeout(delay):
                    await self._wake.wait()
            except TimeoutError:
                return None
        return self._inbox.popleft()

    async def _step(self, item: Event | Order | Check | None) -> None:
        office = self._office
        match item:
            case Order():
                await self._obey(item)
            case Check():
                await self._compare(item)
            case Event():
                event = item
                turn = office.turn(self.call, event.at)
                await self._decide(turn, lambda turn: calls.on_event(turn, event))
        due = self.call.next_due()
        if due is not None and due <= office.clock.utc():
            await self._decide(office.turn(self.call), calls.on_time)

    async def _decide(self, turn: Turn, decide: Callable[[Turn], None]) -> None:
        before = to_json(self.call)
        try:
            decide(turn)
        except Exception:
            # One event that makes no sense costs one event: the call stays as it was.
            logger.exception(
                "call %s: an event could not be understood",
                self.call.id,
                extra={"call_id": self.call.id},
            )
            self._restore(before)
            return
        if turn.effects or to_json(self.call) != before:
            await self._carry_out(turn.effects)

    async def _compare(self, check: Check) -> None:
        turn = self._office.turn(self.call)
        turn.reconstructed = True
        try:
            await self._decide(turn, await check.look(turn))
        except AriError as error:
            _fail(check.done, CommandError(Result.VENDOR, f"Asterisk: {error.detail}"))
        except BaseException as error:
            _fail(check.done, _lost(error))
            raise
        else:
            if not check.done.done():
                check.done.set_result(None)

    async def _obey(self, order: Order) -> None:
        request, outcome = order.request, order.outcome
        turn = self._office.turn(self.call)
        turn.request_id = request.id
        before = to_json(self.call)
        try:
            answer = commands.execute(turn, request.message)
        except CommandError as error:
            self._take_back(before)
            _fail(outcome, error)
            return
        except Exception as error:
            logger.exception(
                "call %s: command %s", self.call.id, request.id, extra=fields_of(request)
            )
            self._take_back(before)
            _fail(outcome, CommandError(Result.INTERNAL, f"the adapter failed: {error}"))
            return
        try:
            await self._carry_out(turn.effects, lambda: _resolve(outcome, answer))
        except CommandError as error:
            self._take_back(before)
            await self._save(())
            await self._cross_off(())
            _fail(outcome, error)
        except BaseException as error:
            # The link or the core is lost, and this desk with it: the memory knows the rest.
            _fail(outcome, _lost(error))
            raise

    async def _carry_out(
        self, effects: Sequence[Effect], decided: Callable[[], None] | None = None
    ) -> None:
        for _ in range(ROUNDS_MAX):
            self._office.index(self.call)
            await self._save(effects)
            failed = await self._perform(effects, decided)
            await self._cross_off(effects)
            turn = self._office.turn(self.call)
            for owner in failed:
                calls.on_failed(turn, owner)
            effects = turn.effects
            if not effects:
                break

    async def _cross_off(self, effects: Sequence[Effect]) -> None:
        """What was to be done is done; of a closed call nothing is kept."""
        if self.call.closed:
            await self._office.memory.delete(self.key)
        elif effects:
            await self._save(())
        for effect in effects:
            if isinstance(effect, Fetch):
                self._office.start_fetching(effect.name)

    async def _perform(
        self, effects: Sequence[Effect], decided: Callable[[], None] | None
    ) -> list[str]:
        """Carry effects out; returns whose requests Asterisk refused."""
        failed: list[str] = []
        # Requests first: telephones need not wait until notices are on disk. What they bring
        # about is told after them all the same, for it waits in the inbox.
        for effect in effects:
            if isinstance(effect, Do):
                owner = await self._ask(effect, decisive=decided is not None)
                if owner:
                    failed.append(owner)
        if decided is not None:
            decided()
        for effect in effects:
            match effect:
                case Tell(message=message, at=at, reconstructed=reconstructed):
                    await self._office.emit(message, time=at, reconstructed=reconstructed)
                case Fetch():
                    await self._office.fetch(effect)
                case Release(call_id=call_id):
                    self._office.pass_on(call_id, Event(kind=TAKEN_OVER))
                case Find() | FindValue():
                    self._office.pass_on(self.call.id, await self._look_up(effect))
        return failed

    async def _look_up(self, sought: Find | FindValue) -> Event:
        if isinstance(sought, Find):
            return await self._find(sought.channel)
        return await self._find_value(sought)

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

    async def _ask(self, effect: Do, *, decisive: bool) -> str:
        try:
            await self._office.ari.request(effect.method, effect.path, effect.query, effect.body)
        except AriError as error:
            if error.status in effect.fine:
                return ""
            if effect.owner == COMMAND and decisive:
                raise CommandError(_result_of(error), f"Asterisk: {error.detail}") from error
            logger.warning(
                "call %s: %s %s: %s",
                self.call.id,
                effect.method,
                effect.path,
                error,
                extra={"call_id": self.call.id},
            )
            return effect.owner
        return ""

    # --- memory ----------------------------------------------------------------------------------
    async def _save(self, effects: Sequence[Effect]) -> None:
        record: dict[str, Any] = {
            "call": to_json(self.call),
            "pending": [dump_effect(effect) for effect in effects],
        }
        await self._office.memory.put(self.key, record)

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
            if isinstance(item, Order):
                _fail(item.outcome, self._why_gone())
            elif isinstance(item, Check):
                _fail(item.done, self._why_gone())
        self._inbox.clear()

    def _why_gone(self) -> Exception:
        if self.call.closed:
            return CommandError(Result.NO_CALL, f"call {self.call.id} has ended")
        return AdapterUnavailableError("the link to Asterisk was lost")


def _resolve(outcome: asyncio.Future[Outcome], answer: Outcome) -> None:
    if not outcome.done():
        outcome.set_result(answer)


def _fail(waited: asyncio.Future[Any], error: Exception) -> None:
    if not waited.done():
        waited.set_exception(error)


def _lost(error: BaseException) -> Exception:
    """What the sender of a command is told when the link broke over it."""
    if isinstance(error, AriTimeoutError):
        return CommandError(Result.TIMEOUT, f"{error}: the outcome is unknown")
    return AdapterUnavailableError(f"lost while the command was done: {error!r}")


def _result_of(error: AriError) -> Result:
    """The result code for what Asterisk answered to a command."""
    by_status = {
        HTTPStatus.NOT_FOUND: Result.NO_CALL,
        HTTPStatus.CONFLICT: Result.WRONG_STATE,
        HTTPStatus.PRECONDITION_FAILED: Result.WRONG_STATE,
        HTTPStatus.UNPROCESSABLE_ENTITY: Result.BAD_VALUE,
        HTTPStatus.BAD_REQUEST: Result.BAD_VALUE,
    }
    return by_status.get(HTTPStatus(error.status), Result.VENDOR)
