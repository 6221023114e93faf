"""A core and a gateway on loopback, with everything inside within a test's reach."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from linkage.client import Application, Backoff, Monitor, Platform, Received
from linkage.client.options import Options
from linkage.clock import SystemClock
from linkage.config.file import Config
from linkage.core import Core
from linkage.server.gateway import make_gateway
from linkage.store.rows import JournalRow
from linkage.store.sql.unit import UnitOfWork
from linkage.store.sqlite.database import open_for_reading, open_store
from protocol.codec import encode
from protocol.dialect import DEFAULT
from protocol.envelope import Request
from protocol.events import Timers
from protocol.frames import encode_message
from protocol.registration import make_registration
from protocol.roles import Role
from tests.fakes.core_bench import SECRET, chain, config, peer

WAIT_S = 30.0
LOOK_EVERY_S = 0.005
SOON = Backoff(first_s=0.02, most_s=0.1)
PEERS = (
    peer("desk", "application", numbers=["2222"]),
    peer("deaf", "application", numbers=["3333"]),
    peer("watch", "monitor"),
    peer("pbx", "platform"),
    peer("storm", "platform"),
)


async def until(condition: Callable[[], object]) -> None:
    """Wait for what no event tells of."""
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(LOOK_EVERY_S)


@dataclass
class Plant:
    """What runs, and who can be connected to it."""

    config: Config
    core: Core
    port: int

    def timers(self, dead_after_s: float | None = None) -> Timers:
        """A peer beats as often as linkage does."""
        found = self.config.timers
        return Timers(
            heartbeat_s=found.heartbeat_s, dead_after_s=dead_after_s or found.dead_after_s
        )

    def options(self) -> Options:
        return {"secret": SECRET, "backoff": SOON, "timers": self.timers()}

    def platform(self, name: str = "pbx") -> Platform:
        return Platform("127.0.0.1", self.port, name, **self.options())

    def application(self, name: str = "desk") -> Application:
        return Application("127.0.0.1", self.port, name, **self.options())

    def monitor(self) -> Monitor:
        return Monitor("127.0.0.1", self.port, "watch", **self.options())

    async def deaf(self, name: str, role: Role = Role.APPLICATION) -> socket.socket:
        """A peer that registers, and reads nothing after the answer to that."""
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)  # noqa: FBT003 - so the library has it
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, ("127.0.0.1", self.port))
        message = make_registration(role, name, SECRET, SystemClock().utc(), f"nonce of {name}")
        request = encode(Request(id="hello", message=message))
        await loop.sock_sendall(sock, encode_message(request, DEFAULT))
        assert b'Result="0"' in await loop.sock_recv(sock, 4096)
        return sock

    def held(self, name: str) -> int:
        """Bytes of messages for a peer that are in memory."""
        return self.core._queues.of(name).held_bytes

    def unsent(self, name: str) -> int:
        """Bytes that wait in the write buffer of its session."""
        link: Any = self.core._queues.of(name).link
        return int(link._io._transport._stream.get_write_buffer_size())

    def journal(self) -> list[JournalRow]:
        reading = open_for_reading(self.config.database_path)
        rows = [row for row, _, _ in chain(reading)]
        reading.dispose()
        return rows


@asynccontextmanager
async def plant(
    folder: Path, peers: Iterable[dict[str, Any]] = PEERS, **settings: Any
) -> AsyncIterator[Plant]:
    found = config(folder, peers, listen=["127.0.0.1:0"], **settings)
    engine = open_store(found.database_path)
    core = Core(found, UnitOfWork(engine), SystemClock(), {})
    gateway = make_gateway(found, core, SystemClock())
    try:
        await core.start()
        await gateway.start()
        yield Plant(found, core, gateway.addresses[0][1])
    finally:
        await gateway.close()
        await core.stop()
        engine.dispose()


async def listen(client: Application | Monitor, heard: list[Received]) -> None:
    """Keep what a client is told, until it is closed."""
    async for notice in client.notices():
        heard.append(notice)  # noqa: PERF401 - one by one, as they come
