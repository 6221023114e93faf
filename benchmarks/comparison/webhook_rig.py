"""The webhook behind uvicorn, and lean HTTP ends for it."""

from __future__ import annotations

import asyncio
import re
import sys
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import ClassVar, Final, cast

from benchmarks.comparison.load import WINDOW, Flow, Line
from benchmarks.comparison.notice import make_notice, name_of
from benchmarks.comparison.rig import Rig, need
from benchmarks.process import free_port

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_STATUS: Final = slice(9, 12)


class HttpPeer(asyncio.Protocol, ABC):
    """Cuts HTTP/1.1 messages that say their length."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Cut, and give the pieces on."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            found = _LENGTH.search(self._buffer, 0, end)
            whole = end + 4 + (0 if found is None else int(found[1]))
            if len(self._buffer) < whole:
                return
            head, body = self._buffer[:end], self._buffer[end + 4 : whole]
            self._buffer = self._buffer[whole:]
            self.received(head, body)

    @abstractmethod
    def received(self, head: bytes, body: bytes) -> None:
        """One message."""


class Poster(HttpPeer):
    """A connection that is kept, with one request at a time in it."""

    def __init__(self, line: HttpLine) -> None:
        super().__init__()
        self._line = line
        self._name = ""

    def post(self, name: str) -> None:
        """Send a notice."""
        self._name = name
        body = make_notice(name)
        self.transport.write(
            b"POST /notices HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/xml\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )

    def received(self, head: bytes, body: bytes) -> None:  # noqa: ARG002 - there is none
        """The answer."""
        self._line.done(self, self._name, accepted=head[_STATUS] == b"200")


class HttpLine(Line):
    """As many kept connections as others have notices in their window."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self.posters: list[Poster] = []
        self._free: deque[Poster] = deque()
        self._waiting: deque[str] = deque()

    async def connect(self, port: int) -> None:
        """Open the connections."""
        loop = asyncio.get_running_loop()
        for _ in range(WINDOW):
            _, poster = await loop.create_connection(lambda: Poster(self), "127.0.0.1", port)
            self.posters.append(poster)
            self._free.append(poster)

    def send(self, name: str) -> None:
        """By a free connection, else by the next that is."""
        if self._free:
            self._free.popleft().post(name)
        else:
            self._waiting.append(name)

    def done(self, poster: Poster, name: str, *, accepted: bool) -> None:
        """A connection got its answer."""
        if self._waiting:
            poster.post(self._waiting.popleft())
        else:
            self._free.append(poster)
        self._flow.answered(name, accepted=accepted)


class Receiver(HttpPeer):
    """What the webhook delivers to."""

    def __init__(self, flow: Flow) -> None:
        super().__init__()
        self._flow = flow

    def received(self, head: bytes, body: bytes) -> None:  # noqa: ARG002 - only one kind comes
        """A notice."""
        self.transport.write(_OK)
        self._flow.arrived(name_of(body))


class WebhookRig(Rig):
    """FastAPI, uvicorn with uvloop and httptools, SQLite; a transaction for each change."""

    name = "webhook"
    title = "FastAPI + SQLite webhook"
    promise = "fsync before the answer, fsync of each delivery; no order"
    grouped: ClassVar[str] = "0"

    @classmethod
    def missing(cls) -> str | None:
        """See `Rig.missing`."""
        modules = ("fastapi", "uvicorn", "httptools", "aiohttp")
        return next((remedy for name in modules if (remedy := need(name))), None)

    async def start(self) -> None:
        """See `Rig.start`."""
        self._port, self._receiver_port = free_port(), free_port()
        server = self.launch(
            *(sys.executable, "-m", "uvicorn", "benchmarks.comparison.webhook:app"),
            *("--host", "127.0.0.1", "--port", str(self._port)),
            *("--loop", "uvloop", "--http", "httptools", "--no-access-log"),
            *("--timeout-keep-alive", "120"),  # no connection is given up between measurements
            env={
                "WEBHOOK_DATABASE": str(self.folder / "webhook.db"),
                "WEBHOOK_RECEIVER": f"http://127.0.0.1:{self._receiver_port}/notices",
                "WEBHOOK_GROUPED": self.grouped,
            },
        )
        await server.listens(self._port)

    async def connect(self, flow: Flow) -> Sequence[Line]:
        """See `Rig.connect`."""
        loop = asyncio.get_running_loop()
        self._lines = [HttpLine(flow) for _ in range(self.connections)]
        self._server = await loop.create_server(
            lambda: Receiver(flow), "127.0.0.1", self._receiver_port
        )
        for line in self._lines:
            await line.connect(self._port)
        return self._lines

    async def disconnect(self) -> None:
        """See `Rig.disconnect`."""
        for line in self._lines:
            for poster in line.posters:
                poster.transport.close()
        self._server.close()


class GroupedWebhookRig(WebhookRig):
    """The same with group commit, which few webhooks have."""

    name = "webhook-grouped"
    title = "the same, group commit"
    promise = "as above, one fsync for all that queued"
    grouped = "1"
