"""A part's conversation with the core, whichever core that is.

```
 AWAY ── hello ──▶ GREETING ── welcome ──▶ RESUMING ── every link is known again ──▶ UP
   ▲                                                                                │
   └── silence · a lost envelope · "unknown conversation" (another core) ◀──────────┘
```
The core may be killed and come again: links stay, calls wait. A call that was asked of the core
that died is asked again of the next one, whose journal answers what it has already with the first
result; one that waits too long fails, and never succeeds without a core.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
from collections.abc import Mapping
from enum import Enum
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import zmq

from linkage.bus.envelope import (
    Envelope,
    EnvelopeError,
    Kind,
    VersionError,
    pack_item,
    unseal,
)
from linkage.bus.keys import Pair
from linkage.bus.local_links import LocalLinks
from linkage.bus.pack import PackError, pack_response, unpack_request
from linkage.bus.pending_calls import Call, CoreAwayError, PendingCalls, Told, tell
from linkage.bus.resumption import bring_along
from linkage.bus.sockets import Dealer
from linkage.bus.stream import Pace, Stream
from linkage.config.processes import MessagingSettings
from linkage.ports import Capability, Clock
from linkage.supervision import TaskSet

logger = logging.getLogger("linkage.bus")

TICK_S: Final = 0.25
GREET_AGAIN_S: Final = 1.0
REFUSED_AGAIN_S: Final = 5.0
"""Between two hellos: to a core that does not answer, and to one that refused the last."""
QUIET_BEATS: Final = 3
"""Heartbeats missed from which the core counts as absent for those that wait."""


class State(Enum):
    """How it stands between this part and a core."""

    AWAY = "away"
    GREETING = "greeting"
    RESUMING = "resuming"
    UP = "up"
    ENDED = "ended"


_TALKING: Final = frozenset({State.RESUMING, State.UP})


class CoreConnection:
    """One part's end of the bus. In one event loop.

    Args:
        part: `gateway`, `gateway:NAME` or `adapter:NAME`.
        place: as `address.endpoint` gives it.
        clock: for timers.
        settings: the figures.
        keys: the part's pair and the core's public key, over TCP.
        capabilities: of the adapters that this part runs, by peer id.
    """

    def __init__(
        self,
        part: str,
        place: str,
        clock: Clock,
        settings: MessagingSettings,
        keys: tuple[Pair, bytes] | None = None,
        capabilities: Mapping[str, Capability] = MappingProxyType({}),
    ) -> None:
        self._part = part
        self._place = place
        self._clock = clock
        self._settings = settings
        self._keys = keys
        self._capabilities = {
            peer: {number: sorted(actions) for number, actions in capability.items()}
            for peer, capability in capabilities.items()
        }
        self._incarnation = secrets.token_hex(8)
        self._tasks = TaskSet(f"bus {part}")
        self._state = State.AWAY
        self._refusal: str | None = None
        self._number = 0
        self._heard_at = self._said_at = self._greet_at = self._left_at = clock.now()
        self._ticking: asyncio.TimerHandle | None = None
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket: Dealer | None = None
        self._stream: Stream
        self._pace: Pace
        self.calls = PendingCalls()
        self.links = LocalLinks(clock.now)
        self.replaced: asyncio.Future[None]
        """Done when another process has taken this part's name: this one has nothing to do."""

    # --- life ------------------------------------------------------------------------------------
    def start(self) -> None:
        """Begin to look for the core; returns at once, whether it is there or not."""
        loop = asyncio.get_running_loop()
        self.replaced = loop.create_future()
        self._socket = Dealer(self._context, self._place, self._keys, self._came)
        self._stream = Stream(self._send)
        self._left_at = self._clock.now()
        self._pace = Pace(TICK_S, self._left_at)
        self._tick()

    async def stop(self) -> None:
        """Say goodbye and end; what waits still is answered 404. The links are closed before."""
        if self._ticking is not None:
            self._ticking.cancel()
        if self._socket is not None:
            if self.talking:
                self._stream.say(Kind.BYE)
                self._stream.flush()
            self._state = State.ENDED
            self._stream.end()
            self.calls.end()
            await self._tasks.close()
            self._socket.close()
        await asyncio.to_thread(self._context.term)

    @property
    def talking(self) -> bool:
        """Whether there is a core that hears what is said."""
        return self._state in _TALKING

    @property
    def connected(self) -> bool:
        """Whether the core is there and knows every link."""
        return self._state is State.UP

    @property
    def problem(self) -> str | None:
        """In words, what keeps this part from the core; None: nothing."""
        if self._state is State.UP:
            return None
        return self._refusal or f"the core is not there ({self._place})"

    # --- asking ----------------------------------------------------------------------------------
    def ask(
        self,
        told: Told,
        kind: Kind,
        *fields: Any,
        hold_s: float | None = None,
        lane: int | None = None,
        expires_at: float = math.inf,
    ) -> int:
        """Ask the core, or the next one; returns the call's number. See `Call` for the options.

        Raises:
            TypeError, ValueError, OverflowError: a value cannot cross.
        """
        number = self.calls.next_number()
        packed = pack_item(kind, number, *fields)
        call = Call(kind, packed, self._clock.now(), hold_s, told, lane, expires_at)
        if self._state is State.ENDED:
            told(None, CoreAwayError("this part stops"))
            return number
        self.calls.add(number, call)
        if self._state is State.UP or (kind is Kind.RESUME and self._state is State.RESUMING):
            call.sent = True
            self._stream.add(packed)
        return number

    def call(self, kind: Kind, *fields: Any, **options: Any) -> asyncio.Future[Any]:
        """The same, for who awaits the answer."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.ask(partial(tell, answer), kind, *fields, **options)
        return answer

    def say(self, *item: Any) -> None:
        """Tell what needs no answer; a core that is not there learns it by `_resume`."""
        if self.talking:
            self._stream.say(*item)

    # --- the conversation ------------------------------------------------------------------------
    def _send(self, envelope: bytes) -> bool:
        assert self._socket is not None, "started"
        taken = self._socket.send(envelope)
        if taken:
            self._said_at = self._clock.now()
        return taken

    def _tick(self) -> None:
        self._ticking = asyncio.get_running_loop().call_later(TICK_S, self._tick)
        now = self._clock.now()
        self._heard_at = min(now, self._heard_at + self._pace.late_s(now))
        silent_s = now - self._heard_at
        talking = self.talking
        if talking and silent_s > self._settings.dead_after_s:
            self._lose(f"it was silent for {silent_s:.0f} s")
            talking = False
        if talking:
            if now - self._said_at >= self._settings.heartbeat_s:
                self._stream.say(Kind.PING)
        elif now >= self._greet_at and self._state is not State.ENDED:
            self._greet()
        if not talking:
            self.calls.give_up(now, self._left_at)
        elif silent_s > QUIET_BEATS * self._settings.heartbeat_s:
            self.calls.give_up(now, self._heard_at)

    def _greet(self) -> None:
        self._state = State.GREETING
        self._number += 1
        self._greet_at = self._clock.now() + GREET_AGAIN_S
        self._stream.begin(self._number)
        self._stream.say(Kind.HELLO, self._part, self._incarnation, self._capabilities)

    def _lose(self, reason: str) -> None:
        """The core is gone, or has forgotten us: what we hold waits for the next one."""
        if not self.talking:
            return
        logger.warning(
            "bus: %s has no core: %s; %d links and %d calls wait",
            self._part, reason, len(self.links), len(self.calls),
        )  # fmt: skip
        self._state = State.AWAY
        self._left_at = self._heard_at
        self._greet_at = self._clock.now()
        self._stream.end()
        self.calls.left()
        for local in self.links:
            local.left()

    def _came(self, data: bytes) -> None:
        try:
            envelope = unseal(data)
        except VersionError as error:
            self._refused(
                error.refusal
                or f"the core speaks the bus in another version: {error}: "
                "install the same linkage for all parts"
            )
            return
        except EnvelopeError as error:
            logger.warning("bus: the core sent what is no envelope: %s", error)
            self._lose("it sent what cannot be read")
            return
        self._heard_at = self._clock.now()
        first = envelope.items[0][0] if envelope.items else None
        if first == Kind.REFUSED:
            self._refused(str(envelope.items[0][1]) if len(envelope.items[0]) > 1 else "")
        elif envelope.conversation == self._number and self._state is not State.ENDED:
            self._take(envelope, first)

    def _take(self, envelope: Envelope, first: int | None) -> None:
        if first == Kind.UNKNOWN:
            self._lose("another core is there")
            return
        if self._state is State.GREETING and first != Kind.WELCOME:
            return
        if not self._stream.take(envelope):
            self._lose("an envelope was lost")
            return
        for item in envelope.items:
            try:
                self._handle(item)
            except (PackError, ValueError, TypeError, IndexError, KeyError) as error:
                logger.warning("bus: an item of the core is damaged: %r", error)
            except Exception:
                # A bug met at one item costs that item, not those behind it.
                logger.exception("bus: an item of the core failed")

    def _refused(self, text: str) -> None:
        if text != self._refusal:
            logger.error("bus: the core refuses %s: %s", self._part, text)
        self._refusal = text
        self._lose("it refuses us")
        self._greet_at = self._clock.now() + REFUSED_AGAIN_S

    # --- what the core says ----------------------------------------------------------------------
    def _handle(self, item: tuple[Any, ...]) -> None:
        match item:
            case (Kind.ANSWER, number, value):
                self._settled(number, value)
            case (Kind.PUSH, number, packed):
                self._pushed(number, packed)
            case (Kind.FAILED, number, error, text):
                self._failed(number, error, str(text))
            case (Kind.CLOSE, number, reason):
                self._closed(number, str(reason))
            case (Kind.WELCOME, _):
                self._welcomed()
            case (Kind.BYE,):
                self._lose("it stops")
            case (Kind.REPLACED,):
                self._end()
            case _:
                if item[0] != Kind.PING:
                    logger.warning("bus: an item of kind %r is not known", item[0])

    def _settled(self, number: int, value: Any) -> None:
        call = self.calls.take(number)
        if call is not None:
            call.told(value, None)

    def _failed(self, number: int, error: Any, text: str) -> None:
        call = self.calls.take(number)
        if call is not None:
            call.told(None, _error(error, text))

    def _welcomed(self) -> None:
        self._refusal = None
        self._state = State.RESUMING
        self._tasks.start(self._resume(self._number), "resume")

    def _closed(self, number: int, reason: str) -> None:
        local = self.links.numbered(number)
        if local is not None:
            local.link.close(reason)

    def _pushed(self, number: int, packed: Any) -> None:
        local = self.links.numbered(number)
        if local is None:
            return  # closed while this was on its way
        answer = local.push(unpack_request(packed))
        if answer is not None:
            self._stream.say(Kind.ANSWERED, number, pack_response(answer))
        for expired in local.take_expired():
            self._stream.say(Kind.ANSWERED, number, pack_response(expired))

    def _end(self) -> None:
        self._lose("another process took over")
        self._state = State.ENDED
        self.calls.end()
        logger.error("bus: another process serves as %s now: this one ends", self._part)
        if not self.replaced.done():
            self.replaced.set_result(None)

    async def _resume(self, conversation: int) -> None:
        """Make every link known to a core that has just come; then ask it what waits."""

        def goes_on() -> bool:
            return self._number == conversation and self._state is State.RESUMING

        brought = await bring_along(self.links, self.call, goes_on)
        if not goes_on():
            return
        self._state = State.UP
        waiting = list(self.calls.unsent())
        logger.info(
            "bus: %s has a core: %d links, %d calls wait", self._part, brought, len(waiting)
        )
        for call in waiting:
            call.sent = True
            self._stream.add(call.packed)


def _error(kind: Any, text: str) -> Exception:
    if kind == "peer":
        return KeyError(text)
    if kind == "store":
        return OSError(text)
    return RuntimeError(text)
