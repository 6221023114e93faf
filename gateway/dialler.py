"""The dialler: business platforms listen, as the patent has it, and linkage connects to them."""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from collections.abc import Collection, Sequence
from typing import Any

from gateway.context import GatewayContext
from gateway.session import Session
from gateway.session_factory import SessionFactory
from gateway.transport.tcp import TcpTransport
from gateway.transport.tls import Tls
from linkage.ports import PeerProfile
from linkage.supervision import Jitter, Sleep, Supervisor, TaskSet

logger = logging.getLogger("linkage.gateway")


class Dialler:
    """Keeps one connection to every peer that has a `dial` address."""

    def __init__(
        self,
        context: GatewayContext,
        factory: SessionFactory,
        *,
        sleep: Sleep = asyncio.sleep,
        jitter: Jitter = random.random,
    ) -> None:
        self._context = context
        self._factory = factory
        self._tls: Tls | None = None
        self._sleep = sleep
        self._jitter = jitter
        self._tasks = TaskSet("dialler")
        self._calling: dict[str, asyncio.Task[Any]] = {}
        self._peers: tuple[PeerProfile, ...] = ()

    def use(self, tls: Tls) -> None:
        """What peers with `dial_tls` are called by; they are not called before."""
        self._tls = tls

    def start(self, peers: Sequence[PeerProfile]) -> None:
        """Begin to call all of them; returns at once."""
        self._peers = tuple(peers)
        self.keep_to({peer.id for peer in peers})

    def keep_to(self, peer_ids: Collection[str]) -> None:
        """Call these of the peers, and nobody else; what is open is not closed by it."""
        for peer in self._peers:
            task = self._calling.get(peer.id)
            if peer.id not in peer_ids:
                if task is not None:
                    self._calling.pop(peer.id).cancel()
            elif peer.dial is not None and task is None:
                work = self._supervise(peer, peer.dial).run()
                self._calling[peer.id] = self._tasks.start(work, peer.id)

    async def stop(self) -> None:
        """Call nobody any more; what is open stays open."""
        await self._tasks.close()

    def _supervise(self, peer: PeerProfile, address: tuple[str, int]) -> Supervisor:
        async def call() -> None:
            await self._call(peer, address)

        return Supervisor(
            f"dial {peer.id} at {address[0]}:{address[1]}",
            call,
            clock=self._context.clock,
            backoff=self._context.settings.redial,
            sleep=self._sleep,
            jitter=self._jitter,
        )

    async def _call(self, peer: PeerProfile, address: tuple[str, int]) -> None:
        """One connection, from the first attempt to its end; the error says how it ended."""
        loop = asyncio.get_running_loop()
        settings = self._context.settings
        secure: dict[str, Any] = {}
        if peer.dial_tls:
            if self._tls is None:
                raise ConnectionError("TLS cannot be spoken yet: see the alarm `tls`")
            secure = {"ssl": self._tls.client(), "server_hostname": peer.dial_name or address[0]}
        session: Session

        def make() -> TcpTransport:
            nonlocal session
            session = self._factory.dialled(peer)
            return TcpTransport(session.open, settings.write_high_bytes)

        try:
            async with asyncio.timeout(settings.connect_within_s):
                await loop.create_connection(make, *address, **secure)
        except ssl.SSLError as error:
            # Whoever answers there is not the peer, or not as it should be: that is for the
            # journal, and the next attempt may find it mended.
            where = f"{address[0]}:{address[1]}"
            self._context.refusals.turned_away(peer.id, where, f"{peer.id}, dialled: TLS: {error}")
            raise
        # Shielded: when the dialler stops, the session lives on until the gateway has closed it.
        await asyncio.shield(session.gone)
        raise ConnectionError(session.end or "the connection was lost")
