"""TLS listeners: accept, look at the address, shake hands in bounded time, hand on.

`loop.create_server(ssl=...)` would shake hands with everybody before anybody is asked whether
the address may connect, and would hold any number of handshakes. So connections are accepted here,
and a handshake counts as a connection that has not registered yet.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from contextlib import suppress
from typing import Final

from gateway.accept_policy import AcceptPolicy
from gateway.context import GatewayContext
from gateway.hosts import format_address, host_of, neighbourhood
from gateway.session_factory import SessionFactory
from gateway.transport.tcp import TcpTransport
from gateway.transport.tls import Tls
from linkage.supervision import TaskSet
from protocol.dialect import DEFAULT
from protocol.foreign import looks_like
from protocol.frames import HEADER_BYTES

logger = logging.getLogger("linkage.gateway")

ACCEPT_AGAIN_S: Final = 0.5
"""Pause where the system has no descriptor or memory left for one more connection."""
TLS_HANDSHAKE: Final = 0x16
"""The first byte of every ClientHello."""
PEEK_BYTES: Final = 256


class TlsListener:
    """The sockets on which TLS is spoken."""

    def __init__(
        self, context: GatewayContext, policy: AcceptPolicy, factory: SessionFactory
    ) -> None:
        self._context = context
        self._policy = policy
        self._factory = factory
        self._sockets: list[socket.socket] = []
        self._tasks = TaskSet("tls")

    async def listen(self, host: str, port: int, backlog: int, tls: Tls) -> None:
        """Bind every address that the host has here.

        Raises:
            OSError: it cannot be bound.
        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, name in sorted({(item[0], item[4]) for item in found}):
            sock = socket.create_server(name, family=family, backlog=backlog)
            sock.setblocking(False)  # noqa: FBT003 - positional in the library
            self._sockets.append(sock)
            self._tasks.start(self._accept(sock, tls), f"{host}:{port}")

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of every bound socket."""
        names = [sock.getsockname() for sock in self._sockets]
        return [(str(name[0]), int(name[1])) for name in names]

    async def stop(self) -> None:
        """Accept no more; what is open stays open."""
        await self._tasks.close()
        for sock in self._sockets:
            sock.close()
        self._sockets.clear()

    async def _accept(self, listening: socket.socket, tls: Tls) -> None:
        loop = asyncio.get_running_loop()
        while True:
            # A sock_accept that need not wait does not yield: a storm would starve the sessions.
            await asyncio.sleep(0)
            try:
                sock, peername = await loop.sock_accept(listening)
            except OSError as error:
                logger.error("cannot accept: %s", error)  # noqa: TRY400 - no bug of ours
                await asyncio.sleep(ACCEPT_AGAIN_S)
                continue
            host, address = host_of(peername), format_address(peername)
            if self._policy.turns_away(host, address):
                sock.close()
                continue
            TlsHandshake(self._context, self._factory, host, address).start(sock, tls.server())


class TlsHandshake:
    """A connection that is still agreeing on TLS; it counts as not registered yet."""

    def __init__(
        self, context: GatewayContext, factory: SessionFactory, host: str, address: str
    ) -> None:
        self._context = context
        self._factory = factory
        self._host = host
        self._neighbourhood = neighbourhood(host)
        self._address = address
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task: asyncio.Task[None] | None = None

    @property
    def gone(self) -> asyncio.Future[None]:
        """Done when the connection is no more, or has become a session."""
        return self._gone

    def hold(self) -> None:
        """Nothing is taken here anyway."""

    def close(self, reason: str) -> None:  # noqa: ARG002 - there is nobody yet to be told
        """End the connection."""
        self.abort()

    def abort(self) -> None:
        """Cut the connection off."""
        if self._task is not None:
            self._task.cancel()

    def start(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        """Begin; returns at once."""
        self._context.connections.add(self, self._neighbourhood, stranger=True)
        self._task = asyncio.get_running_loop().create_task(self._run(sock, context))
        self._task.add_done_callback(self._end)

    async def _run(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        settings = self._context.settings
        begins = False
        try:
            begins = await self._begins_as_tls(sock)
        finally:
            if not begins:
                sock.close()
        if not begins:
            return
        session = self._factory.accepted(self._host)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: TcpTransport(session.open, settings.write_high_bytes),
                sock,
                ssl=context,
                ssl_handshake_timeout=settings.handshake_within_s,
                ssl_shutdown_timeout=settings.close_within_s,
            )
        except (ssl.SSLError, ConnectionAbortedError) as error:
            self._turn_away(str(error))
        except OSError as error:
            logger.debug("%s: gone before TLS: %s", self._address, error)

    async def _begins_as_tls(self, sock: socket.socket) -> bool:
        """Whether to shake hands; what is no TLS is told of in words, not by OpenSSL."""
        first: bytes | None = None
        # In time, whoever says nothing fails the handshake, and is told of as such.
        with suppress(TimeoutError):
            async with asyncio.timeout(self._context.settings.handshake_within_s):
                first = await _peek(sock)
        if first == b"":
            # Came and went without a word, as the check of a load balancer does.
            self._context.figures.probes += 1
            logger.debug("%s: gone before TLS", self._address)
            return False
        if first is not None and first[0] == TLS_HANDSHAKE:
            return True
        if first is None:
            why = f"no handshake within {self._context.settings.handshake_within_s:g} s"
        else:
            why = f"no TLS on a port for it, but {plain_looks_like(first)}"
        self._turn_away(why)
        return False

    def _turn_away(self, why: str) -> None:
        self._context.figures.turned_away["tls"] += 1
        self._context.refusals.turned_away(self._neighbourhood, self._address, f"TLS: {why}")

    def _end(self, task: asyncio.Task[None]) -> None:
        self._context.connections.remove(self)
        if not self._gone.done():
            self._gone.set_result(None)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("TLS handshake failed by a bug", exc_info=error)


async def _peek(sock: socket.socket) -> bytes:
    """What has come, left where it is; nothing once the other end is gone."""
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not readable.done():
            readable.set_result(None)

    loop.add_reader(sock, wake)
    try:
        await readable
    finally:
        loop.remove_reader(sock)
    try:
        return sock.recv(PEEK_BYTES, socket.MSG_PEEK)
    except OSError:
        return b""


def plain_looks_like(first: bytes) -> str:
    """What was said in plain where TLS is spoken, with the setting that would help."""
    flags = {DEFAULT.flag_message, DEFAULT.flag_heartbeat, DEFAULT.flag_fragment}
    if first[0] in flags and first[HEADER_BYTES : HEADER_BYTES + 1] in {b"", b"<"}:
        return (
            "EventID in plain text: switch TLS on at the peer, or let it connect to an address "
            "in `listen`"
        )
    return looks_like(first, DEFAULT)
