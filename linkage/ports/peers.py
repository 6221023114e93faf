"""Peers as the gateway must know them."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from protocol.dialect import DEFAULT, Dialect
from protocol.roles import Role

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A token bucket: `per_s` things a second in the long run, `burst` of them at once."""

    per_s: float
    burst: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerProfile:
    """What a transport needs to know of a configured peer; no secret crosses this seam.

    `address` (host, no port) knows a legacy peer that connects; `dial` (host, port) is a business
    platform that listens, as the patent has it, and that linkage connects to: over TLS with
    `dial_tls`, whose certificate must be for `dial_name` (None: the host of `dial`).
    """

    id: str
    role: Role
    dialect: Dialect = DEFAULT
    address: str | None = None
    dial: tuple[str, int] | None = None
    dial_tls: bool = False
    dial_name: str | None = None
    allow: tuple[Network, ...] = ()
    """Networks that the peer may come from; none given: from anywhere."""
    require_tls: bool = False
    """Refused (201) where the connection to the listener is not encrypted."""
    require_certificate: bool = False
    """Refused (201) without a client certificate that names the peer's id."""
    requests: Rate | None = None
    """How fast its requests are taken; faster ones are answered 206."""
