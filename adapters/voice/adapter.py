"""What an adapter of every PBX does: serve a link, have commands done, say what lives."""

from __future__ import annotations

import asyncio
import dataclasses
from functools import partial
from typing import ClassVar, Final

from adapters.voice import resync, snapshot
from adapters.voice.call_registry import CallRegistry
from adapters.voice.commands import CAPABILITIES
from adapters.voice.driver import Driver
from adapters.voice.monotonic_time import MonotonicTime
from adapters.voice.settings import VoiceSettings
from linkage.ports import (
    Adapter,
    AdapterContext,
    AdapterError,
    AdapterPort,
    AdapterUnavailableError,
    Capability,
    Command,
    CommandError,
    Outcome,
    Snapshots,
)
from protocol.message import Message
from protocol.messages import (
    CallOut,
    ConferenceAction,
    ConferenceControl,
    Hangup,
    HangupScope,
    QueryCall,
    SnapshotNotice,
)
from protocol.results import Result

RENEW_EVERY_S: Final = 5.0


class VoiceAdapter(Adapter, Snapshots):
    """One PBX behind the protocol: hotlines, transfers, holding, conferences, recordings.

    A subclass checks its settings, makes the link in `run`, and hands a driver to `serve`.
    """

    platform: ClassVar[str]
    """The platform's name, for people."""
    capabilities: ClassVar[Capability] = CAPABILITIES
    longest_pause_s: ClassVar[float] = 5.0

    def __init__(self, context: AdapterContext, settings: VoiceSettings) -> None:
        super().__init__(context)
        self._voice = settings
        self._registry: CallRegistry | None = None
        self._steady = MonotonicTime(context.clock)
        self._first = True

    async def serve(self, driver: Driver, port: AdapterPort) -> None:
        """Resync, and translate until cancelled or the link is lost, of which this raises."""
        registry = CallRegistry(self.context, self._voice, driver, port, self._steady)
        try:
            async with asyncio.TaskGroup() as tasks:
                # However slow the core is, the platform must not wait for its events to be read.
                tasks.create_task(_read_events(registry), name="events")
                startup = await resync.resync(registry, first=self._first)
                self._first = False
                tasks.create_task(resync.tell_up(registry), name="up")
                registry.start(tasks)
                tasks.create_task(registry.recorder.run(), name="recorder")
                tasks.create_task(_stay_seen(registry, startup), name="seen")
                self._registry = registry
        except ExceptionGroup as group:
            raise _cause(group) from group
        finally:
            self._registry = None

    def _connected(self) -> CallRegistry:
        if self._registry is None:
            raise AdapterUnavailableError(f"{self.platform} is not connected")
        return self._registry

    async def execute(self, request: Command) -> Outcome:
        """Do one command; see `linkage.ports.Adapter.execute`."""
        registry, message = self._connected(), request.message
        if (
            isinstance(message, Hangup)
            and message.scope is HangupScope.EVENT
            and message.call_id is None
        ):
            return await self._hang_up_event(registry, request, message)
        actor = registry.open() if _makes_call(message) else registry.actor_for(message)
        return await actor.command(request)

    def serial_key(self, message: Message) -> str | None:
        """The call; see `linkage.ports.Adapter.serial_key`."""
        return message.call_id

    async def snapshot(self, query: QueryCall) -> SnapshotNotice:
        """What lives of a call, looked up at the platform; see `linkage.ports.Snapshots`."""
        registry = self._connected()
        try:
            actor = registry.actor_for(query)
            await actor.check(partial(snapshot.look, registry))
        except CommandError as error:
            if error.result in {Result.NO_CALL, Result.NO_CONFERENCE}:
                return SnapshotNotice()
            raise
        return snapshot.overview(actor.call)

    async def _hang_up_event(
        self, registry: CallRegistry, request: Command, message: Hangup
    ) -> Outcome:
        """Every call for which the event was created (201)."""
        if message.event_id is None:
            raise CommandError(Result.MISSING_FIELD, "EventId must say which event")
        call_ids = [actor.call.id for actor in registry.of_event(message.event_id)]
        if not call_ids:
            raise CommandError(Result.NO_CALL, f"no call of event {message.event_id} is alive")
        failures: list[AdapterError] = []
        for call_id in call_ids:
            one = dataclasses.replace(message, call_id=call_id, scope=HangupScope.CALL)
            try:
                await registry.actor_for(one).command(dataclasses.replace(request, message=one))
            except (CommandError, AdapterUnavailableError) as error:
                failures.append(error)
        if len(failures) == len(call_ids):
            raise next((each for each in failures if _is_unknown(each)), failures[0])
        if failures:
            raise CommandError(
                Result.PARTIAL,
                f"{len(failures)} of {len(call_ids)} calls were not hung up: {failures[0]}",
            )
        return Outcome()


async def _read_events(registry: CallRegistry) -> None:
    async for event in registry.driver.events():
        registry.take(event)


async def _stay_seen(registry: CallRegistry, startup: str) -> None:
    while True:
        await asyncio.sleep(RENEW_EVERY_S)
        await resync.seen(registry, startup)
        await registry.driver.renew()


def _makes_call(message: Message) -> bool:
    """Whether a command is for no call that there is, but for a new one."""
    match message:
        case ConferenceControl():
            return message.action is ConferenceAction.CREATE
        case CallOut():
            return message.conference_id is None and message.call_id is None
        case _:
            return False


def _is_unknown(error: AdapterError) -> bool:
    return isinstance(error, CommandError) and error.result is Result.TIMEOUT


def _cause(group: ExceptionGroup[Exception]) -> Exception:
    """What brought the link down: of several errors the one that says what to do about it."""
    errors = list(_flat(group))
    return next((error for error in errors if isinstance(error, AdapterError)), errors[0])


def _flat(error: Exception) -> list[Exception]:
    if isinstance(error, ExceptionGroup):
        return [inner for each in error.exceptions for inner in _flat(each)]
    return [error]
