"""The simulated business application: a duty desk that follows rules."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from linkage.client import Application
from protocol.message import Message
from simulators.background import Background
from simulators.clock import ClientClock, ScenarioClock
from simulators.message_values import build, fits
from simulators.platform.engine import SERVED
from simulators.scenario import Rule
from simulators.watch import Watch, Way


@dataclass(slots=True, eq=False)
class _Standing:
    """A rule, and whether it was used."""

    rule: Rule
    used: bool = False


class SimulatedApplication:
    """An application that is registered with linkage. Made by `open_application`.

    `watch` has what it heard and sent; commands can be sent by hand as well.
    """

    def __init__(
        self, client: Application, rules: Sequence[Rule], clock: ScenarioClock, *, accounted: bool
    ) -> None:
        self.watch = Watch(clock, "application")
        self.client = client
        self.background = Background()
        self._clock = clock
        self._accounted = accounted
        self._standing = [_Standing(rule) for rule in rules]
        self._orders: asyncio.Queue[Message] = asyncio.Queue()
        for standing in self._standing:
            if standing.rule.on is None:
                self._plan(standing, None)

    async def send(self, command: Message) -> int:
        """Send a command; the result of protocol.md#results."""
        with self._clock.busy():
            self.watch.note(Way.SENT, command)
            if self._accounted and type(command) in SERVED:
                self._clock.sent(command.number)
            reply = await self.client.send(command, check=False)
            if not reply.accepted:
                self.watch.note(Way.REFUSED, command, reply.result)
                self._clock.seen(command.number)
        return reply.result

    async def listen(self) -> None:
        """Note what comes, and plan what the rules make of it, until the client is closed."""
        async for notice in self.client.notices():
            message = notice.message
            self.watch.note(Way.RECEIVED, message)
            for standing in self._standing:
                rule = standing.rule
                if rule.on == message.number and fits(message, rule.where):
                    self._plan(standing, message)
            self._clock.seen(message.number)

    async def work(self) -> None:
        """Send what was planned, in order, until cancelled."""
        while True:
            await self.send(await self._orders.get())

    def _plan(self, standing: _Standing, trigger: Message | None) -> None:
        rule = standing.rule
        if standing.used and rule.once:
            return
        standing.used = True
        self._clock.call_at(self._clock.now() + rule.after_s, partial(self._order, rule, trigger))

    def _order(self, rule: Rule, trigger: Message | None) -> None:
        try:
            self._orders.put_nowait(build(rule.send, rule.words, trigger))
        except ValueError as error:
            self.background.fail(error)


@asynccontextmanager
async def open_application(
    host: str,
    port: int,
    application_id: str,
    *,
    secret: str | None,
    clock: ScenarioClock,
    rules: Sequence[Rule] = (),
    accounted: bool = False,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[SimulatedApplication]:
    """A simulated application that is registered while the context lasts.

    Args:
        host: where linkage listens.
        port: the same.
        application_id: the PeerId of an application in linkage's configuration.
        secret: its secret.
        clock: the time that its rules live in.
        rules: what it does by itself.
        accounted: a simulated platform of the same clock will be sent its commands.
        tls: how to speak TLS with linkage; None: plainly.

    Raises:
        linkage.client.ClientError: linkage is not there, or refuses us; the text has the remedy.
    """
    async with Application(
        host,
        port,
        application_id,
        secret=secret,
        clock=ClientClock(clock),
        ssl=tls,
        give_up_after_s=None,  # whoever plays it sees how it stands
    ) as client:
        application = SimulatedApplication(client, rules, clock, accounted=accounted)
        application.background.start(application.listen(), "application listens")
        application.background.start(application.work(), "application works")
        try:
            yield application
        finally:
            await application.background.stop()
