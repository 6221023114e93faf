"""A core and its end of the bus, and parts, joined by a real socket within one process."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Collection, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from linkage.bus.client import CoreClient
from linkage.bus.core_connection import CoreConnection
from linkage.bus.core_server import CoreServer
from linkage.bus.keys import Pair
from linkage.clock import SystemClock
from linkage.config.processes import MessagingSettings
from linkage.files import DirectoryFiles
from linkage.ports import Clock
from protocol.envelope import Request, Response
from protocol.message import Message
from protocol.registration import make_registration
from tests.fakes.core_bench import PEERS, SECRET
from tests.fakes.core_links import ROLES, Site, as_sent

WAIT_S = 30.0
QUICK = MessagingSettings(heartbeat_s=0.05, dead_after_s=2.0, hold_s=WAIT_S)
IMPATIENT = MessagingSettings(heartbeat_s=0.05, dead_after_s=2.0, hold_s=0.4)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 - what happens at a socket sets no event of ours
            await asyncio.sleep(0.005)


class Hasty(SystemClock):
    """A clock that can be moved on."""

    ahead_s = 0.0

    def now(self) -> float:
        return SystemClock.now() + self.ahead_s


class Peer:
    """A link of a part. Answers nothing by itself unless `answers`."""

    def __init__(self, client: CoreClient, peer_id: str, window: int = 64) -> None:
        self.client = client
        self.peer_id = peer_id
        self.window = window
        self.address = "10.0.0.1:4711"
        self.pushed: list[Request] = []
        self.reasons: list[str] = []
        self.answers = False

    def push(self, request: Request) -> None:
        self.pushed.append(request)
        if self.answers:
            asyncio.get_running_loop().call_soon(self.answer, request)

    def close(self, reason: str) -> None:
        self.reasons.append(reason)
        asyncio.get_running_loop().call_soon(self.client.closed, self, reason)

    def answer(self, request: Request, result: int = 0) -> None:
        response = Response(request_id=request.id, type=request.type, result=result)
        self.client.answered(self, response)

    @property
    def seqs(self) -> list[int | None]:
        return [request.seq for request in self.pushed]


class Bus:
    """`async with Bus(folder)`: a real core behind its end of the bus; `part` starts a client."""

    def __init__(
        self,
        folder: Path,
        *,
        place: str | None = None,
        adapters: Collection[str] = (),
        keys: Pair | None = None,
        allowed: Mapping[bytes, str] | None = None,
        settings: MessagingSettings = QUICK,
    ) -> None:
        adapter = [{"id": name, "kind": "none"} for name in adapters]
        self.site = Site(folder, PEERS)
        if adapter:
            self.site.config = self.site.config.model_copy(
                update={"adapter": type(self.site.config).model_validate(
                    {"source": folder / "x", "adapter": adapter}
                ).adapter}
            )  # fmt: skip
            self.site.engine.dispose()
            self.site._open()
        self.place = place or f"ipc://{folder}/bus.sock"
        self.folder = folder
        self._adapters = adapters
        self._keys = keys
        self._allowed = allowed
        self._settings = settings
        self._stack = AsyncExitStack()
        self._ids = itertools.count(1)
        self.core_server: CoreServer | None = None

    async def __aenter__(self) -> Self:
        await self.site.__aenter__()
        self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()
        await self.leave()
        await self.site.__aexit__()

    def open(self) -> None:
        """The core comes to the bus."""
        self.core_server = CoreServer(
            self.site.core,
            DirectoryFiles(self.folder / "files"),
            SystemClock(),
            self._settings,
            self._adapters,
        )
        self.core_server.start(self.place, self._keys, self._allowed)

    async def leave(self) -> None:
        """The core stops in good order."""
        if self.core_server is not None:
            core_server, self.core_server = self.core_server, None
            await core_server.stop()

    async def vanish(self) -> None:
        """The core is killed: no word to anybody, and nothing but the disk is left."""
        core_server = self.core_server
        assert core_server is not None
        core_server._parts.clear()  # it tells nobody
        await self.leave()
        await self.site.kill()

    def part(
        self,
        name: str = "gateway",
        *,
        clock: Clock | None = None,
        **options: Any,
    ) -> CoreClient:
        clock = clock or SystemClock()
        connection = CoreConnection(name, self.place, clock, self._settings, **options)
        connection.start()
        self._stack.push_async_callback(connection.stop)
        return CoreClient(connection, clock, self._settings)

    async def connected(self, name: str = "gateway", **options: Any) -> CoreClient:
        client = self.part(name, **options)
        await until(lambda: client.connection.connected)
        return client

    def registration(self, peer_id: str, secret: str = SECRET) -> Request:
        number = next(self._ids)
        message = make_registration(
            ROLES[peer_id], peer_id, secret, self.site.clock.utc(), f"nonce-{number:08d}"
        )
        return as_sent(Request(id=f"r{number}", message=message))

    async def join(self, client: CoreClient, peer_id: str, window: int = 64) -> Peer:
        peer = Peer(client, peer_id, window)
        response = await client.register(peer, self.registration(peer_id))
        assert response.result == 0, response
        client.begin(peer)
        return peer

    def request(self, message: Message, id_: str | None = None) -> Request:
        return as_sent(Request(id=id_ or f"s{next(self._ids)}", message=message))

    async def say(self, peer: Peer, message: Message, id_: str | None = None) -> Response:
        async with asyncio.timeout(WAIT_S):
            return await peer.client.submit(peer, self.request(message, id_))
