"""A simulated screen, of the communication or the business kind: shows pushes, and can act."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Any

from linkage.client import BusinessScreen, CommunicationScreen
from protocol.messages import message_class
from simulators.background import Background
from simulators.clock import RealClock, ScenarioClock
from simulators.message_values import build
from simulators.watch import Watch, Way


class ScreenKind(StrEnum):
    """Which side the screen belongs to."""

    COMMUNICATION = "communication"
    BUSINESS = "business"


class SimulatedScreen:
    """A screen that is logged in. Made by `open_screen`; `watch` has what it was shown."""

    def __init__(self, client: CommunicationScreen | BusinessScreen, clock: ScenarioClock) -> None:
        self.watch = Watch(clock, "screen")
        self.client = client
        self.background = Background()

    async def act(self, number: int, **elements: Any) -> int:
        """The operator does something: `await screen.act(602, CallId="7")`.

        Returns the result of protocol.md#results.

        Raises:
            ValueError: no such message, or an element that it does not have.
        """
        cls = message_class(number)
        if cls is None:
            raise ValueError(f"{number} is no message type of the catalogue")
        message = build(cls, elements)
        self.watch.note(Way.SENT, message)
        reply = await self.client.send(message, check=False)
        if not reply.accepted:
            self.watch.note(Way.REFUSED, message, reply.result)
        return reply.result

    async def show(self) -> None:
        """Note what is pushed, until the client is closed."""
        async for push in self.client.notices():
            self.watch.note(Way.RECEIVED, push.message)


@asynccontextmanager
async def open_screen(
    host: str,
    port: int,
    screen_id: str,
    *,
    secret: str | None,
    kind: ScreenKind = ScreenKind.BUSINESS,
    login_id: str | None = None,
    clock: ScenarioClock | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[SimulatedScreen]:
    """A simulated screen that is logged in (490 or 690) while the context lasts.

    Args:
        host: where linkage listens.
        port: the same.
        screen_id: the PeerId of a screen in linkage's configuration.
        secret: its secret.
        kind: communication (3xx, 4xx) or business (5xx, 6xx).
        login_id: who works at it; None: as configured at linkage.
        clock: for the times in its diary; None: real time.
        tls: how to speak TLS with linkage; None: plainly.

    Raises:
        linkage.client.ClientError: linkage is not there, or refuses us; the text has the remedy.
    """
    cls = CommunicationScreen if kind is ScreenKind.COMMUNICATION else BusinessScreen
    async with cls(
        host,
        port,
        screen_id,
        secret=secret,
        login_id=login_id,
        ssl=tls,
        give_up_after_s=None,  # whoever plays it sees how it stands
    ) as client:
        screen = SimulatedScreen(client, clock or RealClock())
        screen.background.start(screen.show(), "screen shows")
        try:
            yield screen
        finally:
            await screen.background.stop()
