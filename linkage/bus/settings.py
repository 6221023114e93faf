"""The figures by which the bus works."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BusSettings:
    """Seconds.

    `hold_s` is for a request, or a registration, that meets no core: so long it waits for one to
    come (back), then it is answered 404. It must be well below the time within which peers want
    their answers and registrations.
    """

    heartbeat_s: float = 1.0
    dead_after_s: float = 10.0
    hold_s: float = 8.0
