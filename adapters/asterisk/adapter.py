"""The adapter itself: one link to one Asterisk, and commands to its calls."""

from __future__ import annotations

import asyncio
import dataclasses
from functools import partial
from typing import ClassVar

from adapters.asterisk.ari import AriClient
from adapters.asterisk.ownership import RENEW_EVERY_S, Ownership
from adapters.asterisk.settings import read_settings
from adapters.voice import resync, snapshot
from adapters.voice.call_registry import CallRegistry
from adapters.voice.commands import CAPABILITIES
from adapters.voice.monotonic_time import MonotonicTime
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


class AsteriskAdapter(Adapter, Snapshots):
    """Asterisk 18–22 over ARI: hotlines, transfers, holding, conferences, recordings.

    Raises `SettingsError` (an `AdapterRefusedError`) on construction when the settings are wrong.
    """

    name: ClassVar[str] = "asterisk"
    capabilities: ClassVar[Capability] = CAPABILITIES
    longest_pause_s: ClassVar[float] = 5.0

    def __init__(self, context: AdapterContext) -> None:
        super().__init__(context)
        self._settings = read_settings(context.peer_id, context.settings, context.folder)
        self._registry: CallRegistry | None = None
        self._steady = MonotonicTime(context.clock)
        self._ownership = Ownership(self._settings.app, context.peer_id, context.clock)
        self._first = True

    async def run(self, port: AdapterPort) -> None:
        """Connect, resync, and translate until cancelled or the link is lost."""
        async with AriClient(self._settings) as ari:
            await self._ownership.take(ari)
            await ari.connect()
            registry = CallRegistry(self.context, self._settings, ari, port, self._steady)
            try:
                await self._serve(ari, registry)
            except ExceptionGroup as group:
                raise _cause(group) from group
            finally:
                self._registry = None

    async def _serve(self, ari: AriClient, registry: CallRegistry) -> None:
        startup = await resync.resync(registry, first=self._first)
        self._first = False
        async with asyncio.TaskGroup() as tasks:
            registry.start(tasks)
            tasks.create_task(registry.recorder.run(), name="recorder")
            tasks.create_task(self._stay_seen(registry, startup), name="seen")
            self._registry = registry
            async for event in ari.events():
                if event.get("type") == "ApplicationReplaced":
                    raise await self._ownership.lost(ari)
                registry.take(event)

    async def _stay_seen(self, registry: CallRegistry, startup: str) -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            await resync.seen(registry, startup)
            await self._ownership.renew(registry.ari)

    async def execute(self, request: Command) -> Outcome:
        """Do one command; see `linkage.ports.Adapter.execute`."""
        registry = self._registry
        if registry is None:
            raise AdapterUnavailableError("Asterisk is not connected")
        message = request.message
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
        """What lives of a call, looked up at Asterisk; see `linkage.ports.Snapshots`."""
        registry = self._registry
        if registry is None:
            raise AdapterUnavailableError("Asterisk is not connected")
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
