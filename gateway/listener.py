"""The listener: everybody who connects to linkage comes in here (protocol.md#connections).

Who may not connect is turned away by the address, before a byte is read and, on a TLS listener,
before a handshake costs anything.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Sequence
from typing import Final

from gateway.accept_policy import AcceptPolicy
from gateway.context import GatewayContext
from gateway.errors import ListenError
from gateway.session_factory import SessionFactory
from gateway.tls_listener import TlsListener
from gateway.transport.tcp import TcpTransport
from gateway.transport.tls import Tls

BACKLOG: Final = 1024
"""Connections that the kernel holds for us: a restart brings everybody back at once."""


class Listener:
    """Binds the addresses and makes a session of every connection that may come in."""

    def __init__(self, context: GatewayContext, factory: SessionFactory) -> None:
        self._policy = AcceptPolicy(context)
        self._factory = factory
        self._secure = TlsListener(context, self._policy, factory)
        self._write_high_bytes = context.settings.write_high_bytes
        self._servers: list[asyncio.Server] = []

    async def start(self, listen: Sequence[tuple[str, int]]) -> None:
        """Bind all of them, or none.

        Raises:
            ListenError: one of them cannot be bound.
        """
        loop = asyncio.get_running_loop()
        try:
            for host, port in listen:
                try:
                    server = await loop.create_server(
                        lambda: TcpTransport(self._connected, self._write_high_bytes),
                        host, port, backlog=BACKLOG,
                    )  # fmt: skip
                except OSError as error:
                    raise ListenError(explain(host, port, error)) from error
                self._servers.append(server)
        except BaseException:
            await self.stop()
            raise

    def _connected(self, transport: TcpTransport) -> None:
        """A socket is connected: refuse it, or give it who speaks with it."""
        if self._policy.turns_away(transport.host, transport.address):
            transport.abort()
        else:
            self._factory.accepted(transport.host).open(transport)

    async def start_secure(self, listen: Sequence[tuple[str, int]], tls: Tls) -> None:
        """Bind addresses where TLS is spoken: all of them, or none.

        Raises:
            ListenError: one of them cannot be bound.
        """
        try:
            for host, port in listen:
                try:
                    await self._secure.listen(host, port, BACKLOG, tls)
                except OSError as error:
                    raise ListenError(explain(host, port, error)) from error
        except BaseException:
            await self._secure.stop()
            raise

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of every bound socket, TLS last; for port 0, the one given."""
        names = [sock.getsockname() for server in self._servers for sock in server.sockets]
        return [(str(name[0]), int(name[1])) for name in names] + self._secure.addresses

    @property
    def secure_addresses(self) -> list[tuple[str, int]]:
        """Those of `addresses` where TLS is spoken."""
        return self._secure.addresses

    async def stop(self) -> None:
        """Accept no more; what is open stays open."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        await self._secure.stop()


def explain(host: str, port: int, error: OSError) -> str:
    """One line for a person: the address, the reason, the remedy."""
    where = f"cannot listen on {host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return (
            f"{where}: another program uses this port, perhaps linkage itself: "
            "stop it, or set another port in `listen`"
        )
    if error.errno in {errno.EACCES, errno.EPERM}:
        return f"{where}: not permitted: set a port above 1023 in `listen`"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{where}: this machine has no such address: set one of its own in `listen`"
    if isinstance(error, socket.gaierror):
        return f"{where}: no such host: set an address of this machine in `listen`"
    return f"{where}: {error.strerror or error}"
