"""The simulated platform on the wire: the engine, the client library, and the scenario's clock."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from linkage.client import Command, Platform
from simulators.background import Background
from simulators.clock import ClientClock, ScenarioClock, ScenarioTimer
from simulators.platform.engine import Engine
from simulators.platform.exchange import Emitted, RefusedError, SaveRecording
from simulators.platform.parties import Site
from simulators.platform.sound import write_recording
from simulators.watch import Watch, Way

if TYPE_CHECKING:
    from simulators.scenario import PlannedCall

logger = logging.getLogger("simulators.platform")

ACCOUNTED: Final = frozenset({100, 102, 103, 105, 110, 115, 116})
"""Notices that the application of a run is sure to be sent, if there is one."""


def with_fresh_ids(site: Site, clock: ScenarioClock) -> Site:
    """The site with ids that no earlier run has given: microseconds of the time on the wall.

    A linkage that keeps its data over runs of the simulator must not meet an id again.
    """
    serial = int(clock.utc().timestamp() * 1_000_000)
    return replace(site, first_call_id=serial, first_conference_id=serial)


class SimulatedPlatform:
    """A communication platform that is registered with linkage. Made by `open_platform`.

    `watch` has what it heard and said; `engine` may be looked at, but is fed through here.
    """

    def __init__(
        self, client: Platform, site: Site, clock: ScenarioClock, folder: Path, *, accounted: bool
    ) -> None:
        self.watch = Watch(clock, "platform")
        self.site = site
        # Times that go out are the wall's, at any speed, for linkage journals beside them its own.
        epoch = clock.utc() if clock.pace == 1 else ClientClock(clock).utc()
        self.engine = Engine(site, epoch=epoch, pace=clock.pace)
        self._client = client
        self._clock = clock
        self._zero = clock.now()
        self._folder = folder
        self._accounted = ACCOUNTED if accounted else frozenset[int]()
        self._outbox: asyncio.Queue[Emitted | SaveRecording] = asyncio.Queue()
        self._timer: ScenarioTimer | None = None
        self.background = Background()

    # --- what happens to its telephones ---------------------------------------------------------
    def call(self, phone_num: str, to_num: str) -> str:
        """Somebody dials a hotline or an extension; the CallId.

        Raises:
            RefusedError: the caller is in a call already, or nothing has the number.
        """
        try:
            return self.engine.call_in(phone_num, to_num, self._now())
        finally:  # what was due by now has happened, also where this call is refused
            self._flush()

    def hang_up(self, number: str) -> None:
        """The holder of a telephone puts the receiver down; no effect when it is in no call."""
        self.engine.put_down(number, self._now())
        self._flush()

    def play(self, calls: Iterable[PlannedCall]) -> None:
        """Let the calls of a scenario come in at their times."""
        for call in calls:
            self._clock.call_at(self._clock.now() + call.at_s, partial(self._play_one, call))

    def _play_one(self, call: PlannedCall) -> None:
        try:
            self.call(call.phone_num, call.to_num)
        except RefusedError as error:
            # A caller of a repeated call who is still in the last one: as in life, he waits.
            logger.warning("%s does not call %s: %s", call.phone_num, call.to_num, error)
        if call.every_s:
            self._clock.call_at(self._clock.now() + call.every_s, partial(self._play_one, call))

    # --- work -----------------------------------------------------------------------------------
    async def obey(self) -> None:
        """Answer commands until the client is closed."""
        async for command in self._client.commands():
            await self._obey_one(command)

    async def _obey_one(self, command: Command) -> None:
        with self._clock.busy():
            # The client library has judged Expire, by the clock on the wall; ours may run ahead.
            request = replace(command.request, expire_s=None)
            answer = self.engine.execute(request, self._now())
            self.watch.note(Way.RECEIVED, command.message, answer.result)
            self._clock.seen(command.message.number)
            await command.answer(
                answer.result,
                detail=answer.detail,
                call_id=answer.call_id,
                conference_id=answer.conference_id,
            )
            self._flush()

    async def tell(self) -> None:
        """Send notices in order, and write recordings, until cancelled."""
        while True:
            item = await self._outbox.get()
            with self._clock.busy():
                if isinstance(item, Emitted):
                    time = item.time if self._clock.is_wall else None
                    self.watch.note(Way.SENT, item.message)
                    response = await self._client.notify(item.message, time=time)
                    if not response.accepted:
                        self.watch.note(Way.REFUSED, item.message, response.result)
                        self._clock.seen(item.message.number)
                else:
                    await self._save(item)

    async def _save(self, item: SaveRecording) -> None:
        write = partial(write_recording, self._folder, item.record_id, item.duration_s)
        try:
            file = await asyncio.to_thread(write)
        except OSError as error:
            logger.warning("recording %s is not written: %s", item.record_id, error)
            self.engine.recording_saved(item.record_id, None, self._now())
        else:
            self.engine.recording_saved(item.record_id, file, self._now())
        self._flush()

    def _now(self) -> float:
        return self._clock.now() - self._zero

    def _flush(self) -> None:
        for item in self.engine.drain():
            self._outbox.put_nowait(item)
            if isinstance(item, Emitted) and item.message.number in self._accounted:
                self._clock.sent(item.message.number)
        due = self.engine.get_timer()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer = self._clock.call_at(due + self._zero, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self.engine.handle_timer(self._now())
        self._flush()

    def silence(self) -> None:
        """Let no timer fire any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


@asynccontextmanager
async def open_platform(
    host: str,
    port: int,
    platform_id: str,
    *,
    secret: str | None,
    site: Site,
    clock: ScenarioClock,
    folder: Path | None = None,
    accounted: bool = False,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[SimulatedPlatform]:
    """A simulated platform that is registered while the context lasts.

    Args:
        host: where linkage listens.
        port: the same.
        platform_id: the PeerId of a platform in linkage's configuration.
        secret: its secret; None: it speaks only the patent and is known by its address.
        site: its telephones and who holds them.
        clock: the time that its telephones live in.
        folder: where recordings are written; None: a temporary one, gone at the end.
        accounted: a simulated application of the same clock will be sent its notices.
        tls: how to speak TLS with linkage; None: plainly.

    Raises:
        linkage.client.ClientError: linkage is not there, or refuses us; the text has the remedy.
    """
    with TemporaryDirectory(prefix="linkage-simulator-") as temporary:
        async with Platform(
            host,
            port,
            platform_id,
            secret=secret,
            clock=ClientClock(clock),
            ssl=tls,
            give_up_after_s=None,  # whoever plays it sees how it stands
        ) as client:
            platform = SimulatedPlatform(
                client, site, clock, folder or Path(temporary), accounted=accounted
            )
            platform.background.start(platform.obey(), "platform obeys")
            platform.background.start(platform.tell(), "platform tells")
            try:
                yield platform
            finally:
                platform.silence()
                await platform.background.stop()
