"""The listener: everybody who connects to linkage comes in here (PROTOCOL.md section 4)."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Sequence
from functools import partial
from typing import Final, cast

from gateway.legacy import FirstMessage
from gateway.peers import AddressBook, format_address
from gateway.services import Services
from gateway.session import Session
from linkage.ports import PeerProfile
from protocol.connection import Connection, Side
from protocol.dialect import Dialect

logger = logging.getLogger("linkage.gateway")

BACKLOG: Final = 1024
"""Connections that the kernel holds for us: a restart brings everybody back at once."""


class ListenError(Exception):
    """An address cannot be listened on. The text names the address, the reason and the remedy."""


class Listener:
    """Binds the addresses and makes a session of every connection that may come in."""

    def __init__(self, services: Services, book: AddressBook) -> None:
        self._services = services
        self._book = book
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
                        lambda: Doorman(self._services, self._book),
                        host,
                        port,
                        backlog=BACKLOG,
                    )
                except OSError as error:
                    raise ListenError(explain(host, port, error)) from error
                self._servers.append(server)
        except BaseException:
            self.stop()
            raise

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of every bound socket; where port 0 was asked for, the one given."""
        names = [sock.getsockname() for server in self._servers for sock in server.sockets]
        return [(str(name[0]), int(name[1])) for name in names]

    def stop(self) -> None:
        """Accept no more; what is open stays open."""
        for server in self._servers:
            server.close()
        self._servers.clear()


class Doorman(asyncio.Protocol):
    """Looks at a new connection and gives it the protocol that it is to have."""

    def __init__(self, services: Services, book: AddressBook) -> None:
        self._services = services
        self._book = book

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is connected: refuse it, or hand it on."""
        peername = transport.get_extra_info("peername")
        objection = self._services.roster.objection()
        if objection is not None:
            logger.warning("stranger at %s: turned away: %s", format_address(peername), objection)
            cast("asyncio.Transport", transport).abort()
            return
        host = str(peername[0]) if isinstance(peername, tuple) else ""
        protocol = self._admit(self._book.find(host))
        cast("asyncio.Transport", transport).set_protocol(protocol)
        protocol.connection_made(transport)

    def _admit(self, profile: PeerProfile | None) -> asyncio.Protocol:
        if profile is None:
            return self._stranger(self._services.settings.dialect)
        if profile.dialect.profile:
            return self._stranger(profile.dialect)
        # Who registers from a legacy peer's host speaks the profile, not that peer's dialect.
        decide = partial(self._decide, profile)
        return FirstMessage(
            self._services, self._book.dialect(self._services.settings.dialect), decide
        )

    def _decide(self, profile: PeerProfile, registers: bool) -> Session:
        if registers:
            return self._stranger(self._services.settings.dialect)
        return self._session(profile.dialect, profile)

    def _stranger(self, dialect: Dialect) -> Session:
        return self._session(dialect, None)

    def _session(self, dialect: Dialect, legacy: PeerProfile | None) -> Session:
        connection = Connection(
            side=Side.LINKAGE,
            role=None if legacy is None else legacy.role,
            dialect=self._book.dialect(dialect),
            timers=self._services.settings.timers,
            registered=legacy is not None,
            now=self._services.clock.now(),
        )
        return Session(self._services, connection, profile=legacy)


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
