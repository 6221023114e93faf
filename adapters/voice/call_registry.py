"""All calls of one link: brings every event and command to the actor of its call.

Calls do not wait for each other. Between the platform's link and the actors nothing blocks: a
platform may cut the link to a client that reads slowly. What waits at the actors is bounded;
beyond that the link is given up, and the resync that follows says what may be missing.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextvars import Context, copy_context
from datetime import datetime
from typing import Any, Final

from adapters.voice import incoming
from adapters.voice.addressee import call_meant
from adapters.voice.call_actor import CallActor
from adapters.voice.driver import Driver, PlatformRefusedError
from adapters.voice.ids import Names, new_call_id
from adapters.voice.media.recording_download import RecordingDownload
from adapters.voice.model import Call, LegState
from adapters.voice.monotonic_time import MonotonicTime
from adapters.voice.paired_channels import PairedChannels
from adapters.voice.platform_actions import HangUp
from adapters.voice.platform_events import Event, EventKind
from adapters.voice.settings import VoiceSettings
from adapters.voice.step import Fetch, Step
from linkage.ports import AdapterContext, AdapterPort, AdapterUnavailableError, CommandError
from protocol.message import Message
from protocol.messages import CallDirection

logger = logging.getLogger("linkage.voice")

BACKLOG_MAX: Final = 20_000
"""Events that may wait for slow notices: some 300 calls' worth, a few dozen megabytes."""
REVOKED_MAX: Final = 100
PAST_MAX: Final = 2000
"""Ended channels that are remembered, so that a late event does not begin a call anew."""
SIGNS_OF_LIFE: Final = frozenset(
    {EventKind.ENTERED, EventKind.RINGING, EventKind.EARLY_MEDIA, EventKind.ANSWERED}
)
"""They tell that a telephone rings or was picked up."""
OF_A_LEG: Final = SIGNS_OF_LIFE | {
    EventKind.LEFT,
    EventKind.HANGUP_REQUESTED,
    EventKind.ENDED,
    EventKind.HELD,
    EventKind.RETRIEVED,
    EventKind.DIGIT,
}
"""They are about whoever has the channel, in whichever call."""


class CallRegistry:
    """The actors and the ways to them. Implements `adapters.voice.step_execution.StepRegistry`."""

    def __init__(
        self,
        context: AdapterContext,
        settings: VoiceSettings,
        driver: Driver,
        port: AdapterPort,
        steady: MonotonicTime,
    ) -> None:
        self.driver = driver
        self.port = port
        self.clock = context.clock
        self.steady = steady
        self.revoked: list[str] = []
        """Channels that the platform may still make for a command that was taken back."""
        self.settings = settings
        self.names = Names(settings.app)
        self.recorder = RecordingDownload(context, driver, port, keep=settings.keep_recordings)
        self._actors: dict[str, CallActor] = {}
        self._by_leg: dict[str, str] = {}
        self._by_channel: dict[str, str] = {}
        self._by_conference: dict[str, str] = {}
        self._past: OrderedDict[str, None] = OrderedDict()
        self._tasks: asyncio.TaskGroup | None = None
        self._context = Context()
        self._backlog = 0
        self._early: list[Event] = []
        """What came before the resync was over."""
        self._pairs = PairedChannels(self.newcomer, self.take)

    # --- actors ----------------------------------------------------------------------------------
    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Let the actors work, and bring them the events that have only waited till now."""
        self._tasks = tasks
        # Actors outlive the command that opens them: what they log is not about that command.
        self._context = copy_context()
        for actor in self._actors.values():
            self._begin(actor, tasks)
        for event in self._early:
            self.taken()
            self.take(event)
        self._early.clear()

    def add(self, call: Call, *, fresh: bool = False) -> CallActor:
        """An actor for a call; a `fresh` one is not in the memory yet."""
        actor = CallActor(self, call, fresh=fresh)
        self._actors[call.id] = actor
        self.index(call)
        if self._tasks is not None:
            self._begin(actor, self._tasks)
        return actor

    def _begin(self, actor: CallActor, tasks: asyncio.TaskGroup) -> None:
        context = self._context.copy()
        task = tasks.create_task(self._work(actor), name=actor.key, context=context)
        # One that is cancelled before it began, for the link is lost, tells nobody by itself.
        task.add_done_callback(lambda _: actor.leave())

    def open(self) -> CallActor:
        """An actor for a call that a command is to make; the command must come first."""
        call_id = self._new_id()
        call = Call(
            id=call_id,
            anchor=call_id,
            direction=CallDirection.OUT,
            started=self.clock.utc(),
            begun=False,
        )
        self._count()
        return self.add(call)

    async def _work(self, actor: CallActor) -> None:
        await actor.run()
        self.forget(actor.call)

    def forget(self, call: Call) -> None:
        """The call is over."""
        self._actors.pop(call.id, None)
        self.unindex(call)
        for leg in call.legs.values():
            self._past[leg.channel] = None
        for channel in call.channels:
            self._by_channel.pop(channel, None)
            self._past[channel] = None
        while len(self._past) > PAST_MAX:
            self._past.popitem(last=False)

    def forget_past(self) -> None:
        """Another run of the platform gives the ids of channels anew, within a second the same."""
        self._past.clear()

    # --- what the actors need --------------------------------------------------------------------
    def step(self, call: Call, at: datetime | None = None) -> Step:
        """A new step of a call."""
        return Step(
            call=call,
            settings=self.settings,
            names=self.names,
            new_id=self._new_id,
            pass_on=self.pass_on,
            reason_of=self.driver.reason_of,
            now=self.steady.now(),
            at=at or self.clock.utc(),
        )

    def revoke(self, channels: Iterable[str]) -> None:
        """Take these away should they come up: nobody is to be rung for them any more."""
        self.revoked = [*self.revoked, *channels][-REVOKED_MAX:]

    def index(self, call: Call) -> None:
        """Let events about the call's channels, and commands, find their way to it."""
        if call.conference is not None:
            self._by_conference[call.conference.id] = call.id
        for leg in call.legs.values():
            self._by_leg[leg.id] = call.id
            for channel in (leg.channel, *leg.twins):
                self._by_channel[channel] = call.id

    def unindex(self, call: Call) -> None:
        """Take these ways away, but for those that lead to another call by now."""
        if call.conference is not None:
            _remove(self._by_conference, call.conference.id, call.id)
        for leg in call.legs.values():
            _remove(self._by_leg, leg.id, call.id)
            for channel in (leg.channel, *leg.twins):
                _remove(self._by_channel, channel, call.id)

    def pass_on(self, call_id: str, event: Event) -> None:
        """Have another call take notice of something; nothing where it is over.

        A leg that is handed over is found at its new call from now on, and one that comes too late
        has nobody to speak with any more.
        """
        actor = self._actors.get(call_id)
        leg = event.leg
        if actor is not None and actor.call.ended is None:
            if leg is not None:
                self._by_leg[leg.id] = call_id
                for channel in (leg.channel, *leg.twins):
                    self._by_channel[channel] = call_id
            self.waits()
            actor.give(event)
        elif leg is not None and self._tasks is not None:
            self._tasks.create_task(self.drop(leg.channel))

    def follow(self, call: Call, event: Event) -> bool:
        """Give an event to the call that has its leg by now, where that is another one."""
        channel = event.channel
        if event.kind not in OF_A_LEG or event.replaces is not None or channel is None:
            return False
        actor = self._actors.get(self._by_channel.get(channel.id, ""))
        if actor is None or actor.call is call or call.leg_of_channel(channel.id) is not None:
            return False
        self.waits()
        actor.give(event)
        return True

    def note_recording(self, recording: Fetch) -> Mapping[str, Any]:
        """What the memory must hold so that a recording is fetched, whatever happens."""
        return self.recorder.note(recording)

    def start_fetching(self, name: str) -> None:
        """Begin to fetch a recording that was noted, and is on disk."""
        self.recorder.start(name)

    def waits(self) -> None:
        """One thing more waits at an actor."""
        self._backlog += 1

    def taken(self) -> None:
        """One thing less waits at an actor."""
        self._backlog -= 1

    def _new_id(self) -> str:
        taken = self._by_leg.keys() | self._actors.keys() | self._by_conference.keys()
        return new_call_id(self.clock.utc(), taken)

    # --- events ----------------------------------------------------------------------------------
    def take(self, event: Event) -> None:
        """Bring an event to where it belongs; one that makes no sense is dropped.

        Before `start` it only waits.

        Raises:
            AdapterUnavailableError: too much waits.
        """
        if self._tasks is None:
            self._count()
            self._early.append(event)
            return
        try:
            self._take(event)
        except AdapterUnavailableError:
            raise
        except Exception:
            logger.exception("an event fits no call, dropped: %.300r", event)

    def _take(self, event: Event) -> None:
        if event.kind is EventKind.TRANSFERRED:
            self._pairs.transferred(event.pair)
            return
        actor = self._find_actor(event)
        if event.kind is EventKind.TRANSFER:
            actor, event = self._transferring(actor, event)
        if _is_sign_of_life(event) and self._is_late(event, actor):
            self._drop_soon(event)
        elif actor is not None:
            self._count()
            actor.give(event)
            self._note_stand_in(event)
        elif (
            event.kind is EventKind.ENTERED
            and event.replaces is None
            and not self._pairs.take(event, self._tasks)
        ):
            self.newcomer(event)

    def _is_late(self, event: Event, actor: CallActor | None) -> bool:
        """Whether a telephone rings for what is over: the platform stood still meanwhile.

        Only what we know to be ours: a channel of no call may be another linkage's.
        """
        channel = event.channel
        if channel is None or self.names.call_of(channel.id) is None:
            return False
        if actor is None:
            return channel.id in self._past or channel.id in self.revoked
        leg = actor.call.leg_of_channel(channel.id)
        return leg is not None and leg.state is LegState.ENDED and leg.answered is None

    def _drop_soon(self, event: Event) -> None:
        assert event.channel is not None
        logger.warning("channel %s comes too late: hung up", event.channel.id)
        if self._tasks is not None:
            self._tasks.create_task(self.drop(event.channel.id))

    def newcomer(self, event: Event) -> None:
        """A channel that we do not know came under our control."""
        channel = event.channel
        if channel is None or channel.id in self._past:
            return
        role = event.role or incoming.CALLER
        if role not in {incoming.CALLER, incoming.OFFICER}:
            # Another linkage's leg, whose place here we have taken, or a mistake in the dialplan.
            logger.warning(
                "channel %s (%s) belongs to no call of ours: left alone", channel.id, role
            )
            return
        call = incoming.new_call(event, self._new_id(), event.at or self.clock.utc())
        self.add(call, fresh=True)

    async def drop(self, channel: str) -> None:
        """Hang up a channel that nobody needs."""
        try:
            await self.driver.perform(HangUp(channel=channel))
        except PlatformRefusedError as error:
            logger.info("channel %s: %s", channel, error)

    def _find_actor(self, event: Event) -> CallActor | None:
        call_id = None
        if event.replaces is not None and event.channel is not None:
            call_id = self._by_channel.get(event.replaces)
            self._pairs.expect(event.channel)
        elif event.channel is not None:
            call_id = self._by_channel.get(event.channel.id) or self._by_role(event)
            if event.forwarded is not None and call_id is not None:
                self._pairs.expect(event.forwarded)
        elif event.thing is not None:
            call_id = self.names.call_of(event.thing)
        return self._actors.get(call_id or "")

    def _by_role(self, event: Event) -> str | None:
        """The call of a channel that came in as a leg of ours, dials for one, or meets one."""
        if event.caller is not None:
            return self._by_channel.get(event.caller)
        if event.kind is EventKind.JOINED:
            return next(filter(None, map(self._by_channel.get, event.members)), None)
        call_id = self._by_leg.get(event.leg_id or "")
        if event.kind is EventKind.ENTERED and call_id is not None and event.channel is not None:
            self._by_channel[event.channel.id] = call_id
            return call_id
        return None

    def _note_stand_in(self, event: Event) -> None:
        """The platform transfers by itself: it put half of a pair into a telephone's place."""
        channel = event.channel
        if event.replaces is None or channel is None or not channel.stand_in:
            return
        self._by_channel[channel.id] = self._by_channel[event.replaces]
        self._pairs.stands_in(event, self._tasks)

    def _transferring(
        self, first: CallActor | None, event: Event
    ) -> tuple[CallActor | None, Event]:
        """Whose call it is when a telephone transfers: the consultation's, which hands over."""
        if first is None:
            return None, event
        second = self._actors.get(self._by_channel.get(event.other or "", ""))
        if event.attended and second is not None and second is not first:
            self._count()
            first.give(dataclasses.replace(event, call=second.call.id))
            return second, dataclasses.replace(event, call=first.call.id)
        return first, event

    def _count(self) -> None:
        if self._backlog >= BACKLOG_MAX:
            raise AdapterUnavailableError(
                f"{BACKLOG_MAX} events wait to be told: the core is too slow, or stands"
            )
        self._backlog += 1

    # --- commands --------------------------------------------------------------------------------
    def actor_for(self, message: Message) -> CallActor:
        """The actor of the call that a command means.

        Raises:
            CommandError: there is none, or several come into question.
        """
        self._count()
        try:
            call = call_meant(
                message, self.settings, self.calls(), self._call, self._by_conference
            )
        except CommandError:
            self.taken()
            raise
        return self._actors[call.id]

    def _call(self, call_id: str) -> Call | None:
        actor = self._actors.get(self._by_leg.get(call_id, call_id))
        return None if actor is None else actor.call

    def calls(self) -> list[Call]:
        """All calls that there are."""
        return [actor.call for actor in self._actors.values()]

    def has(self, call_id: str) -> bool:
        """Whether there is a call of this CallId, and it is not over."""
        actor = self._actors.get(call_id)
        return actor is not None and actor.call.ended is None

    def knows(self, channel: str) -> bool:
        """Whether a channel belongs to a call."""
        return channel in self._by_channel

    def of_event(self, event_id: str) -> Iterator[CallActor]:
        """The calls for which an event was created (201)."""
        for actor in list(self._actors.values()):
            if actor.call.event_id == event_id and actor.call.ended is None:
                yield actor


def _remove(ways: dict[str, str], name: str, call_id: str) -> None:
    if ways.get(name) == call_id:
        del ways[name]


def _is_sign_of_life(event: Event) -> bool:
    reached = event.kind is EventKind.DIALLING and event.reached
    return reached or event.kind in SIGNS_OF_LIFE
