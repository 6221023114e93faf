"""The composition root: the whole middleware in one process.

```python
async with linkage.Server(load_config(Path("linkage.toml"))) as server:
    print(server.addresses)
```
"""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from adapters.registry import load_adapter
from gateway import Gateway, ListenError
from linkage.clock import SystemClock
from linkage.config.adapters import settings_of
from linkage.config.file import AdapterSettings, Config
from linkage.config.reload import plan_reload, profiles_of
from linkage.control import Door
from linkage.core import Core
from linkage.files import DirectoryFiles
from linkage.hosting import AdapterHost
from linkage.observation.http import Phase, Watch
from linkage.observation.lag import LoopLag
from linkage.ports import (
    Adapter,
    AdapterContext,
    AdapterError,
    Capability,
    Clock,
)
from linkage.server.gateway import make_gateway
from linkage.server.metrics import (
    registered_by_role,
    watch_adapters,
    watch_core,
    watch_gateway,
    watch_process,
)
from linkage.server.store import KeptCore
from linkage.tracing.export import start_traces
from linkage.tracing.spans import Put
from protocol.suggest import suggesting

logger = logging.getLogger("linkage.server")


class Server:
    """Store, core, gateway and adapters, started in that order and stopped in the other.

    Raises on entering:
        StoreError: the data directory or database cannot be used.
        ListenError: a port is in use, or TLS cannot be spoken.
        AdapterError: an adapter's library is missing or its settings are wrong.
        TraceError: `[trace]` is given, and its libraries are missing.
    """

    @suggesting
    def __init__(self, config: Config, clock: Clock | None = None) -> None:
        if not isinstance(config, Config):
            raise TypeError("Server wants a Config: read one by linkage.load_config(path)")
        self.config = config
        self._clock = clock or SystemClock()
        self._stack = AsyncExitStack()
        self._gateway: Gateway | None = None
        self._core: Core | None = None
        self.door: Door | None = None
        """Where the command line asks, once it serves."""
        self._spans: Put | None = None
        self.hosts: tuple[AdapterHost, ...] = ()
        self.watch: Watch | None = None

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Where it listens, with the ports that the system gave for port 0."""
        return () if self._gateway is None else tuple(self._gateway.addresses)

    async def __aenter__(self) -> Self:
        """Start everything; it serves when this returns."""
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
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

    async def _start(self) -> None:
        config = self.config
        self._open_watch()
        classes = {item.id: load_adapter(item.kind) for item in config.adapter}
        capabilities: dict[str, Capability] = {
            peer_id: cls.capabilities for peer_id, cls in classes.items()
        }
        self._spans = start_traces(config, self._stack, self.watch)
        kept = KeptCore(config, self._clock, capabilities, self._stack, spans=self._spans)
        core = kept.core
        adapters = [
            classes[item.id](self._context(item, classes[item.id])) for item in config.adapter
        ]
        await kept.start()
        self._gateway = make_gateway(config, core, self._clock)
        await self._gateway.start()
        self._stack.push_async_callback(self._gateway.close)
        self._core = core
        self.door = kept.door
        self.door.is_whole = True
        self.door.states = lambda: {host.peer_id: host.state.value for host in self.hosts}
        self._stack.push_async_callback(self._stop_hosts)
        for adapter in adapters:
            await self._run_adapter(adapter)
        if self.watch is not None:
            watch_core(self.watch, core, config.database_path, self._clock)
            watch_gateway(self.watch, self._gateway, lambda: registered_by_role(core))
            watch_adapters(self.watch, lambda: self.hosts)
            self.watch.phase = Phase.SERVING

    def _open_watch(self) -> None:
        """First of all: to open a large store may take a while, in which linkage is starting."""
        settings = self.config.watch
        if settings is None:
            return
        watch = Watch(settings.listen)
        lag = self._stack.enter_context(LoopLag(self._clock.now))
        watch_process(watch, lag, self._clock, ("gateway", "core", "adapters"))
        try:
            self.watch = self._stack.enter_context(watch)
        except OSError as error:
            host, port = settings.listen
            raise ListenError(
                f"watch.listen {host}:{port}: {error.strerror}; choose another address"
            ) from None

    async def _run_adapter(self, adapter: Adapter) -> None:
        assert self._core is not None, "adapters come after the core"
        host = AdapterHost(adapter, self._core, self._clock, spans=self._spans)
        await host.start()
        self.hosts = (*self.hosts, host)

    async def _stop_hosts(self) -> None:
        for host in reversed(self.hosts):
            await host.stop()

    # --- new settings ----------------------------------------------------------------------------
    async def reload(self, config: Config) -> list[str]:
        """Take up who may come in, and new settings of adapters; see `linkage.config.reload`.

        Sessions that would not come in any more are closed. Adapters that are refused are started
        again at once; one whose settings are as before and that works is left alone, and so
        are all other peers, and calls. Returns what was done and what was not, in lines for a
        person; settings that an adapter does not take leave the one that runs.
        """
        assert self._core is not None, "reload is for a server that serves"
        assert self._gateway is not None, "the same"
        changes = plan_reload(self.config, config, self.hosts)
        self.config = changes.config
        await self._core.take_up(changes.config, changes.gone)
        self._gateway.take_up(profiles_of(changes), changes.config.allow)
        again = [await self._run_again(item) for item in changes.again]
        return changes.access + changes.remarks + again

    async def _run_again(self, item: AdapterSettings) -> str:
        assert self._core is not None, "reload is for a server that serves"
        try:
            cls = load_adapter(item.kind)
            context = self._context(item, cls)
            (old,) = [host for host in self.hosts if host.peer_id == item.id]
            adapter = None if old.take_up(context.settings) else cls(context)
        except AdapterError as error:
            return f"adapter {item.id}: new settings refused, old ones kept: {error}"
        if adapter is not None:
            await old.stop("its settings were reloaded")
            self.hosts = tuple(host for host in self.hosts if host is not old)
            await self._run_adapter(adapter)
        others = (other for other in self.config.adapter if other.id != item.id)
        self.config = self.config.model_copy(update={"adapter": (*others, item)})
        done = "restarted" if adapter else "new credentials applied, no restart"
        return f"adapter {item.id}: {done}"

    def _context(self, item: AdapterSettings, cls: type[Adapter]) -> AdapterContext:
        return AdapterContext(
            peer_id=item.id,
            settings=settings_of(item, cls, self.config.source.parent),
            clock=self._clock,
            files=DirectoryFiles(self.config.files_path),
        )
