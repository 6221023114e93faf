"""How a client comes to its connections.

It dials linkage again and again, or listens as the patent has it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from linkage.addresses import address_text
from linkage.client.session import Session

logger = logging.getLogger("linkage.client")

CONNECT_WITHIN_S: Final = 10.0
STRANGERS_MAX: Final = 8
"""Connections that a listening application holds before they have registered."""
_DOUBLINGS_MAX: Final = 32


class State(Enum):
    """Where a client stands."""

    CLOSED = "closed"
    CONNECTING = "connecting"
    LISTENING = "listening"
    READY = "ready"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Pauses between attempts, in seconds.

    Doubled from failure to failure, then drawn by lot between half of that and all.

    So a hundred clients that lost one linkage do not come back in one instant, and none comes back
    at once for ever.
    """

    first_s: float = 0.5
    most_s: float = 30.0

    def pause(self, failures: int, lot: float) -> float:
        """The pause after the n-th failure in a row (n ≥ 1), for a lot in [0, 1)."""
        doublings = min(failures - 1, _DOUBLINGS_MAX)
        return min(self.most_s, self.first_s * 2.0**doublings) * (0.5 + lot / 2)


class ConnectingClient(Protocol):
    """What a carrier needs of its client."""

    def report(self, state: State, reason: str) -> None:
        """The state has changed."""
        ...

    def tried(self, address: str, reason: str) -> None:
        """An attempt to be registered at an address, or by one, came to nothing."""
        ...

    def make_session(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, dialled: bool
    ) -> Session:
        """A session over an open socket; `dialled`: by linkage, to us."""
        ...

    async def serve(self, session: Session) -> bool:
        """Run it to its end. True when it was registered."""
        ...

    def check(self) -> None:
        """Whether to go on.

        Raises:
            ClientError: closed, or refused for good.
        """
        ...


class Carrier(Protocol):
    """Brings connections about until cancelled."""

    async def run(self, host: ConnectingClient) -> None:
        """Until cancelled, or until `ConnectingClient.check` raises."""
        ...


class ClientDialler:
    """Connects to linkage; when the connection is lost or cannot be made, again after a pause."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        ssl_context: ssl.SSLContext | None,
        server_hostname: str | None,
        backoff: Backoff,
        lot: Callable[[], float] = random.random,
    ) -> None:
        self._host = host
        self._port = port
        self._ssl = ssl_context
        self._server_hostname = server_hostname
        self._backoff = backoff
        self._lot = lot

    async def run(self, host: ConnectingClient) -> None:
        """Dial, serve, pause; until cancelled or refused for good."""
        failures = 0
        while True:
            host.report(State.CONNECTING, f"to {address_text(self._host, self._port)}")
            served, reason = await self._attempt(host)
            host.check()
            failures = 1 if served else failures + 1
            pause_s = self._backoff.pause(failures, self._lot())
            host.report(State.WAITING, f"{reason}; retrying in {pause_s:.1f} s")
            await asyncio.sleep(pause_s)

    async def _attempt(self, host: ConnectingClient) -> tuple[bool, str]:
        """One round through the addresses of the host, up to the first that registers us."""
        try:
            addresses = await self._addresses()
        except (OSError, UnicodeError) as error:
            name = address_text(self._host, self._port)
            reason = f"no connection to {name}: host name not found: {_words(error)}"
            host.tried(name, reason)
            return False, reason
        reasons = []
        for address in addresses:
            served, reason = await self._attempt_at(host, address)
            host.check()
            host.tried(address_text(*address), reason)
            if served:
                return True, reason
            reasons.append(reason)
        return False, "; ".join(reasons)

    async def _addresses(self) -> list[tuple[str, int]]:
        async with asyncio.timeout(CONNECT_WITHIN_S):
            found = await asyncio.get_running_loop().getaddrinfo(
                self._host, self._port, type=socket.SOCK_STREAM
            )
        return list(dict.fromkeys((str(item[4][0]), self._port) for item in found))

    async def _attempt_at(
        self, host: ConnectingClient, address: tuple[str, int]
    ) -> tuple[bool, str]:
        named = None if self._ssl is None else self._server_hostname or self._host
        name = address_text(*address)
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                reader, writer = await asyncio.open_connection(
                    *address, ssl=self._ssl, server_hostname=named
                )
        except TimeoutError:
            return False, f"no connection to {name} in {CONNECT_WITHIN_S:g} s"
        except OSError as error:
            return False, f"no connection to {name}: {_words(error)}"
        session = host.make_session(reader, writer, dialled=False)
        served = await host.serve(session)
        return served, f"{name}: {session.close_reason}"


class ClientListener:
    """Waits for linkage to connect: the patent's way, the business platform is the TCP server.

    `allowed` are the addresses that linkage may come from, None: any. A legacy peer, which nobody
    registers with, should name them, as whoever else connects would be taken for linkage.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        ssl_context: ssl.SSLContext | None,
        allowed: frozenset[str] | None,
    ) -> None:
        self._host = host
        self._port = port
        self._ssl = ssl_context
        self._allowed = allowed
        self._sessions: set[Session] = set()
        self.address: tuple[str, int] | None = None
        """Where it listens, once it does; tells the port where 0 was asked for."""

    async def run(self, host: ConnectingClient) -> None:
        """Listen until cancelled.

        Raises:
            OSError: the address cannot be listened on.
        """
        group = asyncio.TaskGroup()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            problem = self._objection(writer)
            if problem is None:
                group.create_task(self._serve(host, reader, writer))
            else:
                logger.warning("connection refused and closed: %s", problem)
                host.tried(_source(writer), f"{_source(writer)}: {problem}")
                writer.transport.abort()

        server = await asyncio.start_server(
            accept, self._host, self._port, ssl=self._ssl, start_serving=False
        )
        try:
            async with group:
                await server.start_serving()
                self.address = server.sockets[0].getsockname()[:2]
                host.report(State.LISTENING, f"on {self.address[0]}:{self.address[1]}")
                await asyncio.get_running_loop().create_future()
        finally:
            server.close()

    def _objection(self, writer: asyncio.StreamWriter) -> str | None:
        source = _source(writer)
        if self._allowed is not None and source not in self._allowed:
            return f"{source} is not in `allowed`"
        if sum(not session.ready for session in self._sessions) >= STRANGERS_MAX:
            return f"{STRANGERS_MAX} connections that have not registered are open already"
        return None

    async def _serve(
        self, host: ConnectingClient, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        session = host.make_session(reader, writer, dialled=True)
        self._sessions.add(session)
        try:
            if not await host.serve(session):
                reason = f"{session.address}: {session.close_reason}"
                host.tried(_source(writer), reason)
        finally:
            self._sessions.discard(session)


def _source(writer: asyncio.StreamWriter) -> str:
    return str((writer.get_extra_info("peername") or ("",))[0])


def _words(error: Exception) -> str:
    """What the system says, without the address that stands beside it anyway."""
    number = getattr(error, "errno", None)
    if isinstance(error, ConnectionError) and number is not None:
        return os.strerror(number)
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
