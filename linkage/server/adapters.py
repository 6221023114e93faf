"""The adapters of one process: made of their settings, run by their hosts, given new settings."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.registry import load_adapter
from linkage.config.adapters import settings_of
from linkage.config.file import AdapterSettings, Config
from linkage.hosting import AdapterHost
from linkage.ports import (
    Adapter,
    AdapterContext,
    AdapterCorePort,
    AdapterError,
    Capability,
    Clock,
    FilesPort,
)
from linkage.supervision import TaskSet
from linkage.tracing.spans import Put


def capabilities_of(config: Config) -> dict[str, Capability]:
    """What each adapter of a configuration can do.

    Raises:
        AdapterError: a library is missing.
    """
    return {item.id: load_adapter(item.kind).capabilities for item in config.adapter}


class Adapters:
    """Makes the adapters of a configuration; nothing runs before `start`.

    Raises:
        AdapterError: a library is missing, or settings are wrong.
    """

    def __init__(
        self,
        config: Config,
        core: AdapterCorePort,
        clock: Clock,
        files: FilesPort,
        spans: Put | None,
    ) -> None:
        self._folder = config.source.parent
        self._core = core
        self._clock = clock
        self._files = files
        self._spans = spans
        self._starting = TaskSet("adapters")
        self.settings = config.adapter
        """By which they run."""
        self.hosts = tuple(self._host(load_adapter(item.kind), item) for item in config.adapter)

    async def start(self) -> None:
        """Make them known to the core, one by one, and begin to run them.

        Raises:
            KeyError: the core knows no such peer.
        """
        for host in self.hosts:
            await host.start()

    def start_when_possible(self) -> None:
        """The same, returning at once: where the core is in another process, it may come later."""
        self._starting.start(self.start(), "start")

    async def stop(self) -> None:
        """End them, the last first, in bounded time."""
        for host in reversed(self.hosts):
            await host.stop()
        await self._starting.close()

    async def apply(self, changed: Sequence[AdapterSettings]) -> list[str]:
        """Give adapters other settings; one that cannot take them while it runs is restarted.

        Settings that are refused leave the adapter that runs. Returns a line for each.
        """
        return [await self._apply(item) for item in changed]

    async def _apply(self, item: AdapterSettings) -> str:
        (old,) = [host for host in self.hosts if host.peer_id == item.id]
        try:
            cls = load_adapter(item.kind)
            context = self._context(cls, item)
            new = None if old.take_up(context.settings) else self._hosted(cls(context))
        except AdapterError as error:
            return f"adapter {item.id}: new settings refused, old ones kept: {error}"
        self.settings = tuple(item if item.id == was.id else was for was in self.settings)
        if new is None:
            return f"adapter {item.id}: new credentials applied, no restart"
        await old.stop("its settings were reloaded")
        self.hosts = tuple(new if host is old else host for host in self.hosts)
        self._starting.start(new.start(), item.id)
        return f"adapter {item.id}: restarted"

    def _host(self, cls: type[Adapter], item: AdapterSettings) -> AdapterHost:
        return self._hosted(cls(self._context(cls, item)))

    def _hosted(self, adapter: Adapter) -> AdapterHost:
        return AdapterHost(adapter, self._core, self._clock, spans=self._spans)

    def _context(self, cls: type[Adapter], item: AdapterSettings) -> AdapterContext:
        return AdapterContext(
            peer_id=item.id,
            settings=settings_of(item, cls, self._folder),
            clock=self._clock,
            files=self._files,
        )
