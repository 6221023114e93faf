"""All calls of one link: brings every event and command to the actor of its call.

Calls do not wait for each other. Between the WebSocket and the actors nothing blocks: Asterisk
cuts the link to an application that reads slowly. What waits at the actors is bounded; beyond that
the link is given up, and the resync that follows says what may be missing.
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

from adapters.asterisk.ari import AriClient, AriError, segment
from adapters.asterisk.settings import Settings
from adapters.voice import call_events, refer
from adapters.voice.call_actor import CallActor
from adapters.voice.dialplan import same
from adapters.voice.effects import Fetch
from adapters.voice.events import Channel, Event, read_event
from adapters.voice.ids import Names, new_call_id
from adapters.voice.legs import LEG
from adapters.voice.media.recording_download import Recorder
from adapters.voice.model import Call, LegState
from adapters.voice.monotonic_time import MonotonicTime
from adapters.voice.step import Step
from linkage.ports import AdapterContext, AdapterPort, AdapterUnavailableError, CommandError
from protocol.message import Message
from protocol.messages import CallDirection, CancelCallOut
from protocol.results import Result

logger = logging.getLogger("linkage.asterisk")

BACKLOG_MAX: Final = 20_000
"""Events that may wait for slow notices: some 300 calls' worth, a few dozen megabytes."""
OTHER_HALF_S: Final = 0.5
"""How long the two halves of a Local channel may be apart."""
REVOKED_MAX: Final = 100
RINGS: Final = frozenset({"RINGING", "PROGRESS", "PROCEEDING", "ANSWER"})
"""`dialstatus` of a telephone that was reached; the others tell of its end."""
PAST_MAX: Final = 2000
"""Ended channels that are remembered, so that a late event does not begin a call anew."""


class CallRegistry:
    """The actors and the ways to them. Implements `adapters.voice.call_actor.Office`."""

    def __init__(
        self,
        context: AdapterContext,
        settings: Settings,
        ari: AriClient,
        port: AdapterPort,
        steady: MonotonicTime,
    ) -> None:
        self.ari = ari
        self.port = port
        self.clock = context.clock
        self.steady = steady
        self.revoked: list[str] = []
        """Channels that Asterisk may still make for a command that was taken back."""
        self.settings = settings
        self.names = Names(settings.app)
        self.recorder = Recorder(context, settings, ari, port)
        self._actors: dict[str, CallActor] = {}
        self._by_leg: dict[str, str] = {}
        self._by_channel: dict[str, str] = {}
        self._by_conference: dict[str, str] = {}
        self._past: OrderedDict[str, None] = OrderedDict()
        self._tasks: asyncio.TaskGroup | None = None
        self._context = Context()
        self._backlog = 0
        self._pairs: dict[str, asyncio.Event] = {}
        self._halves: dict[str, dict[str, Channel]] = {}

    # --- actors ----------------------------------------------------------------------------------
    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Let the actors work; before that, events only wait at them."""
        self._tasks = tasks
        # Actors outlive the command that opens them: what they log is not about that command.
        self._context = copy_context()
        for actor in self._actors.values():
            tasks.create_task(self._work(actor), name=actor.key)

    def add(self, call: Call, *, fresh: bool = False) -> CallActor:
        """An actor for a call; a `fresh` one is not in the memory yet."""
        actor = CallActor(self, call, fresh=fresh)
        self._actors[call.id] = actor
        self.index(call)
        if self._tasks is not None:
            self._tasks.create_task(
                self._work(actor), name=actor.key, context=self._context.copy()
            )
        return actor

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
        if call.conference is not None:
            self._by_conference.pop(call.conference.id, None)
        for leg in call.legs.values():
            self._by_leg.pop(leg.id, None)
            self._by_channel.pop(leg.channel, None)
            self._past[leg.channel] = None
        for channel in call.channels:
            self._by_channel.pop(channel, None)
            self._past[channel] = None
        while len(self._past) > PAST_MAX:
            self._past.popitem(last=False)

    def forget_past(self) -> None:
        """Another run of Asterisk gives the ids of channels anew, within a second the same."""
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
            self._backlog += 1
            actor.give(event)
        elif leg is not None and self._tasks is not None:
            self._tasks.create_task(self.drop("channels", leg.channel))

    async def fetch(self, recording: Fetch) -> None:
        """Take note that a recording is to be fetched."""
        await self.recorder.add(recording)

    def start_fetching(self, name: str) -> None:
        """Begin to fetch a recording that was taken note of."""
        self.recorder.start(name)

    def taken(self) -> None:
        """One thing less waits at an actor."""
        self._backlog -= 1

    def _new_id(self) -> str:
        taken = self._by_leg.keys() | self._actors.keys() | self._by_conference.keys()
        return new_call_id(self.clock.utc(), taken)

    # --- events ----------------------------------------------------------------------------------
    def take(self, raw: Mapping[str, Any]) -> None:
        """Bring an event to where it belongs; one that makes no sense is dropped.

        Raises:
            AdapterUnavailableError: too much waits.
        """
        try:
            self._take(raw)
        except AdapterUnavailableError:
            raise
        except Exception:
            logger.exception("an event could not be taken: %.300r", raw)

    def _take(self, raw: Mapping[str, Any]) -> None:
        event = read_event(raw)
        if event is None:
            return
        actor = self._find_actor(event)
        if event.kind == "ChannelTransfer":
            actor, event = self._transferring(actor, event)
        if _is_sign_of_life(event) and self._is_late(event, actor):
            self._drop_soon(event)
        elif actor is not None:
            self._count()
            actor.give(event)
            self._note_half(event)
        elif event.kind == "StasisStart" and event.channel is not None and event.replaces is None:
            if event.channel.name.startswith("Local/"):
                self._wait_for_other_half(event, event.channel.name)
            else:
                self.newcomer(event)

    def _is_late(self, event: Event, actor: CallActor | None) -> bool:
        """Whether a telephone rings for what is over: Asterisk was asked long ago, or stood still.

        Only what we know to be ours: a channel of no call may be another linkage's.
        """
        channel = event.channel
        if channel is None:
            return False
        if self.names.call_of(channel.id) is None:
            return False
        if actor is None:
            return channel.id in self._past or channel.id in self.revoked
        leg = actor.call.leg_of_channel(channel.id)
        return leg is not None and leg.state is LegState.ENDED and leg.answered is None

    def _drop_soon(self, event: Event) -> None:
        assert event.channel is not None
        logger.warning("channel %s comes too late: hung up", event.channel.id)
        if self._tasks is not None:
            self._tasks.create_task(self.drop("channels", event.channel.id))

    def _wait_for_other_half(self, event: Event, name: str) -> None:
        """Half of a Local channel came in: perhaps of a telephone's own transfer (REFER).

        Then one half replaces the telephone's leg, which its call sees to, and the other comes in
        as if the officer had dialled. The two come in either order.
        """
        pair = name.rpartition(";")[0]
        if self._pairs.pop(pair, None) is None and self._tasks is not None:
            self._pairs[pair] = replaced = asyncio.Event()
            self._tasks.create_task(self._take_half(event, pair, replaced))

    async def _take_half(self, event: Event, pair: str, replaced: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(OTHER_HALF_S):
                await replaced.wait()
        except TimeoutError:
            self.newcomer(event)  # no transfer: a dialplan that uses Local channels
        finally:
            self._pairs.pop(pair, None)

    def newcomer(self, event: Event) -> None:
        """A channel that we do not know came into our application."""
        channel = event.channel
        assert channel is not None
        role = event.args[0] if event.args else call_events.CALLER
        if channel.id in self._past:
            return
        if role not in {call_events.CALLER, call_events.OFFICER}:
            # Another linkage's leg, whose place here we have taken, or a mistake in the dialplan.
            logger.warning(
                "channel %s (%s) belongs to no call of ours: left alone", channel.id, role
            )
            return
        call = call_events.new_call(event, self._new_id(), event.at or self.clock.utc())
        self.add(call, fresh=True)

    async def drop(self, kind: str, name: str) -> None:
        """Take away what nobody needs: a channel or a bridge."""
        try:
            await self.ari.request("DELETE", f"/{kind}/{segment(name)}")
        except AriError as error:
            logger.info("%s %s: %s", kind, name, error)

    def _find_actor(self, event: Event) -> CallActor | None:
        call_id = None
        if event.replaces is not None and event.channel is not None:
            call_id = self._by_channel.get(event.replaces)
            self._expect(event.channel.name)
        elif event.channel is not None:
            call_id = self._by_channel.get(event.channel.id) or self._by_role(event)
            if event.forwarded is not None and call_id is not None:
                self._expect(event.forwarded.name)
        elif event.thing is not None:
            call_id = self.names.call_of(event.thing)
        return self._actors.get(call_id or "")

    def _by_role(self, event: Event) -> str | None:
        """The call of a channel that came in as a leg of ours, dials for one, or meets one."""
        if event.kind == "Dial" and event.caller is not None:
            return self._by_channel.get(event.caller)
        if event.kind == "ChannelEnteredBridge":
            return next(filter(None, map(self._by_channel.get, event.members)), None)
        role, _, leg_id = (*event.args, "", "", "")[:3]
        call_id = self._by_leg.get(leg_id) if event.kind == "StasisStart" else None
        if role == LEG and call_id is not None and event.channel is not None:
            self._by_channel[event.channel.id] = call_id
            return call_id
        return None

    def _expect(self, name: str) -> None:
        """One half of a Local channel is known; the other belongs to nobody and is no call."""
        pair = name.rpartition(";")[0]
        self._pairs.setdefault(pair, asyncio.Event()).set()
        while len(self._pairs) > PAST_MAX:  # other halves that never came
            self._pairs.pop(next(iter(self._pairs)))

    def _note_half(self, event: Event) -> None:
        """Asterisk transfers by itself (REFER with Replaces): a half took one telephone's place.

        Once both have, it is as if it had left the transfer to us. The first half stands for the
        telephone that the caller speaks with, the second for its consultation.
        """
        channel = event.channel
        if event.replaces is None or channel is None or not refer.is_half(channel.name):
            return
        self._by_channel[channel.id] = self._by_channel[event.replaces]
        pair, _, half = channel.name.rpartition(";")
        halves = self._halves.setdefault(pair, {})
        halves[half] = channel
        while len(self._halves) > PAST_MAX:  # the other one never came
            self._halves.pop(next(iter(self._halves)))
        if len(halves) > 1:
            del self._halves[pair]
            told = Event(
                kind="ChannelTransfer",
                at=event.at,
                channel=halves["1"],
                other=halves["2"].id,
                attended=True,
            )
            actor, told = self._transferring(self._find_actor(told), told)
            if actor is not None:
                self._count()
                actor.give(told)

    def _transferring(
        self, first: CallActor | None, event: Event
    ) -> tuple[CallActor | None, Event]:
        """Whose call it is when a telephone transfers: the consultation's, which hands over."""
        if first is None or event.state:
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
            if message.conference_id is not None:
                return self._by_conference_id(message)
            if message.call_id is not None:
                return self._by_call_id(message.call_id)
            if isinstance(message, CancelCallOut):
                return self._by_convening(message)
            return self._by_party(message)
        except CommandError:
            self.taken()
            raise

    def _by_call_id(self, call_id: str) -> CallActor:
        actor = self._actors.get(self._by_leg.get(call_id, call_id))
        if actor is None:
            raise CommandError(Result.NO_CALL, f"no call {call_id} is alive")
        return actor

    def _by_conference_id(self, message: Message) -> CallActor:
        actor = self._actors.get(self._by_conference.get(message.conference_id or "", ""))
        if actor is None:
            raise CommandError(Result.NO_CONFERENCE, f"no conference {message.conference_id}")
        named = message.call_id
        if named not in {None, actor.call.id} and named not in actor.call.legs:
            raise CommandError(Result.NO_CALL, f"call {named} is not of that conference")
        return actor

    def _by_convening(self, message: CancelCallOut) -> CallActor:
        """The call into which somebody is being called, by the command or by the event."""
        for actor in self._actors.values():
            call = actor.call
            by_event = message.event_id is not None and message.event_id == call.event_id
            if any(
                each.request_id == message.request_id if message.request_id else by_event
                for each in call.convenings
            ):
                return actor
        raise CommandError(Result.WRONG_STATE, "nobody is being called by that any more")

    def _by_party(self, message: Message) -> CallActor:
        number = getattr(message, "phone_num", None)
        login = message.login_id or getattr(message, "from_login_id", None)
        if number is None and login is None:
            raise CommandError(Result.MISSING_FIELD, "CallId must say which call")
        found = [actor for actor in self._actors.values() if self._has(actor.call, number, login)]
        if not found:
            raise CommandError(Result.NO_CALL, "no such call is alive")
        if len(found) > 1:
            raise CommandError(Result.WRONG_STATE, "several calls fit: name the CallId")
        return found[0]

    def _has(self, call: Call, number: str | None, login: str | None) -> bool:
        alive = [leg for leg in call.legs.values() if leg.alive]
        return (
            number is None or any(same(self.settings, leg.number, number) for leg in alive)
        ) and (login is None or any(leg.login == login for leg in alive))

    def knows(self, channel: str) -> bool:
        """Whether a channel belongs to a call."""
        return channel in self._by_channel

    def has(self, call_id: str) -> bool:
        """Whether a call is alive."""
        return call_id in self._actors

    def of_event(self, event_id: str) -> Iterator[CallActor]:
        """The calls for which an event was created (201)."""
        for actor in list(self._actors.values()):
            if actor.call.event_id == event_id and actor.call.ended is None:
                yield actor


def _is_sign_of_life(event: Event) -> bool:
    """Whether it tells that a telephone rings or was picked up."""
    if event.kind == "Dial":
        return event.dial_status in RINGS
    return event.kind in {"StasisStart", "ChannelStateChange"}
