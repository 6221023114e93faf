"""A part that needs the core of another process, and finds it by itself whenever it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from linkage.bus.address import endpoint, is_ipc, make_private
from linkage.bus.client import CoreClient
from linkage.bus.keys import Pair, read_pair, read_public
from linkage.bus.part_names import CORE
from linkage.config.file import Config
from linkage.ports import Capability
from linkage.server.metrics import watch_bus
from linkage.server.part import LinkagePart, PartError


class RemotePart(LinkagePart):
    """A gateway or an adapter."""

    _client: CoreClient

    def _make_client(self, capabilities: Mapping[str, Capability] | None = None) -> CoreClient:
        """The core as it is seen from here; `capabilities` are those of the adapter that runs."""
        place, keys = _part_place(self.config, self.name)
        client = self._client = CoreClient(
            self.name,
            place,
            self._clock,
            self.config.messaging,
            keys=keys,
            capabilities=capabilities,
            expire_s=self.config.timers.command_expire_s,
        )
        self._stack.push_async_callback(client.stop)
        if self.watch is not None:
            watch_bus(self.watch, lambda: client.problem, lambda: client.waiting)
        return client

    async def wait(self) -> None:
        """Until cancelled.

        Raises:
            PartError: another process serves as this part now.
        """
        await asyncio.shield(self._client.replaced)
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
