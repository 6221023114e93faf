"""The core's end of the bus: parts say hello, their links become links of the core.

A part that is killed is found by its silence, or by the hello of the process that follows it; its
links are closed in the core, and what was not acknowledged stays on disk. A part that lives
through a restart of the core says hello to the new one and brings its links along.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Collection, Coroutine, Mapping
from typing import Any, Final

import zmq

from linkage.bus.authenticator import Authenticator
from linkage.bus.bus_journal import BusJournal
from linkage.bus.dispatcher import CALLS, FIELDS, SAYS, Dispatcher
from linkage.bus.envelope import (
    Envelope,
    EnvelopeError,
    Kind,
    VersionError,
    pack_item,
    seal,
    unseal,
)
from linkage.bus.keys import Pair
from linkage.bus.pack import PackError
from linkage.bus.part import Part
from linkage.bus.part_names import ADAPTER, adapter_of, is_part_of_core
from linkage.bus.sockets import Router
from linkage.bus.stream import Pace
from linkage.config.processes import MessagingSettings
from linkage.ports import Clock, CoreServicePort, FilesPort
from linkage.supervision import TaskSet

logger = logging.getLogger("linkage.bus")

TICK_S: Final = 0.5
PARTS_MAX: Final = 64
DRAIN_WITHIN_S: Final = 5.0
"""At a shutdown: for the answers to what parts have asked."""
ANSWERED: Final = frozenset({Kind.SUBMIT, *CALLS})
_HELLO_FIELDS: Final = 4
_UNKNOWN: Final = pack_item(Kind.UNKNOWN)


class CoreServer:
    """Offers a core to other processes. In the core's event loop.

    Args:
        core: what is offered.
        files: where the files go that parts upload.
        clock: for timers.
        settings: the figures.
        adapters: the ids of the configured adapters: each may run in a part of its own.
    """

    def __init__(
        self,
        core: CoreServicePort,
        files: FilesPort,
        clock: Clock,
        settings: MessagingSettings,
        adapters: Collection[str],
    ) -> None:
        self._core = core
        self._clock = clock
        self._settings = settings
        self._adapters = frozenset(adapters)
        self._dispatcher = Dispatcher(core, files, self._adapters)
        self._incarnation = secrets.token_hex(8)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._authenticator: Authenticator | None = None
        self._router: Router | None = None
        self._parts: dict[bytes, Part] = {}
        self._tasks = TaskSet("bus")
        self._journal = BusJournal(core, clock, self._tasks)
        self._ticking: asyncio.TimerHandle | None = None
        self._pace: Pace
        self._missing: dict[str, float] = {}
        """Parts that should be here: when it is an alarm that they are not."""
        self._stopping = False

    # --- life ------------------------------------------------------------------------------------
    def start(
        self, place: str, keys: Pair | None = None, allowed: Mapping[bytes, str] | None = None
    ) -> None:
        """Take parts in.

        Args:
            place: as `address.endpoint` gives it.
            keys: the core's own, over TCP.
            allowed: public key → part, over TCP.

        Raises:
            BusError: the place cannot be bound.
        """
        try:
            if keys is not None:
                self._authenticator = Authenticator(
                    self._context, allowed or {}, self._journal.turned_away
                )
            self._router = Router(self._context, place, keys, self._came)
        except BaseException:
            self._close_sockets()
            self._context.term()
            raise
        logger.info("bus: the core is at %s", place)
        now = self._clock.now()
        missed_at = now + self._settings.dead_after_s
        self._missing = {f"{ADAPTER}:{adapter}": missed_at for adapter in self._adapters}
        self._pace = Pace(TICK_S, now)
        self._tick()

    async def stop(self) -> None:
        """Answer what was asked, in bounded time, tell the parts, and end."""
        self._stopping = True
        if self._ticking is not None:
            self._ticking.cancel()
        await self._tasks.close(grace_s=DRAIN_WITHIN_S)
        for part in list(self._parts.values()):
            part.stream.say(Kind.BYE)
            part.stream.flush()
            self._drop(part, "linkage stops")
        self._close_sockets()
        await asyncio.to_thread(self._context.term)

    def _close_sockets(self) -> None:
        for socket in (self._router, self._authenticator):
            if socket is not None:
                socket.close()

    @property
    def parts(self) -> dict[str, int]:
        """The parts that are here, and how many links each has."""
        return {part.name: len(part.links) for part in self._parts.values()}

    # --- envelopes -------------------------------------------------------------------------------
    def _came(self, identity: bytes, user: str | None, data: bytes) -> None:
        try:
            envelope = unseal(data)
        except VersionError as error:
            problem = f"{error}: install the same linkage for all parts"
            self._journal.complain(f"a part is refused: {problem}")
            self._refuse(identity, problem)
            return
        except EnvelopeError as error:
            self._journal.complain(f"dropped what is no envelope: {error}")
            return
        if self._stopping:
            return
        first = envelope.items[0] if envelope.items else (None,)
        if first[0] == Kind.HELLO:
            self._greet(identity, user, envelope)
            return
        part = self._parts.get(identity)
        if part is None or envelope.conversation != part.stream.conversation:
            self._reply(identity, seal(envelope.conversation, 0, [_UNKNOWN]))
            return
        part.heard_at = self._clock.now()
        if not part.stream.take(envelope):
            self._drop(part, "an envelope of it was lost")
            self._reply(identity, seal(envelope.conversation, 0, [_UNKNOWN]))
            return
        for item in envelope.items:
            self._handle(part, item)

    def _greet(self, identity: bytes, user: str | None, envelope: Envelope) -> None:
        hello = envelope.items[0]
        problem = self._objection(hello, user)
        if problem is not None:
            self._journal.complain(f"a part is refused: {problem}")
            self._refuse(identity, problem)
            return
        _, name, incarnation, capabilities = hello
        for other in list(self._parts.values()):
            if other.name == name and other.identity != identity:
                if other.incarnation != incarnation:
                    other.stream.say(Kind.REPLACED)
                    other.stream.flush()
                self._drop(other, "a new conversation of its part")
            elif other.identity == identity:
                # Also under another name: what it was before is over.
                self._drop(other, "a new conversation of its part")
        part = Part(identity, name, incarnation, self._send_to, self._core)
        part.stream.begin(envelope.conversation)
        part.stream.take(envelope)
        part.heard_at = self._clock.now()
        self._parts[identity] = part
        self._dispatcher.learn(part, capabilities)
        part.stream.say(Kind.WELCOME, self._incarnation)
        self._missing.pop(name, None)
        self._journal.here(name)

    def _objection(self, hello: tuple[Any, ...], user: str | None) -> str | None:
        """Why a hello is not welcome, with the remedy; None: it is.

        `user` is the part whose key opened the connection; None: it came by no key.
        """
        if len(hello) != _HELLO_FIELDS or not all(type(word) is str for word in hello[1:3]):
            return "the hello is damaged"
        name = hello[1]
        if not is_part_of_core(name):
            return f"{name[:80]!r} is no part: gateway, gateway:NAME or adapter:NAME"
        if user not in {None, name}:
            remedy = "give each part its own (`linkage keys`)"
            return f"the key is that of {user}, not of {name}: {remedy}"
        adapter = adapter_of(name)
        if adapter is not None and adapter not in self._adapters:
            return f"the core's configuration has no [[adapter]] {adapter!r}"
        if len(self._parts) >= PARTS_MAX:
            return f"{PARTS_MAX} parts are here already"
        return None

    def _handle(self, part: Part, item: tuple[Any, ...]) -> None:
        kind, fields = item[0], item[1:]
        try:
            self._serve(part, kind, fields)
        except PackError as error:
            self._journal.complain(f"{part.name} sent a damaged item: {error}")
            text = str(error)
        except Exception as error:
            # A bug met at one item costs that item, not those behind it.
            logger.exception("bus: an item of %s failed", part.name)
            text = type(error).__name__
        else:
            return
        if kind in ANSWERED and fields and type(fields[0]) is int:
            part.say(Kind.FAILED, fields[0], "internal", text)

    def _serve(self, part: Part, kind: int, fields: tuple[Any, ...]) -> None:
        count = FIELDS.get(kind)
        if count is None:
            raise PackError(f"an item of kind {kind} is not known")
        if len(fields) != count or (fields and type(fields[0]) is not int):
            raise PackError(f"an item of kind {kind} has {count} fields")
        if kind in CALLS:
            work = CALLS[kind](self._dispatcher, part, *fields[1:])
            self._tasks.start(self._answer(part, fields[0], work), "call")
        elif kind in SAYS:
            SAYS[kind](self._dispatcher, part, *fields)
        elif kind == Kind.BYE:
            self._drop(part, f"{part.name} stops")
            self._missing.pop(part.name, None)

    async def _answer(self, part: Part, call: int, work: Coroutine[Any, Any, Any]) -> None:
        try:
            part.say(Kind.ANSWER, call, await work)
        except PackError as error:
            self._journal.complain(f"{part.name} sent a damaged item: {error}")
            part.say(Kind.FAILED, call, "internal", str(error))
        except KeyError as error:
            part.say(Kind.FAILED, call, "peer", str(error.args[0] if error.args else error))
        except OSError as error:
            part.say(Kind.FAILED, call, "store", error.strerror or str(error))
        except Exception as error:
            logger.exception("bus: a call of %s failed", part.name)
            part.say(Kind.FAILED, call, "internal", type(error).__name__)

    def _drop(self, part: Part, reason: str) -> None:
        """The part is gone: so are its links."""
        if self._parts.get(part.identity) is not part:
            return
        del self._parts[part.identity]
        self._missing[part.name] = part.heard_at + self._settings.dead_after_s
        logger.warning("bus: %s is gone: %s (%d links)", part.name, reason, len(part.links))
        part.end(reason)

    def _send_to(self, identity: bytes, envelope: bytes) -> bool:
        return self._router is not None and self._router.send(identity, envelope)

    def _reply(self, identity: bytes, envelope: bytes) -> None:
        """To somebody who is no part: once, whether it gets there or not."""
        self._send_to(identity, envelope)

    def _refuse(self, identity: bytes, text: str) -> None:
        self._reply(identity, seal(0, 0, [pack_item(Kind.REFUSED, text)]))

    def _tick(self) -> None:
        self._ticking = asyncio.get_running_loop().call_later(TICK_S, self._tick)
        now = self._clock.now()
        late_s = self._pace.late_s(now)
        for part in list(self._parts.values()):
            part.heard_at = min(now, part.heard_at + late_s)
            silent_s = now - part.heard_at
            if silent_s > self._settings.dead_after_s:
                self._drop(part, f"silent for {silent_s:.0f} s")
            elif now - part.said_at >= self._settings.heartbeat_s:
                part.said_at = now
                part.stream.say(Kind.PING)
        for name in [name for name, due in self._missing.items() if now >= due]:
            del self._missing[name]
            self._journal.missing(name)
