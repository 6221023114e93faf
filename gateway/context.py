"""What every part of one gateway shares."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from gateway.figures import GatewayFigures
from gateway.in_flight import InFlight
from gateway.open_connections import OpenConnections
from gateway.rate_limits import RateLimits
from gateway.refusal_journal import RefusalJournal
from gateway.settings import GatewaySettings
from linkage.ports import Clock, CorePort, PeerProfile


class GatewayContext:
    """The core, the clock, the figures, who is connected, and the work that is going on."""

    __slots__ = (
        "allow",
        "clock",
        "connections",
        "core",
        "figures",
        "in_flight",
        "profiles",
        "rates",
        "refusals",
        "settings",
        "work",
    )

    def __init__(
        self,
        core: CorePort,
        clock: Clock,
        settings: GatewaySettings,
        peers: Iterable[PeerProfile] = (),
    ) -> None:
        self.core = core
        self.clock = clock
        self.settings = settings
        self.profiles = {peer.id: peer for peer in peers}
        """The configured peers by id. These and `allow` change while serving."""
        self.allow = list(settings.allow)
        """Networks that may connect; none: all."""
        self.work: set[asyncio.Task[Any]] = set()
        """The tasks of all sessions: waited for at a shutdown, also when their session is gone."""
        self.in_flight = InFlight()
        """The requests that the core works on; the same."""
        self.connections = OpenConnections(settings)
        self.rates = RateLimits(clock, accepts=settings.accepts, failures=settings.failures)
        self.refusals = RefusalJournal(core, settings.refusals_window_s, self.work)
        self.figures = GatewayFigures()
