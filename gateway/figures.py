"""What the gateway counts: plain integers, read by who watches."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class GatewayFigures:
    """Since the start.

    `turned_away` counts connections by reason, `refused` registrations by
    result; a peer is silent where heartbeats are missed, stalled where it does not read.
    """

    accepted: int = 0
    turned_away: Counter[str] = field(default_factory=Counter)
    refused: Counter[int] = field(default_factory=Counter)
    received_bytes: int = 0
    sent_bytes: int = 0
    malformed: int = 0
    """Messages that could not be read, or whose fields were wrong."""
    paced: int = 0
    """Requests answered 206: their peer was over its rate."""
    probes: int = 0
    """Connections that ended without a byte, such as a load balancer's checks."""
    late_answers: int = 0
    silent: int = 0
    stalled: int = 0
