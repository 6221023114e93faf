"""The figures by which the gateway works. Plain data: the composition root fills it in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from linkage.ports import Network, Rate
from linkage.supervision import Backoff
from protocol.dialect import DEFAULT, Dialect
from protocol.events import Timers

KIB: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """Timers, bounds and the dialect of strangers.

    Bounds are what a stranger or a peer can make linkage hold; every one of them is per session
    but for those of connections. An IPv6 address stands for its /64. Times are seconds.
    """

    dialect: Dialect = DEFAULT
    """How those speak who are not known by their address."""
    timers: Timers = field(default_factory=Timers)
    connections: int = 12_000
    """Accepted connections at a time; one more is closed at once."""
    connections_per_address: int | None = None
    """Of these, those from one address; None: no bound of its own. Without registration nobody
    stays, so that one address holds no more than its peers and `unregistered_per_address`."""
    unregistered: int = 256
    """Connections that have not registered yet, TLS handshakes included."""
    unregistered_per_address: int = 128
    """Of these, those from one address: nobody alone can lock the others out."""
    accepts: Rate = field(default_factory=lambda: Rate(per_s=200, burst=2000))
    """New connections from one address; one too many is closed at once. The burst is for peers
    behind one address that come back after a restart."""
    allow: tuple[Network, ...] = ()
    """Networks that may connect; none given: all."""
    failures: Rate = field(default_factory=lambda: Rate(per_s=1 / 6, burst=10))
    """Registrations refused to one address for one peer id; beyond, 206 without a look at them."""
    refusals_window_s: float = 60.0
    """Refusals of one kind from one address within this are journalled as one, with a count."""
    message_bytes: int = 4 * KIB * KIB
    """The longest message taken, whatever a dialect allows."""
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
