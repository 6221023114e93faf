"""The test harness: plays linkage towards one implementation, connection after connection."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from protocol.codec import encode
from protocol.dialect import Dialect
from protocol.envelope import Request, Response
from protocol.frames import encode_message
from protocol.message import Message
from protocol.messages import (
    ConferenceNotice,
    HangupNotice,
    IncomingCallNotice,
    QueryCapability,
)
from protocol.results import Result
from protocol.roles import Role
from simulators.background import Background
from simulators.clock import RealClock
from simulators.conformance.connection import Connection, Item
from simulators.conformance.handshake import Handshake, Handshakes
from simulators.conformance.mailbox import Mailbox
from simulators.conformance.model import (
    ConformanceError,
    FailedError,
    Settings,
    SkippedError,
    WarnedError,
)
from simulators.conformance.violations import Violations

REDIAL_S: Final = 0.1
CALLS_MAX: Final = 1000
"""Calls of a platform that are remembered."""
ASKS_FOR_DATA: Final = frozenset({215, 280, 285, 286, 292, 293, 294})
"""Commands whose outcome only a real linkage has."""


class Harness:
    """What the checks work with. Made by `open_harness`.

    `connection()` gives a registered connection, waiting for the implementation where needed;
    `ask` sends a request and wants its response.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.violations = Violations(settings.role)
        self.clock = RealClock()
        self.reception = Handshakes(settings, self.violations, self.clock)
        self.handshakes: list[Handshake] = []
        self.mailbox = Mailbox(self.end_check)
        self.limit: asyncio.Timeout | None = None
        """By which the check that runs can be ended."""
        self.stopped = False
        """True once somebody wants no more of the run."""
        self.hold: Callable[[Request], bool] = lambda _: False
        """Requests of the implementation that are not to be answered."""
        self.address = f"{settings.host}:{settings.port}"
        self._background = Background()
        self._server: asyncio.Server | None = None
        self._live: Connection | None = None
        self._connections: list[Connection] = []
        self._arrived = asyncio.Event()
        self._gone = False
        self._run = secrets.token_hex(3)
        self._made = 0
        self.seq = 0
        """The `Seq` of the last delivery to an application."""
        self.settled = 0
        """Up to which `Seq` it has answered."""
        self._numbered = False
        self._calls: dict[str, IncomingCallNotice] = {}
        self._called = asyncio.Event()

    # --- open and close -------------------------------------------------------------------------
    async def open(self) -> None:
        """Listen, where the implementation is to connect.

        Raises:
            ConformanceError: the address cannot be listened on.
        """
        if not self.settings.listen:
            return
        host, port = self.settings.host, self.settings.port
        try:
            self._server = await asyncio.start_server(self._accept, host, port)
        except OSError as error:
            raise ConformanceError(
                f"cannot listen on {host}:{port}: {error.strerror or error}: name another address"
            ) from error
        name = self._server.sockets[0].getsockname()
        self.address = f"{name[0]}:{name[1]}"

    async def close(self) -> None:
        """Cut all connections and listen no more."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cut()
        await self._background.stop()

    def obey(self, stop: asyncio.Event) -> None:
        """Once it is set, the check that runs is ended and none is begun."""
        self._background.start(self._stop_at(stop), "conformance obeys")

    async def _stop_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self.stopped = True
        self.end_check()

    def end_check(self) -> None:
        """End the check that runs, if one does."""
        limit, self.limit = self.limit, None
        if limit is not None:
            limit.reschedule(0)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = self._start(reader, writer)
        self._background.start(self._greet(connection), "conformance greets")

    def _start(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Connection:
        connection = Connection(reader, writer, self.settings.dialect, self._take, self.mailbox)
        self._connections.append(connection)
        self._background.start(connection.run(), "conformance reads")
        return connection

    async def _greet(self, connection: Connection) -> None:
        handshake = await self.reception.greet(connection, dialled=not self.settings.listen)
        self.handshakes.append(handshake)
        for request in self.reception.kept(connection):
            if handshake.dialled and handshake.registered:  # what follows our 190 at once
                self._answer_for_linkage(connection, request)
            else:
                self.answer(connection, request, Result.NOT_REGISTERED)
        if handshake.refused:
            return
        if not self._numbered:
            self._numbered = True
            self.seq = self.settled = handshake.last_seq or 0
        if self._live is not None and not self._live.closed:
            self._live.cut()
        self._live = connection
        self._arrived.set()

    # --- connections ----------------------------------------------------------------------------
    @property
    def live(self) -> Connection | None:
        """The registered connection, which may have ended."""
        return self._live

    def forgive(self) -> None:
        """It did not come back when it could not: wait for it again the next time."""
        self._gone = False

    async def connection(self) -> Connection:
        """A registered connection: the one there is, or the next.

        Raises:
            SkippedError: the implementation does not connect (again), or does not listen any more.
        """
        if self._live is not None and not self._live.closed:
            return self._live
        if self._gone:
            raise SkippedError("the implementation is not connected any more")
        async with self._patience():
            if not self.settings.listen:
                await self._dial()
            while self._live is None or self._live.closed:
                self._arrived.clear()
                await self._arrived.wait()
        return self._live

    @asynccontextmanager
    async def _patience(self) -> AsyncIterator[None]:
        """Give a connection `connect_within_s` to come about."""
        try:
            async with asyncio.timeout(self.settings.connect_within_s):
                yield
        except TimeoutError:
            self._gone = True
            verb = "connect" if self.settings.listen else "take a connection"
            raise SkippedError(
                f"the implementation did not {verb} within {self.settings.connect_within_s:g} s"
            ) from None

    async def stranger(self) -> Connection:
        """(dialling) A connection on which nobody has registered.

        Raises:
            SkippedError: the implementation does not listen.
        """
        if self._gone:
            raise SkippedError("the implementation does not listen any more")
        async with self._patience():
            return await self._connect()
        raise AssertionError("unreachable")

    async def _connect(self) -> Connection:
        while True:
            try:
                streams = await asyncio.open_connection(self.settings.host, self.settings.port)
            except OSError:
                await asyncio.sleep(REDIAL_S)
            else:
                return self._start(*streams)

    async def _dial(self) -> None:
        while True:
            connection = await self._connect()
            await self._greet(connection)
            if self._live is connection and not connection.closed:
                return
            await asyncio.sleep(REDIAL_S)

    async def fresh_connection(self) -> Connection:
        """A new connection; the one there is, is cut first."""
        await self.cut()
        return await self.connection()

    async def cut(self) -> None:
        """Cut the connection, if there is one, as a lost network does."""
        connection, self._live = self._live, None
        if connection is not None:
            connection.cut()
            await connection.wait(lambda: connection.closed, self.settings.answer_within_s)

    # --- what comes -----------------------------------------------------------------------------
    def _take(self, connection: Connection, item: Item) -> None:
        self.violations.take(connection, item)
        if not isinstance(item, Request):
            return
        self._note_call(item.message)
        if self.reception.concerns(connection, item):
            self.reception.keep(connection, item)
        elif not self.hold(item):
            self._answer_for_linkage(connection, item)

    def _answer_for_linkage(self, connection: Connection, item: Request) -> None:
        result = Result.NOT_SUPPORTED if item.type in ASKS_FOR_DATA else Result.OK
        self.answer(connection, item, result)

    def _note_call(self, message: Message) -> None:
        """Calls that a platform has announced and that have not ended; the latest are kept."""
        if isinstance(message, IncomingCallNotice):
            self._calls[message.call_id] = message
            if len(self._calls) > CALLS_MAX:
                del self._calls[next(iter(self._calls))]
            self._called.set()
        elif isinstance(message, HangupNotice) and message.call_id is not None:
            self._calls.pop(message.call_id, None)

    async def wait_for_call(self, within_s: float) -> IncomingCallNotice | None:
        """A call at the platform that has not ended; None when none comes in time."""
        try:
            async with asyncio.timeout(within_s):
                while not self._calls:
                    self._called.clear()
                    await self._called.wait()
        except TimeoutError:
            return None
        return list(self._calls.values())[-1]

    def answer(self, connection: Connection, request: Request, result: Result = Result.OK) -> None:
        """Answer a request of the implementation."""
        response = Response(request_id=request.id, type=request.type, result=result)
        connection.write(frames(response, self.settings.dialect))

    # --- what is sent ---------------------------------------------------------------------------
    def new_id(self) -> str:
        """A request Id that was not used before."""
        self._made += 1
        return f"k{self._run}{self._made}"

    def new_call(self) -> str:
        """A CallId that was not used before."""
        self._made += 1
        return f"call{self._run}{self._made}"

    def make(self, message: Message, *, resend: bool = False) -> Request:
        """A request as linkage sends it: notices are numbered for those that registered."""
        numbered = self.settings.role is Role.APPLICATION and not self.settings.legacy
        if numbered:
            self.seq += 1
        return Request(
            id=self.new_id(),
            message=message,
            seq=self.seq if numbered else None,
            time=self.clock.utc(),
            resend=resend,
        )

    def probe(self) -> Request:
        """A request that every implementation of the role must answer, and that does nothing."""
        message: Message = QueryCapability()
        if self.settings.role is Role.APPLICATION:
            message = ConferenceNotice(conference_id=self.new_call())
        return self.make(message)

    def bytes_of(self, request: Request) -> bytes:
        """The frames of a request."""
        return frames(request, self.settings.dialect)

    def xml_of(self, request: Request) -> str:
        """The payload of a request, to be altered."""
        return encode(request, self.settings.dialect).decode()

    async def ask(
        self,
        request: Request,
        *,
        connection: Connection | None = None,
        data: bytes | None = None,
    ) -> Response:
        """Send a request (or `data` in its stead) and wait for its response.

        Where no connection is given and the one there is ends before the answer, it is sent once
        more on the next: a program may well end with its call, whatever we are about to send.

        Raises:
            FailedError: there is none in time.
        """
        if connection is not None:
            return await self._ask_on(connection, request, data)
        connection = await self.connection()
        try:
            return await self._ask_on(connection, request, data)
        except FailedError as verdict:
            if not connection.closed:
                raise
            try:
                connection = await self.connection()
            except SkippedError:
                raise verdict from None
            return await self._ask_on(connection, request, data)

    async def _ask_on(
        self, connection: Connection, request: Request, data: bytes | None
    ) -> Response:
        mark = connection.mark
        self.violations.ask(connection, request.id, request.type)
        await connection.send(data or self.bytes_of(request), self.settings.answer_within_s)
        return await self.response_to(connection, request, mark)

    async def response_to(self, connection: Connection, request: Request, mark: int) -> Response:
        """The response to a request, after a mark.

        Raises:
            FailedError: there is none in time.
        """
        within_s = self.settings.answer_within_s

        def wanted(item: Item) -> bool:
            return isinstance(item, Response) and (item.request_id, item.type) == (
                request.id,
                request.type,
            )

        found = await connection.find(wanted, mark, within_s)
        if not isinstance(found, Response):
            raise FailedError(
                f'<response RequestId="{request.id}" Type="{request.type}" …/>',
                self._instead(connection, mark),
            )
        if request.seq is not None:
            self.settled = self.reception.settled = max(self.settled, request.seq)
        return found

    def _instead(self, connection: Connection, mark: int) -> str:
        answers = [item for item in connection.since(mark) if isinstance(item, Response)]
        if answers:
            first = answers[0]
            return f'<response RequestId="{first.request_id}" Type="{first.type}" …/>'
        if connection.closed:
            return connection.end
        return f"no answer in {self.settings.answer_within_s:g} s"

    async def accepted(
        self, message: Message, *, data: Callable[[Request], bytes] | None = None
    ) -> Request:
        """Send a message that must be taken (result 0–9); `data` makes other bytes of it.

        Raises:
            FailedError: it is refused or not answered.
        """
        request = self.make(message)
        response = await self.ask(request, data=data(request) if data else None)
        if not response.accepted:
            raise FailedError(f"result 0–9 for a {request.type}", describe(response))
        return request

    async def alive(self, connection: Connection) -> None:
        """Whether a connection still serves after something odd; closed is as good.

        Raises:
            FailedError: it is open and answers nothing any more.
        """
        if connection.closed:
            return
        try:
            await self.ask(self.probe(), connection=connection)
        except FailedError as error:
            if not connection.closed:
                raise FailedError(
                    "the connection closed, or the next request answered", error.seen
                ) from None

    async def next_request(
        self,
        connection: Connection,
        mark: int,
        wanted: Callable[[Request], bool],
        within_s: float,
    ) -> Request | None:
        """A request of the implementation, after a mark; None when none comes in time."""
        found = await connection.find(
            lambda item: isinstance(item, Request) and wanted(item), mark, within_s
        )
        return found if isinstance(found, Request) else None


def frames(item: Request | Response, dialect: Dialect) -> bytes:
    """A message in its frames."""
    return encode_message(encode(item, dialect), dialect)


def describe(response: Response) -> str:
    """A response, for a person."""
    detail = f" ({response.detail})" if response.detail else ""
    return f"result {response.result}{detail}"


def advise(condition: bool, expected: str, seen: str) -> None:
    """Warn where something is not as it should be.

    Raises:
        WarnedError: the condition does not hold.
    """
    if not condition:
        raise WarnedError(expected, seen)


def demand(condition: bool, expected: str, seen: str) -> None:
    """Fail where something is not as it must be.

    Raises:
        FailedError: the condition does not hold.
    """
    if not condition:
        raise FailedError(expected, seen)


@asynccontextmanager
async def open_harness(settings: Settings) -> AsyncIterator[Harness]:
    """A harness that listens, or is ready to dial, while the context lasts.

    Raises:
        ConformanceError: the address cannot be listened on.
    """
    harness = Harness(settings)
    await harness.open()
    try:
        yield harness
    finally:
        await harness.close()
