"""What the gateway is told: where it listens, TLS, timers, bounds on peers and strangers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from linkage.config.fields import Address, Positive, PositiveInt
from linkage.ports import Rate
from protocol.events import Timers

MINUTE_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSettings:
    """One `[[listener]]`: an address to listen on, with TLS or without."""

    address: Address
    """`"HOST:PORT"`"""
    tls: bool = False
    """speak TLS 1.2 or later there; needs `[tls]`"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """PEM files; `linkage init DIR --tls` makes such for tests.

    A changed file is taken up within seconds, without a restart.
    """

    certificate: Path | None = None
    """linkage's own, with its chain: shown to those who connect and, as a client certificate, to
    those it dials"""
    key: Path | None = None
    """its private key, not encrypted"""
    client_ca: Path | None = None
    """authority of client certificates; where a peer shows one, it must name that peer"""
    require_client_certificate: bool = False
    """nobody connects to a TLS listener without one"""
    dial_ca: Path | None = None
    """authority of the certificates of peers that are dialled; none: those of the system"""

    def __post_init__(self) -> None:
        if (self.certificate is None) is not (self.key is None):
            raise ValueError("set `certificate` and `key`, both or none")
        if self.require_client_certificate and self.client_ca is None:
            raise ValueError("`require_client_certificate` needs `client_ca` to verify them")

    def paths(self) -> dict[str, Path]:
        """Every file there is to read, by the name of its setting."""
        named = {
            "certificate": self.certificate,
            "key": self.key,
            "client_ca": self.client_ca,
            "dial_ca": self.dial_ca,
        }
        return {name: path for name, path in named.items() if path is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerSettings(Timers):
    """Seconds."""

    frame_within_s: float = 30.0
    """how long a message, with all its fragments, may take from its first byte to its last; looked
    at with every heartbeat"""
    command_expire_s: PositiveInt = 30
    """a command without `Expire` must not be executed after so long"""

    def __post_init__(self) -> None:
        for name in (
            "heartbeat_s",
            "dead_after_s",
            "register_within_s",
            "answer_within_s",
            "frame_within_s",
        ):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}: must be greater than 0")
        if self.dead_after_s <= self.heartbeat_s:
            raise ValueError("dead_after_s must be longer than heartbeat_s")


@dataclass(frozen=True, kw_only=True)
class ConnectionLimits:
    """What strangers and peers can make the gateway hold.

    An address is an IPv4 address, or the /64 of an IPv6 address.
    """

    connections: PositiveInt = 12_000
    """connections at a time; one more is closed at once and journalled"""
    connections_per_address: PositiveInt | None = None
    """of these, from one address; none: no bound of its own, for without registration nobody
    stays, so that one address holds no more than its peers and `unregistered_per_address`"""
    unregistered: PositiveInt = 256
    """connections that have not registered, TLS handshakes included"""
    unregistered_per_address: PositiveInt = 128
    """of these, from one address: nobody alone can lock the others out"""
    connects_per_s: Positive = 200.0
    """new connections a second from one address, in the long run"""
    connects_burst: PositiveInt = 2000
    """new connections from one address at once, such as after a restart"""
    refusals_per_minute: Positive = 10.0
    """refused registrations of one PeerId from one address; beyond, none of them is looked at
    (206)"""
    message_bytes: Annotated[int, Field(ge=1024)] = 4 * 1024 * 1024
    """of one message put together from fragments, whatever a dialect allows; at least 1024"""

    @property
    def accepts(self) -> Rate:
        """New connections from one address; one too many is closed at once."""
        return Rate(per_s=self.connects_per_s, burst=self.connects_burst)

    @property
    def failures(self) -> Rate:
        """Registrations refused to one address for one peer id."""
        per_minute = self.refusals_per_minute
        return Rate(per_s=per_minute / MINUTE_S, burst=max(1.0, per_minute))
