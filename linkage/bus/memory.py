"""An adapter's memory, kept by a core in another process."""

from __future__ import annotations

import json
from typing import Any

from linkage.bus.client import CoreClient


class RemoteMemory:
    """`linkage.ports.Memory` over the bus."""

    def __init__(self, client: CoreClient, peer_id: str) -> None:
        self._client = client
        self._peer_id = peer_id

    async def load(self) -> dict[str, Any]:
        """See `Memory.load`."""
        return await self._client.recall(self._peer_id)

    async def put(self, key: str, value: Any) -> None:
        """See `Memory.put`."""
        text = json.dumps(value, ensure_ascii=False)
        await self._client.remember(self._peer_id, key, text)

    async def delete(self, key: str) -> None:
        """See `Memory.delete`."""
        await self._client.remember(self._peer_id, key, None)
