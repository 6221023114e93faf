"""The composition root: the whole middleware in one process.

```python
async with linkage.Server(load_config(Path("linkage.toml"))) as server:
    print(server.addresses)
```
"""

from __future__ import annotations

from gateway import Gateway
from linkage.config.file import Config
from linkage.config.reload import plan_reload, profiles_of
from linkage.files import DirectoryFiles
from linkage.hosting import AdapterHost
from linkage.ports import Clock
from linkage.server.adapters import Adapters, capabilities_of
from linkage.server.gateway import make_gateway
from linkage.server.metrics import (
    registered_by_role,
    watch_adapters,
    watch_core,
    watch_gateway,
)
from linkage.server.part import LinkagePart
from linkage.server.stored_core import StoredCore
from linkage.tracing.export import start_traces
from protocol.suggest import suggesting


class Server(LinkagePart):
    """Store, core, gateway and adapters, started in that order and stopped in the other.

    Raises on entering:
        StoreError: the data directory or database cannot be used.
        ListenError: a port is in use, or TLS cannot be spoken.
        AdapterError: an adapter's library is missing or its settings are wrong.
        TraceError: `[trace]` is given, and its libraries are missing.
    """

    _gateway: Gateway | None = None
    _adapters: Adapters | None = None
    _files: DirectoryFiles

    @suggesting
    def __init__(self, config: Config, clock: Clock | None = None) -> None:
        if not isinstance(config, Config):
            raise TypeError("Server wants a Config: read one by linkage.load_config(path)")
        super().__init__(config, "linkage", clock)

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Where it listens, with the ports that the system gave for port 0."""
        return () if self._gateway is None else tuple(self._gateway.addresses)

    @property
    def _parts(self) -> tuple[str, ...]:
        return ("gateway", "core", "adapters")

    @property
    def _alarm_id(self) -> str:
        return "settings"

    @property
    def kept_files(self) -> DirectoryFiles:
        """The files that it keeps; of a server that serves."""
        return self._files

    @property
    def hosts(self) -> tuple[AdapterHost, ...]:
        """One for each adapter."""
        return () if self._adapters is None else self._adapters.hosts

    async def _start(self) -> None:
        config = self.config
        capabilities = capabilities_of(config)
        spans = start_traces(config, self._stack, self.watch)
        stored = StoredCore(config, self._clock, capabilities, self._stack, spans=spans)
        core = self._port = self._core = stored.core
        self._files = stored.kept.files
        adapters = Adapters(config, core, self._clock, stored.kept.files, spans)
        await stored.start()
        self._gateway = make_gateway(config, core, self._clock)
        await self._gateway.start()
        self._stack.push_async_callback(self._gateway.close)
        self.door = stored.door
        self.door.is_whole = True
        self.door.states = lambda: {host.peer_id: host.state.value for host in self.hosts}
        self._adapters = adapters
        self._stack.push_async_callback(adapters.stop)
        await adapters.start()
        if self.watch is not None:
            watch_core(self.watch, core, config.database_path, self._clock)
            watch_gateway(self.watch, self._gateway, lambda: registered_by_role(core))
            watch_adapters(self.watch, lambda: self.hosts)

    async def reload(self, config: Config) -> list[str]:
        """Take up who may come in, and new settings of adapters; see `linkage.config.reload`.

        Sessions that would not come in any more are closed. Adapters that are refused are started
        again at once; one whose settings are as before and that works is left alone, and so
        are all other peers, and calls. Returns what was done and what was not, in lines for a
        person; settings that an adapter does not take leave the one that runs.
        """
        assert self._gateway is not None, "reload is for a server that serves"
        assert self._adapters is not None, "the same"
        changes = plan_reload(self.config, config, self.hosts)
        self.config = changes.config
        await self._core.take_up(changes.config, changes.gone)
        self._gateway.take_up(profiles_of(changes), changes.config.allow)
        applied = await self._adapters.apply(changes.again)
        self.config = self.config.model_copy(update={"adapter": self._adapters.settings})
        return changes.access + changes.remarks + applied
