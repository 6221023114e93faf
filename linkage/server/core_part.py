"""The core in a process of its own: `linkage serve --only core`."""

from __future__ import annotations

from linkage.bus.address import endpoint, is_ipc, make_private
from linkage.bus.core_server import CoreServer
from linkage.bus.keys import Pair, read_allowed, read_pair
from linkage.bus.part_names import CORE
from linkage.config.file import Config
from linkage.config.reload import plan_reload
from linkage.core import Core
from linkage.server.metrics import watch_core, watch_parts
from linkage.server.part import LinkagePart
from linkage.server.stored_core import StoredCore
from linkage.tracing.export import start_traces


class CorePart(LinkagePart):
    """Store, core, and the bus for the others.

    Raises on entering:
        StoreError: the data directory or database cannot be used.
        BusError, KeyFileError: the bus cannot be opened.
    """

    _core: Core

    async def _start(self) -> None:
        config = self.config
        spans = start_traces(config, self._stack, self.watch)
        stored = StoredCore(config, self._clock, {}, self._stack, spans=spans)
        core = self._port = self._core = stored.core
        place, keys, allowed = _core_place(config)
        await stored.start()
        core_server = CoreServer(
            core,
            stored.kept.files,
            self._clock,
            config.messaging,
            [item.id for item in config.adapter],
        )
        core_server.start(place, keys, allowed)
        self._stack.push_async_callback(core_server.stop)
        self.door = stored.door
        if self.watch is not None:
            watch_core(self.watch, core, config.database_path, self._clock)
            watch_parts(self.watch, lambda: core_server.parts)

    async def reload(self, config: Config) -> list[str]:
        """Secrets, and who is a peer no more."""
        changes = plan_reload(self.config, config, ())
        self.config = changes.config
        await self._core.take_up(changes.config, changes.gone)
        return changes.access + changes.remarks


def _core_place(config: Config) -> tuple[str, Pair | None, dict[bytes, str]]:
    """Where the core binds, its keys, and whose it knows."""
    place = endpoint(config.messaging.bind or config.messaging.address, config.data_path)
    if is_ipc(place):
        make_private(place)
        return place, None, {}
    folder = config.messaging.keys
    return place, read_pair(folder, CORE), read_allowed(folder)
