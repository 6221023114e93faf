"""What runs in one process: started by entering, stopped by leaving, watched, and reloaded."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Final, Self

from gateway import ListenError
from linkage.bus.part_names import CORE
from linkage.clock import SystemClock
from linkage.config.file import Config
from linkage.control import ControlServer
from linkage.observation.http import HealthServer, Phase
from linkage.observation.lag import LoopLag
from linkage.ports import Absent, Clock, CorePort, EntryKind
from linkage.server.metrics import watch_process
from linkage.supervision import TaskSet

logger = logging.getLogger("linkage.server")

ALARM_ID_MAX: Final = 64


class PartError(Exception):
    """There is no such part, or another process has its place. The text says what to do."""


class LinkagePart(ABC):
    """One part of linkage in this process, or all of it; entered and left once."""

    def __init__(self, config: Config, name: str, clock: Clock | None = None) -> None:
        self.config = config
        self.name = name
        self._clock = clock or SystemClock()
        self._stack = AsyncExitStack()
        self._port: CorePort | None = None
        """The core, here or in another process; of a part that serves."""
        self._notes = TaskSet(name)
        self.watch: HealthServer | None = None
        self.door: ControlServer | None = None
        """Where the command line asks, once it serves; of the core only."""

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Where peers connect, with the ports that the system gave for port 0."""
        return ()

    @property
    def _parts(self) -> tuple[str, ...]:
        """The parts that run in this process."""
        return (self.name,)

    async def __aenter__(self) -> Self:
        """Start everything; it serves when this returns."""
        self._stack.push_async_callback(self._notes.close)
        try:
            self._open_watch()
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        if self.watch is not None:
            self.watch.phase = Phase.SERVING
        self.tell_settings(None)  # an earlier process may have raised it
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.watch is not None:
            self.watch.phase = Phase.STOPPING
        await self._stack.aclose()

    @abstractmethod
    async def _start(self) -> None:
        """Bring it up; what is pushed on `_stack` is undone at the end."""

    @abstractmethod
    async def reload(self, config: Config) -> list[str]:
        """Take up of a changed configuration what is this part's (`linkage.config.reload`).

        Returns what was done and what was not, in lines for a person. Each part is told by itself.
        """

    def tell_settings(self, problem: str | None) -> None:
        """Raise the alarm `settings`, or `settings:PART`: a changed file is not what is served.

        The next restart would not come up with it. None: it is served; that ends the alarm.
        """
        if self._port is not None:
            self._notes.start(self._note_settings(self._port, problem), "settings")

    async def _note_settings(self, port: CorePort, problem: str | None) -> None:
        kind = EntryKind.ALARM if problem else EntryKind.ALARM_CLEARED
        text = problem or "the configuration file is what is served"
        try:
            await port.note(Absent(self._alarm_id), kind, text)
        except OSError as error:  # a part that stops before any core came
            logger.debug("%s: not journalled: %s", self._alarm_id, error)

    @property
    def _alarm_id(self) -> str:
        return f"settings:{self.name}"[:ALARM_ID_MAX]

    async def wait(self) -> None:
        """Until cancelled."""
        await asyncio.Event().wait()

    def _open_watch(self) -> None:
        """First of all: to open a large store may take a while, in which linkage is starting."""
        settings = self.config.watch
        if settings is None:
            return
        setting, address = "watch.listen", settings.listen
        if CORE not in self._parts:
            if self.name not in settings.parts:
                return
            setting, address = f"watch.parts {self.name}", settings.parts[self.name]
        watch = HealthServer(address)
        lag = self._stack.enter_context(LoopLag(self._clock.now))
        watch_process(watch, lag, self._clock, self._parts)
        try:
            self.watch = self._stack.enter_context(watch)
        except OSError as error:
            host, port = address
            raise ListenError(
                f"{setting} {host}:{port}: {error.strerror}; choose another address"
            ) from None
