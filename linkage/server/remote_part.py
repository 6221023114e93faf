"""A part that needs the core of another process, and finds it by itself whenever it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from linkage.bus.address import endpoint, is_ipc, make_private
from linkage.bus.client import CoreClient
from linkage.bus.core_connection import CoreConnection
from linkage.bus.keys import Pair, read_pair, read_public
from linkage.bus.part_names import CORE
from linkage.config.file import Config
from linkage.ports import Capability
from linkage.server.metrics import watch_bus
from linkage.server.part import LinkagePart, PartError

NONE: Final[Mapping[str, Capability]] = MappingProxyType({})


class RemotePart(LinkagePart):
    """A gateway or an adapter."""

    _connection: CoreConnection

    def _make_client(self, capabilities: Mapping[str, Capability] = NONE) -> CoreClient:
        """The core as it is seen from here; `capabilities` are those of the adapter that runs."""
        config = self.config
        place, keys = _part_place(config, self.name)
        connection = self._connection = CoreConnection(
            self.name, place, self._clock, config.messaging, keys, capabilities
        )
        self._stack.push_async_callback(connection.stop)
        if self.watch is not None:
            watch_bus(self.watch, lambda: connection.problem, lambda: len(connection.calls))
        expire_s = config.timers.command_expire_s
        client = CoreClient(connection, self._clock, config.messaging, expire_s=expire_s)
        self._port = client
        return client

    async def wait(self) -> None:
        """Until cancelled.

        Raises:
            PartError: another process serves as this part now.
        """
        await asyncio.shield(self._connection.replaced)
        raise PartError(
            f"another process serves as {self.name} now: this one ends; start each part once, "
            "or name several gateways `gateway:NAME`"
        )


def _part_place(config: Config, name: str) -> tuple[str, tuple[Pair, bytes] | None]:
    """Where a part finds the core, and by which keys."""
    place = endpoint(config.messaging.address, config.data_path)
    if is_ipc(place):
        make_private(place)
        return place, None
    folder = config.messaging.keys
    return place, (read_pair(folder, name), read_public(folder, CORE))
