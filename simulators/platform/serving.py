"""`linkage simulate platform`: a simulated platform that stays until it is stopped."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from simulators.clock import RealClock
from simulators.platform.simulated_platform import open_platform, with_fresh_ids
from simulators.watch import Sighting

if TYPE_CHECKING:
    from simulators.scenario import Scenario


async def serve(
    host: str,
    port: int,
    platform_id: str,
    *,
    secret: str | None,
    scenario: Scenario,
    speed: float = 1.0,
    folder: Path | None = None,
    on_sighting: Callable[[Sighting], None] = print,
    tls: ssl.SSLContext | None = None,
) -> None:
    """Play the platform's part of a scenario until cancelled; its calls come as it says.

    Args:
        host: where linkage listens.
        port: the same.
        platform_id: the PeerId of a platform in linkage's configuration.
        secret: its secret; None: it speaks only the patent and is known by its address.
        scenario: from `load_scenario`; `playground` has a telephone for every behaviour.
        speed: how many times faster than life.
        folder: where recordings are written; None: a temporary one, gone at the end.
        on_sighting: told of every message that goes or comes.
        tls: how to speak TLS with linkage; None: plainly.

    Raises:
        linkage.client.ClientError: linkage is not there, or refuses us; the text has the remedy.
    """
    clock = RealClock(speed=speed)
    site = scenario.site if scenario.ids_given else with_fresh_ids(scenario.site, clock)
    async with open_platform(
        host, port, platform_id, secret=secret, site=site, clock=clock, folder=folder, tls=tls
    ) as platform:
        platform.watch.observe(on_sighting)
        platform.play(scenario.calls)
        await platform.background.failed.wait()
