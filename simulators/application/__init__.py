"""A business application that plays the duty desk: rules say what it does with what it hears."""

from __future__ import annotations

import ssl
from collections.abc import Callable

from simulators.application.desk import SimulatedApplication, open_application
from simulators.clock import RealClock
from simulators.scenario import Scenario
from simulators.watch import Sighting

__all__ = ["SimulatedApplication", "open_application", "serve"]


async def serve(
    host: str,
    port: int,
    application_id: str,
    *,
    secret: str | None,
    scenario: Scenario,
    speed: float = 1.0,
    on_sighting: Callable[[Sighting], None] = print,
    tls: ssl.SSLContext | None = None,
) -> None:
    """Play the application's part of a scenario until cancelled (`linkage simulate application`).

    Args:
        host: where linkage listens.
        port: the same.
        application_id: the PeerId of an application in linkage's configuration.
        secret: its secret.
        scenario: from `load_scenario`.
        speed: how many times faster than life.
        on_sighting: told of every message that goes or comes.
        tls: how to speak TLS with linkage; None: plainly.

    Raises:
        linkage.client.ClientError: linkage is not there, or refuses us; the text has the remedy.
    """
    async with open_application(
        host,
        port,
        application_id,
        secret=secret,
        clock=RealClock(speed=speed),
        rules=scenario.rules,
        tls=tls,
    ) as application:
        application.watch.observe(on_sighting)
        await application.background.failed.wait()
