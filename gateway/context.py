"""What every part of one gateway shares."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.buckets import Buckets
from gateway.connections import Connections
from gateway.figures import GatewayFigures
from gateway.in_flight import InFlight
from gateway.refusal_journal import RefusalJournal
from gateway.settings import GatewaySettings
from linkage.ports import Clock, CorePort, Network, PeerProfile
from protocol.dialect import Dialect


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayContext:
    """The core, the clock, the figures, who is connected, and the work that is going on.

    `work` holds the tasks of all sessions, `in_flight` counts the requests that the core works on:
    what was begun is waited for at a shutdown, also when its session is gone. The buckets outlive
    sessions: who reconnects finds them as they were.
    """

    core: CorePort
    clock: Clock
    settings: GatewaySettings
    connections: Connections
    refusals: RefusalJournal
    profiles: dict[str, PeerProfile]
    """The configured peers by id."""
    allow: list[Network] = field(default_factory=list)
    """Networks that may connect; none: all. This and `profiles` change while serving."""
    work: set[asyncio.Task[Any]]
    in_flight: InFlight = field(default_factory=InFlight)
    accepts: Buckets = field(default_factory=Buckets)
    """Connections, by address."""
    failures: Buckets = field(default_factory=Buckets)
    """Refused registrations, by address and peer id."""
    requests: Buckets = field(default_factory=Buckets)
    """Requests, by peer id."""
    paused: dict[str, float] = field(default_factory=dict)
    """Until when a peer that was too fast was told to wait (monotonic), by peer id."""
    figures: GatewayFigures = field(default_factory=GatewayFigures)

    def bounded(self, dialect: Dialect) -> Dialect:
        """A dialect with our own bound on the length of a message."""
        most = self.settings.message_bytes
        if dialect.message_max_bytes <= most:
            return dialect
        return replace(dialect, message_max_bytes=most)

    def dialect_of(self, peer_id: str) -> Dialect | None:
        """How a peer speaks that registers; None: nobody of that id does."""
        profile = self.profiles.get(peer_id)
        if profile is None or not profile.dialect.profile:
            return None
        return self.bounded(profile.dialect)
