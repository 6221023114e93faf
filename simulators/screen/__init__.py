"""A communication or business screen that logs in, shows what is pushed, and can act."""

from __future__ import annotations

import ssl
from collections.abc import Callable

from simulators.screen.panel import ScreenKind, SimulatedScreen, open_screen
from simulators.watch import Sighting

__all__ = ["ScreenKind", "SimulatedScreen", "open_screen", "serve"]


async def serve(
    host: str,
    port: int,
    screen_id: str,
    *,
    secret: str | None,
    kind: ScreenKind = ScreenKind.BUSINESS,
    login_id: str | None = None,
    on_sighting: Callable[[Sighting], None] = print,
    tls: ssl.SSLContext | None = None,
) -> None:
    """Be a screen until cancelled (`linkage simulate screen`).

    Args:
        host: where linkage listens.
        port: the same.
        screen_id: the PeerId of a screen in linkage's configuration.
        secret: its secret.
        kind: communication (3xx, 4xx) or business (5xx, 6xx).
        login_id: who works at it; None: as configured at linkage.
        on_sighting: told of every message that goes or comes.
        tls: how to speak TLS with linkage; None: plainly.

    Raises:
        linkage.client.ClientError: linkage is not there, or refuses us; the text has the remedy.
    """
    async with open_screen(
        host, port, screen_id, secret=secret, kind=kind, login_id=login_id, tls=tls
    ) as screen:
        screen.watch.observe(on_sighting)
        await screen.background.failed.wait()
