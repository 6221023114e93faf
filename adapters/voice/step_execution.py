"""Carries the steps of one call out: writes them down, has them done, tells, and crosses them off.

Every step goes: decide (a `Step`, no I/O) → write the new state and what is to be done → have the
actions done → tell the notices and cross everything off, in one transaction. So a crash at any
point leaves a record from which the step can be finished, no notice is told twice or lost, and
telephones ring before notices are on disk. A step without actions is one transaction; one that
fails to be decided leaves the call as it was.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

from adapters.voice import call_event_handlers
from adapters.voice.driver import Driver, PlatformRefusedError
from adapters.voice.interrupted_command import InterruptedCommand
from adapters.voice.json_codec import from_json, to_json
from adapters.voice.model import Call
from adapters.voice.monotonic_time import MonotonicTime
from adapters.voice.platform_actions import (
    COMMAND,
    Action,
    FindChannel,
    FindContacts,
    FindExtension,
    LookUp,
)
from adapters.voice.platform_events import Channel, Event, EventKind
from adapters.voice.step import Decide, Effect, Fetch, Release, Step, Tell, dump_effect
from linkage.ports import AdapterPort, Clock, CommandError, Notice

logger = logging.getLogger("linkage.voice")

ROUNDS_MAX: Final = 2500
"""Failures that lead to failures: everybody of a long hotline, or all that a 210 calls one after
the other, may be unreachable at once."""


class StepRegistry(Protocol):
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

    def unindex(self, call: Call) -> None:
        """Take these ways away again."""
        ...

    def pass_on(self, call_id: str, event: Event) -> None:
        """Have another call take notice of something; nothing where it is over."""
        ...

    def follow(self, call: Call, event: Event) -> bool:
        """Give an event to the call that has its leg by now, where that is another one."""
        ...

    def note_recording(self, recording: Fetch) -> Mapping[str, Any]:
        """What the memory must hold so that a recording is fetched, whatever happens."""
        ...

    def start_fetching(self, name: str) -> None:
        """Begin with it: that is on disk."""
        ...

    def waits(self) -> None:
        """One thing more waits at an actor."""
        ...

    def taken(self) -> None:
        """One thing less waits at an actor."""
        ...


class StepExecution:
    """A call as it is, as it was written down last, and what makes one of the other."""

    def __init__(self, office: StepRegistry, call: Call) -> None:
        self.call = call
        self.office = office
        self.saved: Any = to_json(call)
        """The call as data, as it was after the last step."""

    @property
    def key(self) -> str:
        """Under which the call is remembered."""
        return f"call:{self.call.id}"

    def step(self, at: datetime | None = None) -> Step:
        """A new step, of what happened then (None: now)."""
        return self.office.step(self.call, at)

    # --- deciding --------------------------------------------------------------------------------
    async def decide(self, step: Step, decide: Decide) -> bool:
        """Take a step: decide it and carry it out; False: it could not be decided."""
        decided = self._try(step, decide)
        if decided:
            await self.carry_out(step.effects)
        return decided

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
            self.restore()
            return False
        return True

    def take_back(self, before: Any) -> None:
        """Nothing was done; a call that the command was to make does not come about."""
        self.office.unindex(self.call)  # or the ways to what the command was to make would stay
        self.saved = before
        self.restore()
        if not self.call.begun:
            self.call.closed = True

    def restore(self) -> None:
        """Let the call be as it was written down."""
        self.call = from_json(Call, self.saved)
        self.office.index(self.call)

    # --- carrying out ----------------------------------------------------------------------------
    async def carry_out(self, effects: Sequence[Effect]) -> None:
        """Write a step down and do it; what follows from refusals is the next one."""
        for _ in range(ROUNDS_MAX):
            after = to_json(self.call)
            if not effects and after == self.saved:
                return
            self.saved = after
            self.office.index(self.call)
            actions = actions_of(effects)
            if actions:
                await self.office.port.record(memory=self.record(effects))
            failed = await self.act(actions)
            await self.conclude(effects)
            await self.look_up(effects)
            if not failed:
                return
            effects = self.follow(failed)

    def follow(self, failed: Sequence[str]) -> Sequence[Effect]:
        """What follows from what the platform refused."""
        step = self.office.step(self.call)

        def on_failed(step: Step) -> None:
            for owner in failed:
                call_event_handlers.on_failed(step, owner)

        return step.effects if self._try(step, on_failed) else ()

    async def act(self, actions: Sequence[Action]) -> list[str]:
        """Have actions done; returns whose the platform refused."""
        asked = [await self.perform(each) for each in actions]
        return [owner for owner in asked if owner]

    async def conclude(self, effects: Sequence[Effect]) -> None:
        """The actions of a step are done: tell what it tells, and cross everything off.

        Look-ups stay open until the next step: one that is lost is repeated after a restart.
        """
        notices: list[Notice] = []
        recordings: list[str] = []
        looks = [each for each in effects if isinstance(each, LookUp)]
        memory = dict(self.record(() if self.call.closed else looks))
        for effect in effects:
            match effect:
                case Tell(message=message, at=at, reconstructed=reconstructed):
                    notices.append(Notice(message, at, reconstructed))
                case Fetch():
                    memory |= self.office.note_recording(effect)
                    recordings.append(effect.name)
        await self.office.port.record(notices, memory)
        for name in recordings:
            self.office.start_fetching(name)
        for effect in effects:
            if isinstance(effect, Release):
                self.office.pass_on(effect.call_id, Event(kind=EventKind.TAKEN_OVER))

    async def look_up(self, effects: Sequence[Effect]) -> None:
        """Have what a step wants to know looked up; what is found comes as an event."""
        for each in effects:
            if isinstance(each, LookUp):
                found = await _look_up(self.office.driver, self.call.id, each)
                if found is not None:
                    self.office.pass_on(self.call.id, found)

    def record(
        self, effects: Sequence[Effect], doubt: InterruptedCommand | None = None
    ) -> Mapping[str, Any]:
        """The call with what is still to be done; of a closed call nothing is kept."""
        if self.call.closed and not effects:
            return {self.key: None}
        record: dict[str, Any] = {
            "call": self.saved,
            "pending": [dump_effect(effect) for effect in effects],
            **self.office.steady.stamp(),
        }
        if doubt is not None:
            record["unfinished"] = to_json(doubt)
        return {self.key: record}

    async def perform(
        self, action: Action, *, begin_within_s: float | None = None, commanded: bool = False
    ) -> str:
        """Have one action done; returns whose failure it is if it was refused.

        Raises:
            CommandError: it was refused, and the command is not done without it (`commanded`).
        """
        driver = self.office.driver
        try:
            await driver.perform(action, begin_within_s=begin_within_s)
        except PlatformRefusedError as error:
            if action.owner == COMMAND and commanded:
                raise CommandError(error.result, f"{driver.platform}: {error.detail}") from error
            logger.warning(
                "call %s: %s refused %s: %s",
                self.call.id,
                driver.platform,
                action,
                error,
                extra={"call_id": self.call.id},
            )
            return action.owner
        return ""


def actions_of(effects: Sequence[Effect]) -> list[Action]:
    """Those that change something at the platform."""
    return [each for each in effects if isinstance(each, Action) and not isinstance(each, LookUp)]


async def _look_up(driver: Driver, call_id: str, sought: LookUp) -> Event | None:
    """What is there; None where the platform will not say: that is no reason to end anything."""
    try:
        match sought:
            case FindChannel():
                return await _find_channel(driver, sought.channel)
            case FindContacts():
                found = await driver.contacts(sought.channel, sought.endpoint)
                if not found:
                    return None
                return Event(
                    kind=EventKind.CONTACTS_FOUND, leg_id=sought.leg_id, contacts=tuple(found)
                )
            case FindExtension(channel=channel, context=context, number=number):
                exists = await driver.has_extension(channel, context, number)
                return Event(kind=EventKind.EXTENSION_FOUND, number=number, exists=exists)
            case _:
                return None
    except PlatformRefusedError as error:
        logger.warning("call %s: %s: %s", call_id, sought.channel, error)
        return None


async def _find_channel(driver: Driver, channel: str) -> Event:
    there = await driver.find_channel(channel)
    if there is None:
        return Event(kind=EventKind.FOUND, channel=Channel(id=channel, alive=False))
    parked = await driver.is_parked(channel)
    return Event(kind=EventKind.FOUND, channel=there, parking=parked)
