"""The gateway in a process of its own: `linkage serve --only gateway`, or `gateway:NAME`."""

from __future__ import annotations

from collections import Counter

from gateway import Gateway
from linkage.bus.part_names import GATEWAY
from linkage.config.file import Config
from linkage.config.reload import plan_reload, profiles_of
from linkage.server.gateway import make_gateway
from linkage.server.metrics import watch_gateway
from linkage.server.remote_part import RemotePart


class GatewayPart(RemotePart):
    """Listener, dialler and sessions.

    One called `gateway:NAME` does not dial: two of them would take the peer from each other.

    Raises on entering:
        ListenError: a port is in use, or TLS cannot be spoken.
        BusError, KeyFileError: the bus cannot be used.
    """

    _gateway: Gateway | None = None

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Where it listens, with the ports that the system gave for port 0."""
        return () if self._gateway is None else tuple(self._gateway.addresses)

    async def _start(self) -> None:
        client = self._make_client()
        self._connection.start()
        config = self.config
        if self.name != GATEWAY:
            quiet = tuple(peer.model_copy(update={"dial": None}) for peer in config.peer)
            config = config.model_copy(update={"peer": quiet})
        self._gateway = make_gateway(config, client, self._clock)
        await self._gateway.start()
        self._stack.push_async_callback(self._gateway.close)
        if self.watch is not None:
            roles = {peer.id: peer.role.value for peer in config.peer}
            watch_gateway(
                self.watch,
                self._gateway,
                lambda: Counter(roles[peer] for peer in client.peers if peer in roles),
            )

    async def reload(self, config: Config) -> list[str]:
        """Allow-lists, TLS and certificates of peers, and who is a peer no more."""
        assert self._gateway is not None, "reload is for a part that serves"
        changes = plan_reload(self.config, config, ())
        self.config = changes.config
        self._gateway.take_up(profiles_of(changes), changes.config.allow)
        return changes.access + changes.remarks
