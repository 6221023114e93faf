"""Who is known by the host that it speaks from: legacy peers, and peers with their own dialect."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from linkage.ports import Network, PeerProfile

logger = logging.getLogger("linkage.gateway")

HOSTS_KEPT: Final = 4096
"""Hosts whose plain form is remembered: each connection asks for it half a dozen times."""


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


@lru_cache(HOSTS_KEPT)
def plain_host(host: str) -> str:
    """A host as it is compared: IPv4 also where an IPv6 socket shows it mapped, no scope."""
    try:
        parsed = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)


@lru_cache(HOSTS_KEPT)
def neighbourhood(host: str) -> str:
    """Whose address it is, as far as can be told: an IPv4 address, the /64 of an IPv6 one."""
    plain = plain_host(host)
    if ":" not in plain:
        return plain
    return str(ipaddress.ip_network(f"{plain}/64", strict=False))


def is_within(host: str, networks: Sequence[Network]) -> bool:
    """Whether a host is in one of the networks; in no networks at all is everybody."""
    if not networks:
        return True
    try:
        address = ipaddress.ip_address(plain_host(host))
    except ValueError:
        return False
    return any(address in network for network in networks)


def format_address(peername: object) -> str:
    """`10.1.2.3:40112`, `[::1]:40112`; a socket that is gone already has no name."""
    if not isinstance(peername, tuple) or len(peername) < 2:  # noqa: PLR2004 - host, port
        return "unknown"
    host = plain_host(str(peername[0]))
    return f"[{host}]:{peername[1]}" if ":" in host else f"{host}:{peername[1]}"
