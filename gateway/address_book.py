"""Who is known by the host that it speaks from: legacy peers, and peers with their own dialect."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Sequence

from gateway.hosts import plain_host
from linkage.ports import PeerProfile

logger = logging.getLogger("linkage.gateway")


class AddressBook:
    """Host → peer, for the peers that have an `address`.

    Two peers cannot be told apart by one host: the first is known by it, the others are logged as
    an error of the configuration and can connect only by registration. A host given by name is
    looked up once, at the start.
    """

    def __init__(self) -> None:
        self._by_host: dict[str, PeerProfile] = {}

    async def load(self, peers: Sequence[PeerProfile]) -> None:
        """Take in the peers that have an address."""
        for peer in peers:
            if peer.address is None:
                continue
            for host in await _look_up(peer.address):
                first = self._by_host.setdefault(host, peer)
                if first is not peer:
                    logger.error(
                        "configuration: peers %r and %r both have the address %s; connections "
                        "from there are taken for %r: give each peer a host of its own",
                        first.id, peer.id, host, first.id,
                    )  # fmt: skip

    def find(self, host: str) -> PeerProfile | None:
        """The peer known by a host, as a socket names it."""
        return self._by_host.get(plain_host(host))


async def _look_up(address: str) -> list[str]:
    try:
        return [plain_host(str(ipaddress.ip_address(address)))]
    except ValueError:
        pass
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            address, None, type=socket.SOCK_STREAM
        )
    except OSError as error:
        logger.warning("configuration: address %r is not known: %s", address, error)
        return []
    return sorted({plain_host(str(item[4][0])) for item in found})
