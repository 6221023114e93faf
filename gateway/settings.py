"""The figures by which the gateway works: those of the file, and those that are nobody's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from linkage.config.gateway import ConnectionLimits
from linkage.ports import Network
from linkage.supervision import Backoff
from protocol.dialect import DEFAULT, Dialect
from protocol.events import Timers

KIB: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings(ConnectionLimits):
    """Timers, bounds and the dialect of strangers.

    Bounds are what a stranger or a peer can make linkage hold; every one of them is per session
    but for those of connections. An IPv6 address stands for its /64. Times are seconds.
    """

    dialect: Dialect = DEFAULT
    """How those speak who are not known by their address."""
    timers: Timers = field(default_factory=Timers)
    allow: tuple[Network, ...] = ()
    """Networks that may connect; none given: all."""
    refusals_window_s: float = 60.0
    """Refusals of one kind from one address within this are journalled as one, with a count."""
    inbound_max: int = 128
    """Requests in work; beyond that the socket is not read until half of them are answered. One
    longer than `heavy_bytes` counts as so many as it is times as long."""
    heavy_bytes: int = 64 * KIB
    write_high_bytes: int = 256 * KIB
    """Unsent bytes from which the socket is not read, and the peer is given `dead_after_s`."""
    refusals_before_registration: int = 16
    """Messages of a stranger that are answered 200; then it is put out."""
    legacy_grace_s: float = 1.0
    """A connection from a legacy peer's host that is silent so long is taken for that peer."""
    handshake_within_s: float = 10.0
    """For TLS to be agreed with who connects."""
    connect_within_s: float = 10.0
    redial: Backoff = field(default_factory=Backoff)
    drain_within_s: float = 5.0
    """At a shutdown: for answers to requests that are in work."""
    close_within_s: float = 5.0
    """For the last bytes to reach a peer; then the connection is cut."""
