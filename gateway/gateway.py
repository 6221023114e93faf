"""The gateway as one thing: start it, ask for its addresses, close it."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterable, Sequence
from typing import Any

from gateway.address_book import AddressBook
from gateway.context import GatewayContext
from gateway.dialler import Dialler
from gateway.figures import GatewayFigures
from gateway.hosts import format_address
from gateway.listener import Listener
from gateway.session import Session
from gateway.session_factory import SessionFactory
from gateway.settings import GatewaySettings
from gateway.tls_watch import TlsWatch
from gateway.transport.tls import Tls
from linkage.config.gateway import TlsFiles
from linkage.ports import Clock, CorePort, Network, PeerProfile
from linkage.supervision import Jitter, Sleep

logger = logging.getLogger("linkage.gateway")


class Gateway:
    """Listens, dials, and holds a session with everybody who is connected.

    `start` it once and `close` it once, in one event loop. `sleep` and `jitter` are the dialler's
    pauses between attempts, for tests.

    `listen` are addresses for plain TCP, `listen_tls` those for TLS, for which `tls` has the
    certificate; `tls` also serves peers that are dialled over TLS. Where TLS cannot be spoken and
    there is something else to serve, that is served, and TLS when it can be; `beside`: there are
    adapters beside the gateway.
    """

    def __init__(
        self,
        core: CorePort,
        peers: Sequence[PeerProfile],
        listen: Sequence[tuple[str, int]],
        settings: GatewaySettings,
        clock: Clock,
        *,
        listen_tls: Sequence[tuple[str, int]] = (),
        tls: TlsFiles | None = None,
        beside: bool = False,
        sleep: Sleep = asyncio.sleep,
        jitter: Jitter = random.random,
    ) -> None:
        self._peers = tuple(peers)
        self._listen = tuple(listen)
        self._listen_tls = tuple(listen_tls)
        self._beside = beside
        self._settings = settings
        self._context = GatewayContext(core, clock, settings, peers)
        self._book = AddressBook()
        factory = SessionFactory(self._context, self._book)
        self._listener = Listener(self._context, factory)
        self._dialler = Dialler(self._context, factory, sleep=sleep, jitter=jitter)
        self._tls_watch = TlsWatch(self._context, tls or TlsFiles(), self._open_tls, sleep)

    async def start(self) -> None:
        """Bind every address, then begin to dial.

        Raises:
            ListenError: an address cannot be bound, or TLS not be spoken where there is nothing
                else; nothing is left open.
        """
        await self._book.load(self._peers)
        dialled = [peer for peer in self._peers if peer.dial is not None]
        try:
            await self._listener.start(self._listen)
            _tell(self.addresses)
            if self._listen_tls or any(peer.dial_tls for peer in dialled):
                plain = self._listen or not all(peer.dial_tls for peer in dialled)
                await self._tls_watch.start(must=not (plain or self._beside))
        except BaseException:
            await self.close("linkage cannot start")  # somebody may be connected already
            raise
        self._dialler.start(self._peers)

    async def _open_tls(self, tls: Tls) -> None:
        await self._listener.start_secure(self._listen_tls, tls)
        self._dialler.use(tls)
        _tell(self.secure_addresses, ", with TLS")

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of every bound socket, TLS last; for port 0, the one given."""
        return self._listener.addresses

    @property
    def secure_addresses(self) -> list[tuple[str, int]]:
        """Those of `addresses` where TLS is spoken."""
        return self._listener.secure_addresses

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._context.connections)

    @property
    def unregistered(self) -> int:
        """How many of them have not registered yet."""
        return self._context.connections.strangers

    @property
    def figures(self) -> GatewayFigures:
        """What was counted since the start."""
        return self._context.figures

    def take_up(self, peers: Sequence[PeerProfile], allow: Sequence[Network]) -> None:
        """Let in whom changed rules let in, and end the sessions that would not come in any more.

        Args:
            peers: all that may come in now. Whom linkage dials, and whom it knows by address, is
                what it was at the start.
            allow: networks that may connect; none: all.
        """
        self._context.profiles.clear()
        self._context.profiles.update({peer.id: peer for peer in peers})
        self._context.allow[:] = allow
        self._dialler.keep_to(self._context.profiles)
        for member in self._context.connections.members:
            if isinstance(member, Session):
                member.reconsider()

    async def close(self, reason: str = "linkage stops") -> None:
        """Answer what is in work, tell everybody, and close; all of it in bounded time.

        When it returns, no task of the gateway is left and the core is not called any more.
        """
        settings = self._settings
        await self._tls_watch.stop()
        await self._listener.stop()
        await self._dialler.stop()
        for member in self._context.connections.members:
            member.hold()
        await asyncio.gather(
            _settle(self._context.work, settings.drain_within_s),
            self._context.in_flight.settled(settings.drain_within_s),
        )
        members = self._context.connections.members
        for member in members:
            member.close(reason)
        await _settle([member.gone for member in members], settings.close_within_s)
        for member in self._context.connections.members:
            member.abort()
        await _settle([member.gone for member in members], settings.close_within_s)
        self._context.refusals.close()
        await _settle(self._context.work, settings.close_within_s)
        for task in self._context.work:
            task.cancel()
        await _settle(self._context.work, settings.close_within_s)


def _tell(addresses: Iterable[tuple[str, int]], how: str = "") -> None:
    for host, port in addresses:
        # A socket for all of IPv6 takes IPv4 on some systems, and not on others: here, nowhere.
        takes = f'; of IPv6 only: "0.0.0.0:{port}" is all of IPv4' if host == "::" else ""
        logger.info("listening on %s%s%s", format_address((host, port)), how, takes)


async def _settle(what: Iterable[asyncio.Future[Any]], within_s: float) -> None:
    waiting = set(what)
    if waiting:
        await asyncio.wait(waiting, timeout=within_s)
