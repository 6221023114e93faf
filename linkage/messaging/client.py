"""The core as a part sees it that runs in another process: `CorePort` over the bus.

```
 AWAY ── hello ──▶ GREETING ── welcome ──▶ RESUMING ── every link is known again ──▶ UP
   ▲                                                                                │
   └── silence · a lost envelope · "unknown conversation" (another core) ◀──────────┘
```
The core may be killed and come again: links stay, calls wait. A call that was asked of the core
that died is asked again of the next one, whose journal answers what it has already with the first
result; one that waits too long is answered 404 with RetryAfter, and never 0.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from enum import Enum
from functools import partial
from typing import Any, Final

import zmq

from linkage.messaging.address import is_ipc
from linkage.messaging.calls import Call, Calls, CoreAwayError, Told
from linkage.messaging.envelope import (
    Envelope,
    EnvelopeError,
    Kind,
    VersionError,
    pack_item,
    unseal,
)
from linkage.messaging.keys import Pair
from linkage.messaging.links import LocalLink
from linkage.messaging.pack import (
    PackError,
    pack_request,
    pack_response,
    unpack_request,
    unpack_response,
)
from linkage.messaging.settings import BusSettings
from linkage.messaging.sockets import RECONNECT_MAX_MS, RECONNECT_MS, Socket
from linkage.messaging.stream import Stream
from linkage.ports import Capability, Clock, EntryKind, Link
from linkage.supervision import TaskSet
from protocol.envelope import Request, Response
from protocol.messages import CapabilityNotice
from protocol.registration import peer_id_of
from protocol.results import Result

logger = logging.getLogger("linkage.messaging")

TICK_S: Final = 0.25
GREET_AGAIN_S: Final = 1.0
REFUSED_AGAIN_S: Final = 5.0
"""Between two hellos: to a core that does not answer, and to one that refused the last."""
RETRY_AFTER_S: Final = 2
NOTES_MAX: Final = 1000
"""Entries that wait for a core; more of them are lost, and the log says how many."""
QUIET_BEATS: Final = 3
"""Heartbeats missed from which the core counts as absent for those that wait."""
EXPIRE_S: Final = 30
"""How long a command without `Expire` may wait (PROTOCOL.md section 2)."""
COMMAND_DIGITS: Final = frozenset({2, 4, 6})


class State(Enum):
    """How it stands between this part and a core."""

    AWAY = "away"
    GREETING = "greeting"
    RESUMING = "resuming"
    UP = "up"
    ENDED = "ended"


class _Dealer(Socket):
    """The part's socket: one core at its other end, whichever that is."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        place: str,
        keys: tuple[Pair, bytes] | None,
        came: Any,
    ) -> None:
        super().__init__(context, zmq.DEALER)
        self._came = came
        # Nothing is queued for a core that is not there: it would be a stranger to the next one.
        self._socket.setsockopt(zmq.IMMEDIATE, 1)
        self._socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
        self._socket.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
        self._socket.setsockopt(zmq.ROUTING_ID, b"p" + secrets.token_bytes(12))
        if keys is not None:
            pair, core = keys
            self._socket.setsockopt(zmq.CURVE_PUBLICKEY, pair.public)
            self._socket.setsockopt(zmq.CURVE_SECRETKEY, pair.secret)
            self._socket.setsockopt(zmq.CURVE_SERVERKEY, core)
        self._socket.connect(place)
        self._watch()

    def send(self, envelope: bytes) -> bool:
        """Whether it is on its way."""
        return self._put([envelope])

    def _took(self, parts: list[zmq.Frame]) -> None:
        if len(parts) == 1:
            self._came(bytes(parts[0].buffer))


class CoreClient:
    """`CorePort`, and an adapter's memory and files, for one part. In one event loop.

    Args:
        part: `gateway`, `gateway:NAME` or `adapter:NAME`.
        place: as `address.endpoint` gives it.
        clock: for timers, and for when a peer said something.
        settings: the figures.
        keys: the part's pair and the core's public key, over TCP.
        capabilities: of the adapters that this part runs, by peer id.
    """

    def __init__(
        self,
        part: str,
        place: str,
        clock: Clock,
        settings: BusSettings,
        *,
        keys: tuple[Pair, bytes] | None = None,
        capabilities: Mapping[str, Capability] | None = None,
    ) -> None:
        assert keys is not None or is_ipc(place), "the composition root sees to that"
        self._part = part
        self._place = place
        self._clock = clock
        self._settings = settings
        self._keys = keys
        self._capabilities = {
            peer: {number: sorted(actions) for number, actions in capability.items()}
            for peer, capability in (capabilities or {}).items()
        }
        self._incarnation = secrets.token_hex(8)
        self._calls = Calls()
        self._links: dict[Link, LocalLink] = {}
        self._numbers: dict[int, LocalLink] = {}
        self._last_link = 0
        self._tasks = TaskSet(f"bus {part}")
        self._state = State.AWAY
        self._refusal: str | None = None
        self._conversation = 0
        self._heard_at = self._said_at = self._greet_at = self._left_at = clock.now()
        self._notes = self._notes_lost = 0
        self._ticking: asyncio.TimerHandle | None = None
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket: _Dealer | None = None
        self._stream: Stream
        self.replaced: asyncio.Future[None]
        """Done when another process has taken this part's name: this one has nothing to do."""

    # --- life ------------------------------------------------------------------------------------
    def start(self) -> None:
        """Begin to look for the core; returns at once, whether it is there or not."""
        loop = asyncio.get_running_loop()
        self.replaced = loop.create_future()
        self._socket = _Dealer(self._context, self._place, self._keys, self._came)
        self._stream = Stream(self._send)
        self._left_at = self._clock.now()
        self._tick()

    async def stop(self) -> None:
        """Say goodbye and end; what waits still is answered 404. The links are closed before."""
        if self._ticking is not None:
            self._ticking.cancel()
        if self._socket is not None:
            if self._state in {State.UP, State.RESUMING}:
                self._stream.say(Kind.BYE)
                self._stream.flush()
            self._state = State.ENDED
            self._stream.end()
            self._calls.end()
            await self._tasks.close()
            self._socket.close()
        await asyncio.to_thread(self._context.term)

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

    @property
    def waiting(self) -> int:
        """Calls that the core has not answered."""
        return len(self._calls)

    @property
    def peers(self) -> list[str]:
        """Whose links this part has."""
        return [link.peer_id for link in list(self._links.values()) if link.peer_id is not None]

    # --- CorePort --------------------------------------------------------------------------------
    async def register(self, link: Link, request: Request) -> Response:
        """See `CorePort.register`."""
        local = self._local(link)
        came_at = self._clock.utc()
        try:
            found = await self._call_for(
                local, Kind.REGISTER, link.address, link.window, pack_request(request),
                hold_s=self._settings.hold_s,
            )  # fmt: skip
        except CoreAwayError:
            return _away(request)
        except RuntimeError as error:
            return _failed(request, error)
        response = unpack_response(found)
        if response.accepted:
            local.peer_id = peer_id_of(request.message)
            local.told = ((request, came_at),)
        return response

    async def adopt(self, link: Link, peer_id: str) -> None:
        """See `CorePort.adopt`. Waits for a core as long as it takes, or the link lives."""
        local = self._local(link)
        try:
            await self._call_for(local, Kind.ADOPT, link.address, link.window, peer_id)
        except CoreAwayError:
            if link in self._links:
                raise
            return  # closed meanwhile: the caller sees that by itself
        local.peer_id = peer_id

    async def introduce(self, peer_id: str) -> Request:
        """See `CorePort.introduce`.

        Raises:
            CoreAwayError: there is no core.
        """
        found = await self._call(Kind.INTRODUCE, peer_id, hold_s=self._settings.hold_s)
        return unpack_request(found)

    def begin(self, link: Link) -> None:
        """See `CorePort.begin`."""
        local = self._links.get(link)
        if local is not None:
            local.begun = True
            self._say(Kind.BEGIN, local.number)

    async def submit(
        self, link: Link, request: Request, *, reconstructed: bool = False
    ) -> Response:
        """See `CorePort.submit`."""
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self.post(link, request, partial(_settle, answer), reconstructed=reconstructed)
        return await answer

    def post(
        self,
        link: Link,
        request: Request,
        answer: Callable[[Response], None],
        *,
        reconstructed: bool = False,
    ) -> None:
        """See `CorePort.post`."""
        local = self._links.get(link)
        if local is None:
            answer(_refused(request, Result.SESSION_EXPIRED))
            return
        if self._calls.full:
            answer(_refused(request, Result.OVERLOAD, retry_after_s=1))
            return

        def told(value: Any, error: Exception | None) -> None:
            answer(self._submitted(local, request, value, error))

        try:
            self._ask(
                told, Kind.SUBMIT, local.number, pack_request(request), reconstructed,
                hold_s=self._hold(request),
            )  # fmt: skip
        except (TypeError, ValueError, OverflowError) as error:
            answer(_failed(request, error))

    def _submitted(
        self, local: LocalLink, request: Request, value: Any, error: Exception | None
    ) -> Response:
        if error is not None:
            away = isinstance(error, CoreAwayError)
            return _away(request) if away else _failed(request, error)
        try:
            response = unpack_response(value)
        except PackError as damage:
            return _failed(request, damage)
        if isinstance(request.message, CapabilityNotice) and response.accepted:
            local.told = (*local.told[:1], (request, self._clock.utc()))
        return response

    def _hold(self, request: Request) -> float:
        # A command that has expired meanwhile must not come to the core any more.
        if request.type // 100 not in COMMAND_DIGITS:
            return self._settings.hold_s
        expire_s = EXPIRE_S if request.expire_s is None else request.expire_s
        return min(self._settings.hold_s, float(expire_s))

    def answered(self, link: Link, response: Response) -> None:
        """See `CorePort.answered`."""
        local = self._links.get(link)
        if local is not None:
            live = self._state in {State.UP, State.RESUMING}
            if live:
                self._stream.say(Kind.ANSWERED, local.number, pack_response(response))
            local.answered(response, live=live)

    async def note(
        self,
        link: Link,
        kind: EntryKind,
        detail: str,
        *,
        raw: bytes = b"",
        result: int | None = None,
    ) -> None:
        """See `CorePort.note`. Waits for a core; of too many that wait, the rest is lost."""
        if self._notes >= NOTES_MAX:
            self._notes_lost += 1
            return
        local = self._links.get(link)
        number = 0 if local is None else local.number
        plain_result = None if result is None else int(result)
        self._notes += 1
        try:
            await self._call(
                Kind.NOTE, number, link.address, kind.value, detail, raw, plain_result
            )
        finally:
            self._notes -= 1

    def closed(self, link: Link, reason: str) -> None:
        """See `CorePort.closed`."""
        local = self._links.pop(link, None)
        if local is None:
            return
        del self._numbers[local.number]
        self._say(Kind.CLOSED, local.number, reason)
        if local.asking is not None:
            self._calls.drop_unsent(local.asking)

    # --- adapters' memory and files --------------------------------------------------------------
    async def recall(self, adapter: str) -> dict[str, Any]:
        """An adapter's memory, as JSON texts by key.

        Raises:
            OSError: the store, or the core, cannot be reached.
        """
        found: dict[str, Any] = await self._call(Kind.RECALL, adapter, hold_s=EXPIRE_S)
        return found

    async def remember(self, adapter: str, key: str, value: str | None) -> None:
        """Write a key of it, a JSON text; None deletes. Returns when it is on disk.

        Raises:
            OSError: as `recall`.
        """
        await self._call(Kind.REMEMBER, adapter, key, value, hold_s=EXPIRE_S)

    async def file_call(self, kind: Kind, *fields: Any) -> Any:
        """One step of an upload (`linkage.messaging.files`).

        Raises:
            OSError: the disk of the core, or the core, cannot be reached.
        """
        return await self._call(kind, *fields, hold_s=EXPIRE_S)

    def drop_file(self, handle: int) -> None:
        """An upload will not be whole."""
        self._say(Kind.FILE_DROP, handle)

    # --- asking ----------------------------------------------------------------------------------
    def _ask(self, told: Told, kind: Kind, *fields: Any, hold_s: float | None = None) -> int:
        """Ask the core, or the next one; returns the call's number.

        Raises:
            TypeError, ValueError, OverflowError: a value cannot cross.
        """
        number = self._calls.next_number()
        packed = pack_item(kind, number, *fields)
        call = Call(kind, packed, self._clock.now(), hold_s, told)
        if self._state is State.ENDED:
            told(None, CoreAwayError("this part stops"))
            return number
        self._calls.add(number, call)
        if self._state is State.UP or (kind is Kind.RESUME and self._state is State.RESUMING):
            call.sent = True
            self._stream.add(packed)
        return number

    def _call(self, kind: Kind, *fields: Any, hold_s: float | None = None) -> asyncio.Future[Any]:
        """The same for who awaits the answer."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._ask(partial(_tell, answer), kind, *fields, hold_s=hold_s)
        return answer

    def _call_for(
        self, local: LocalLink, kind: Kind, *fields: Any, hold_s: float | None = None
    ) -> asyncio.Future[Any]:
        """Ask for a link to be taken; nobody is asked that any more when it is closed."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        told = partial(_tell, answer)
        local.asking = self._ask(told, kind, local.number, *fields, hold_s=hold_s)
        return answer

    def _say(self, *item: Any) -> None:
        """Tell what needs no answer; a core that is not there learns it by `_resume`."""
        if self._state in {State.UP, State.RESUMING}:
            self._stream.say(*item)

    def _local(self, link: Link) -> LocalLink:
        local = self._links.get(link)
        if local is None:
            self._last_link += 1
            local = LocalLink(self._last_link, link)
            self._links[link] = self._numbers[local.number] = local
        return local

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
        silent_s = now - self._heard_at
        talking = self._state in {State.UP, State.RESUMING}
        if talking and silent_s > self._settings.dead_after_s:
            self._lose(f"it was silent for {silent_s:.0f} s")
            talking = False
        if talking:
            if now - self._said_at >= self._settings.heartbeat_s:
                self._stream.say(Kind.PING)
        elif now >= self._greet_at and self._state is not State.ENDED:
            self._greet()
        if not talking:
            self._calls.give_up(now, self._left_at)
        elif silent_s > QUIET_BEATS * self._settings.heartbeat_s:
            self._calls.give_up(now, self._heard_at)

    def _greet(self) -> None:
        self._state = State.GREETING
        self._conversation += 1
        self._greet_at = self._clock.now() + GREET_AGAIN_S
        self._stream.begin(self._conversation)
        self._stream.say(Kind.HELLO, self._part, self._incarnation, self._capabilities)

    def _lose(self, reason: str) -> None:
        """The core is gone, or has forgotten us: what we hold waits for the next one."""
        if self._state not in {State.UP, State.RESUMING}:
            return
        logger.warning(
            "bus: %s has no core: %s; %d links and %d calls wait",
            self._part, reason, len(self._links), len(self._calls),
        )  # fmt: skip
        self._state = State.AWAY
        self._left_at = self._heard_at
        self._greet_at = self._clock.now()
        self._stream.end()
        self._calls.left()
        for local in self._links.values():
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
        elif envelope.conversation == self._conversation and self._state is not State.ENDED:
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
            case (Kind.CLOSE, number, reason) if number in self._numbers:
                self._numbers[number].link.close(str(reason))
            case (Kind.WELCOME, _):
                self._welcomed()
            case (Kind.BYE,):
                self._lose("it stops")
            case (Kind.REPLACED,):
                self._end()
            case _:
                if item[0] not in {Kind.PING, Kind.CLOSE}:
                    logger.warning("bus: an item of kind %r is not known", item[0])

    def _settled(self, number: int, value: Any) -> None:
        call = self._calls.take(number)
        if call is not None:
            call.told(value, None)

    def _failed(self, number: int, error: Any, text: str) -> None:
        call = self._calls.take(number)
        if call is not None:
            call.told(None, _error(error, text))

    def _welcomed(self) -> None:
        self._refusal = None
        self._state = State.RESUMING
        self._tasks.start(self._resume(self._conversation), "resume")

    def _pushed(self, number: int, packed: Any) -> None:
        local = self._numbers.get(number)
        if local is None:
            return  # closed while this was on its way
        answer = local.push(unpack_request(packed))
        if answer is not None:
            self._stream.say(Kind.ANSWERED, number, pack_response(answer))

    def _end(self) -> None:
        self._lose("another process took over")
        self._state = State.ENDED
        self._calls.end()
        logger.error("bus: another process serves as %s now: this one ends", self._part)
        if not self.replaced.done():
            self.replaced.set_result(None)

    async def _resume(self, conversation: int) -> None:
        """Make every link known to a core that has just come; then ask it what waits."""
        known = [local for local in self._links.values() if local.peer_id is not None]
        taken = await asyncio.gather(
            *[self._resume_link(local) for local in known], return_exceptions=True
        )
        if self._conversation != conversation or self._state is not State.RESUMING:
            return
        for local, result in zip(known, taken, strict=True):
            if result is not True and local.number in self._numbers:
                why = "replaced" if result is False else f"not taken over: {result}"
                local.link.close(why)
        self._state = State.UP
        waiting = list(self._calls.unsent())
        logger.info(
            "bus: %s has a core: %d links, %d calls wait", self._part, len(known), len(waiting)
        )
        for call in waiting:
            call.sent = True
            self._stream.add(call.packed)
        if self._notes_lost:
            logger.error("bus: %d entries for the journal were lost", self._notes_lost)
            self._notes_lost = 0

    def _resume_link(self, local: LocalLink) -> asyncio.Future[Any]:
        told = tuple([(pack_request(request), came_at) for request, came_at in local.told])
        return self._call(
            Kind.RESUME, local.number, local.link.address, local.link.window, local.peer_id,
            local.begun, told,
        )  # fmt: skip


def _settle(answer: asyncio.Future[Response], response: Response) -> None:
    # Who waited may have been cancelled.
    if not answer.done():
        answer.set_result(response)


def _tell(answer: asyncio.Future[Any], value: Any, error: Exception | None) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(value)
    else:
        answer.set_exception(error)


def _error(kind: Any, text: str) -> Exception:
    if kind == "peer":
        return KeyError(text)
    if kind == "store":
        return OSError(text)
    return RuntimeError(text)


def _refused(
    request: Request, result: Result, detail: str | None = None, retry_after_s: int | None = None
) -> Response:
    return Response(
        request_id=request.id,
        type=request.type,
        result=int(result),
        detail=detail,
        retry_after_s=retry_after_s,
    )


def _away(request: Request) -> Response:
    return _refused(request, Result.OVERLOAD, "the core is not there now", RETRY_AFTER_S)


def _failed(request: Request, error: Exception) -> Response:
    logger.error("bus: %d %s could not be handed on: %s", request.type, request.id, error)
    return _refused(request, Result.INTERNAL, "internal error")
