"""The parts of linkage as processes of their own: `linkage serve --only …`.

```python
async with linkage.server.process.open_part(config, "gateway") as part:
    await part.wait()
```
The same classes as in one process (`linkage.server.server`), with the bus between them. Each part
starts whether the others are there or not, and finds them by itself when they come.
"""

from __future__ import annotations

import asyncio
import logging
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from adapters.registry import load_adapter
from gateway import Gateway, ListenError
from linkage.bus.address import endpoint, is_ipc, make_private
from linkage.bus.client import CoreClient
from linkage.bus.core_server import CoreServer
from linkage.bus.keys import Pair, read_allowed, read_pair, read_public
from linkage.bus.part_names import ADAPTER, CORE, GATEWAY
from linkage.bus.remote_files import RemoteFiles
from linkage.bus.sockets import BusError
from linkage.clock import SystemClock
from linkage.config.adapters import settings_of
from linkage.config.fields import PEER_ID
from linkage.config.file import AdapterSettings, Config
from linkage.config.reload import plan_reload, profiles_of
from linkage.control import Door
from linkage.core import Core
from linkage.files import DirectoryFiles
from linkage.hosting import AdapterHost
from linkage.observation.http import Phase, Watch
from linkage.observation.lag import LoopLag
from linkage.ports import Adapter, AdapterContext, AdapterError, Clock
from linkage.server.gateway import make_gateway
from linkage.server.metrics import (
    watch_adapters,
    watch_bus,
    watch_core,
    watch_gateway,
    watch_parts,
    watch_process,
)
from linkage.server.store import KeptCore
from linkage.supervision import TaskSet
from linkage.tracing.export import start_traces
from linkage.tracing.spans import Put

logger = logging.getLogger("linkage.server")


class PartError(Exception):
    """There is no such part. The text names those there are."""


class LinkagePart(ABC):
    """One part in this process; started by entering, stopped by leaving."""

    def __init__(self, config: Config, name: str, clock: Clock | None = None) -> None:
        self.config = config
        self.name = name
        self._clock = clock or SystemClock()
        self._stack = AsyncExitStack()
        self.watch: Watch | None = None
        self.door: Door | None = None
        """Where the command line asks; of the core only."""

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Where peers connect; of a gateway only."""
        return ()

    async def __aenter__(self) -> Self:
        try:
            self._open_watch()
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        if self.watch is not None:
            self.watch.phase = Phase.SERVING
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

    async def wait(self) -> None:
        """Until cancelled.

        Raises:
            PartError: another process serves as this part now.
        """
        await asyncio.Event().wait()

    def _open_watch(self) -> None:
        settings = self.config.watch
        if settings is None:
            return
        address = settings.listen if self.name == CORE else settings.parts.get(self.name)
        if address is None:
            return
        watch = Watch(address)
        lag = self._stack.enter_context(LoopLag(self._clock.now))
        watch_process(watch, lag, self._clock, (self.name,))
        try:
            self.watch = self._stack.enter_context(watch)
        except OSError as error:
            host, port = address
            raise ListenError(
                f"watch {host}:{port}: {error.strerror}; choose another address for {self.name}"
            ) from None


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
        kept = KeptCore(config, self._clock, {}, self._stack, spans=spans)
        core = kept.core
        place, keys, allowed = _core_place(config)
        await kept.start()
        core_server = CoreServer(
            core,
            DirectoryFiles(config.files_path),
            self._clock,
            config.messaging,
            [item.id for item in config.adapter],
        )
        core_server.start(place, keys, allowed)
        self._stack.push_async_callback(core_server.stop)
        self._core = core
        self.door = kept.door
        if self.watch is not None:
            watch_core(self.watch, core, config.database_path, self._clock)
            watch_parts(self.watch, lambda: core_server.parts)

    async def reload(self, config: Config) -> list[str]:
        """Secrets, and who is a peer no more."""
        changes = plan_reload(self.config, config, ())
        self.config = changes.config
        await self._core.take_up(changes.config, changes.gone)
        return changes.access + changes.remarks


class RemotePart(LinkagePart):
    """A part that needs the core."""

    _client: CoreClient

    def _make_client(self, **options: Any) -> CoreClient:
        place, keys = _part_place(self.config, self.name)
        self._client = CoreClient(
            self.name, place, self._clock, self.config.messaging, keys=keys,
            expire_s=self.config.timers.command_expire_s, **options,
        )  # fmt: skip
        if self.watch is not None:
            client = self._client
            watch_bus(self.watch, lambda: client.problem, lambda: client.waiting)
        return self._client

    async def wait(self) -> None:
        """See `LinkagePart.wait`."""
        await asyncio.shield(self._client.replaced)
        raise PartError(
            f"another process serves as {self.name} now: this one ends; start each part once, "
            "or name several gateways `gateway:NAME`"
        )


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
        self._stack.push_async_callback(client.stop)
        client.start()
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


class AdapterPart(RemotePart):
    """One adapter with its host.

    Raises on entering:
        AdapterError: its library is missing or its settings are wrong.
        BusError, KeyFileError: the bus cannot be used.
    """

    hosts: tuple[AdapterHost, ...] = ()
    _starting: asyncio.Task[None]
    _spans: Put | None

    async def _start(self) -> None:
        self._tasks = TaskSet("adapter")
        peer_id = self.name.partition(":")[2]
        item = next(item for item in self.config.adapter if item.id == peer_id)
        cls = load_adapter(item.kind)
        client = self._make_client(capabilities={peer_id: cls.capabilities})
        adapter = cls(self._context(item, cls))
        self._stack.push_async_callback(client.stop)
        client.start()
        self._spans = start_traces(self.config, self._stack, self.watch)
        self._run(adapter)
        self._stack.push_async_callback(self._stop_host)
        if self.watch is not None:
            watch_adapters(self.watch, lambda: self.hosts)

    def _context(self, item: AdapterSettings, cls: type[Adapter]) -> AdapterContext:
        local = is_ipc(endpoint(self.config.messaging.address, self.config.data_path))
        return AdapterContext(
            peer_id=item.id,
            settings=settings_of(item, cls, self.config.source.parent),
            clock=self._clock,
            files=DirectoryFiles(self.config.files_path) if local else RemoteFiles(self._client),
        )

    def _run(self, adapter: Adapter) -> None:
        host = AdapterHost(adapter, self._client, self._clock, spans=self._spans)
        self.hosts = (host,)
        self._starting = self._tasks.start(host.start(), f"start {host.peer_id}")

    async def _stop_host(self, reason: str = "linkage stops") -> None:
        """A host that no core has taken yet is not waited for."""
        if not self._starting.done():
            self._starting.cancel()
            await asyncio.wait({self._starting})
            return
        for host in self.hosts:
            await host.stop(reason)

    async def reload(self, config: Config) -> list[str]:
        """The settings of this adapter; one that is refused is started again at once."""
        own = [item for item in config.adapter if item.id == self.hosts[0].peer_id]
        mine = [item for item in self.config.adapter if item.id == self.hosts[0].peer_id]
        changes = plan_reload(
            self.config.model_copy(update={"adapter": tuple(mine)}),
            config.model_copy(update={"adapter": tuple(own)}),
            self.hosts,
        )
        return changes.remarks + [await self._run_again(item) for item in changes.again]

    async def _run_again(self, item: AdapterSettings) -> str:
        try:
            cls = load_adapter(item.kind)
            context = self._context(item, cls)
            adapter = None if self.hosts[0].take_up(context.settings) else cls(context)
        except AdapterError as error:
            return f"adapter {item.id}: new settings refused, old ones kept: {error}"
        if adapter is not None:
            await self._stop_host("its settings were reloaded")
            self._run(adapter)
        others = (other for other in self.config.adapter if other.id != item.id)
        self.config = self.config.model_copy(update={"adapter": (*others, item)})
        done = "restarted" if adapter else "new credentials applied, no restart"
        return f"adapter {item.id}: {done}"


def open_part(config: Config, name: str, clock: Clock | None = None) -> LinkagePart:
    """The part of that name, not started.

    Args:
        config: the same file for all parts.
        name: `core`, `gateway`, `gateway:NAME` or `adapter:NAME`.
        clock: of tests.

    Raises:
        PartError: there is no such part.
    """
    check_part(config, name)
    kinds: dict[str, Callable[[Config, str, Clock | None], LinkagePart]] = {
        CORE: CorePart,
        GATEWAY: GatewayPart,
        ADAPTER: AdapterPart,
    }
    return kinds[name.partition(":")[0]](config, name, clock)


def check_part(config: Config, name: str) -> None:
    """Whether a configuration has that part.

    Raises:
        PartError: it has not.
    """
    kind, _, rest = name.partition(":")
    further = kind == GATEWAY and re.fullmatch(PEER_ID, rest)
    if name not in part_names(config) and not further:
        there = ", ".join([*part_names(config), f"{GATEWAY}:NAME"])
        raise PartError(f"{name!r} is no part: there are {there}")


def part_names(config: Config) -> Sequence[str]:
    """Every part of a configuration, but for further gateways (`gateway:NAME`)."""
    return [CORE, GATEWAY, *(f"{ADAPTER}:{item.id}" for item in config.adapter)]


def _core_place(config: Config) -> tuple[str, Pair | None, dict[bytes, str]]:
    """Where the core binds, its keys, and whose it knows."""
    place = endpoint(config.messaging.bind or config.messaging.address, config.data_path)
    if is_ipc(place):
        make_private(place)
        return place, None, {}
    folder = config.messaging.keys
    return place, read_pair(folder, CORE), read_allowed(folder)


def _part_place(config: Config, name: str) -> tuple[str, tuple[Pair, bytes] | None]:
    """Where a part finds the core, and by which keys."""
    place = endpoint(config.messaging.address, config.data_path)
    if is_ipc(place):
        make_private(place)
        return place, None
    folder = config.messaging.keys
    return place, (read_pair(folder, name), read_public(folder, CORE))


__all__ = ["BusError", "LinkagePart", "PartError", "open_part", "part_names"]
