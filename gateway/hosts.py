"""Hosts and addresses as sockets name them: compared, grouped, and written for people."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from linkage.ports import Network

HOSTS_KEPT: Final = 4096
"""Hosts whose plain form is remembered: each connection asks for it half a dozen times."""


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


def host_of(peername: object) -> str:
    """The host of a socket's name; empty where the socket is gone already."""
    return str(peername[0]) if isinstance(peername, tuple) and peername else ""
