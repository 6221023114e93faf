"""Frames on their way through an injector of faults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from protocol.frames import Framer, Heartbeat
from simulators.faults import (
    FaultPlan,
    FaultProxy,
    Occurrence,
)

WITHIN_S = 30.0


MANY = 200


class Echo:
    """A target that sends everything back, and knows who is connected."""

    def __init__(self) -> None:
        self.port = 0
        self.writers: list[asyncio.StreamWriter] = []
        self.ended = asyncio.Event()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            self.ended.set()
            writer.transport.abort()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Echo]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for writer in self.writers:
                writer.transport.abort()


class End:
    """Our end of a connection through the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._framer = Framer()

    async def receive(self) -> bytes | Heartbeat:
        async with asyncio.timeout(WITHIN_S):
            while (found := self._framer.next_event()) is None:
                data = await self.reader.read(65_536)
                assert data, "the connection ended"
                self._framer.receive_data(data)
            return found

    async def ended(self) -> bytes:
        async with asyncio.timeout(WITHIN_S):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""


@asynccontextmanager
async def through(
    plan: FaultPlan, on_fault: Callable[[Occurrence], None] = lambda _: None
) -> AsyncIterator[tuple[FaultProxy, End, Echo]]:
    """A connection to an echo through the proxy."""
    async with (
        Echo().open() as echo,
        FaultProxy(("127.0.0.1", echo.port), plan, on_fault=on_fault) as proxy,
    ):
        end = End(*await asyncio.open_connection(*proxy.address))
        try:
            yield proxy, end, echo
        finally:
            end.writer.transport.abort()
