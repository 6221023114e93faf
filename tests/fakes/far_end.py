"""Linkage's end of the wire, moved by hand: a test says what it receives, answers and drops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from protocol.connection import Connection, Side
from protocol.dialect import DEFAULT, Dialect
from protocol.envelope import Request, Response
from protocol.events import Closed
from protocol.message import Message
from protocol.registration import signed_fields, verify
from protocol.roles import ROLE_BY_REGISTRATION, Role

SECRET = "a secret of the tests"
WITHIN_S = 30.0


class Far:
    """One connection, seen from linkage."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        role: Role | None = None,
        dialect: Dialect = DEFAULT,
        registered: bool = False,
        dialling: bool = False,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self.connection = Connection(
            side=Side.LINKAGE,
            role=role,
            dialect=dialect,
            registered=registered,
            dialling=dialling,
            now=self._loop.time(),
        )
        self.requests: asyncio.Queue[Request] = asyncio.Queue()
        self.responses: asyncio.Queue[Response] = asyncio.Queue()
        self.heard = asyncio.Event()
        self.closed = asyncio.Event()

    async def run(self) -> None:
        try:
            while not self.connection.closed:
                data = await self._reader.read(65_536)
                now = self._loop.time()
                self.heard.set()
                if data:
                    self.connection.receive_data(data, now)
                else:
                    self.connection.receive_eof(now)
                self._pump()
        except ConnectionError:
            pass
        finally:
            self.closed.set()
            self._writer.close()

    def _pump(self) -> None:
        for event in self.connection.events():
            if isinstance(event, Request):
                self.requests.put_nowait(event)
            elif isinstance(event, Response):
                self.responses.put_nowait(event)
            else:
                assert isinstance(event, Closed), event
        self._writer.write(self.connection.data_to_send())

    async def request(self) -> Request:
        """What the client sent next."""
        async with asyncio.timeout(WITHIN_S):
            return await self.requests.get()

    async def response(self) -> Response:
        """What the client answered next."""
        async with asyncio.timeout(WITHIN_S):
            return await self.responses.get()

    def send(self, item: Request | Response) -> None:
        self.connection.send(item, self._loop.time())
        self._writer.write(self.connection.data_to_send())

    def notify(
        self,
        request_id: str,
        message: Message,
        *,
        seq: int | None = None,
        resend: bool = False,
        repeat: bool = False,
        time: datetime | None = None,
        expire_s: int | None = None,
    ) -> None:
        self.send(
            Request(
                id=request_id,
                message=message,
                seq=seq,
                resend=resend,
                repeat=repeat,
                time=time,
                expire_s=expire_s,
            )
        )

    def answer(self, request: Request, result: int = 0, **ids: Any) -> None:
        self.send(Response(request_id=request.id, type=request.type, result=result, **ids))

    async def register(self, result: int = 0, **attributes: Any) -> Request:
        """Take the registration, which must be well signed, and answer it."""
        request = await self.request()
        assert request.type in ROLE_BY_REGISTRATION
        assert verify(SECRET, signed_fields(request))
        self.answer(request, result, **attributes)
        return request

    def drop(self) -> None:
        """Cut the connection, as a lost network does."""
        self._writer.transport.abort()


class ScriptedLinkage:
    """Listens on loopback; every connection is handed to the test."""

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._arrived: asyncio.Queue[Far] = asyncio.Queue()
        self._all: list[Far] = []
        self.port = 0

    async def far(self) -> Far:
        """The next connection."""
        async with asyncio.timeout(WITHIN_S):
            return await self._arrived.get()

    async def registered(self) -> Far:
        """The next connection, registered."""
        far = await self.far()
        await far.register()
        return far

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far = Far(reader, writer, **self._options)
        self._all.append(far)
        self._arrived.put_nowait(far)
        await far.run()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[ScriptedLinkage]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        async with server:
            self.port = server.sockets[0].getsockname()[1]
            yield self
            for far in self._all:
                far.drop()
                await far.closed.wait()
