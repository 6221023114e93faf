"""A bare ARI client that only listens and pokes: for tests of the peers and for fixtures.

It shares nothing with `adapters.asterisk`, so that it can be the judge of it.
"""

import asyncio
import base64
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, Self

import aiohttp

from tests.real.peers.asterisk import AsteriskServer, PeerError

WAIT_TIMEOUT_S: Final = 30.0

Event = dict[str, Any]


class AriProbe:
    """One session with ARI: requests at any time, events while the WebSocket is open."""

    def __init__(
        self, asterisk: AsteriskServer, *, app: str | None = None, subscribe_all: bool = False
    ) -> None:
        """Describe the session; nothing is connected yet."""
        self.events: list[Event] = []
        """Everything that arrived, in its order, over all connections of this session."""
        self._url = asterisk.ari_url
        self._app = app or asterisk.app
        self._all = subscribe_all
        credentials = f"{asterisk.ari_user}:{asterisk.ari_password}".encode()
        self._headers = {"Authorization": f"Basic {base64.b64encode(credentials).decode()}"}
        self._http: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None
        self._tasks = asyncio.TaskGroup()
        self._arrived = asyncio.Condition()
        self._seen = 0

    async def __aenter__(self) -> Self:
        """Open the session and connect the WebSocket."""
        await self._tasks.__aenter__()
        self._http = aiohttp.ClientSession(headers=self._headers)
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close everything."""
        await self.disconnect()
        if self._http is not None:
            await self._http.close()
        await self._tasks.__aexit__(None, None, None)

    async def connect(self) -> None:
        """Open the WebSocket, which makes the application known to Asterisk."""
        self._socket = await self._session.ws_connect(
            f"{self._url}/events",
            params={"app": self._app, "subscribeAll": str(self._all).lower()},
        )
        self._reader = self._tasks.create_task(self._read(self._socket))

    async def disconnect(self) -> None:
        """Close the WebSocket; requests still work."""
        if self._socket is not None:
            await self._socket.close()
        if self._reader is not None:
            await self._reader
        self._socket = self._reader = None

    async def closed(self, timeout_s: float = WAIT_TIMEOUT_S) -> int | None:
        """Wait until the other side has closed the WebSocket; return the close code."""
        if self._reader is None or self._socket is None:
            return None
        await asyncio.wait_for(asyncio.shield(self._reader), timeout_s)
        return self._socket.close_code

    async def get(self, path: str, **query: str) -> Any:
        """GET, decoded."""
        return await self.request("GET", path, **query)

    async def post(self, path: str, **query: str) -> Any:
        """POST with everything in the query, decoded."""
        return await self.request("POST", path, **query)

    async def delete(self, path: str, **query: str) -> Any:
        """DELETE, decoded."""
        return await self.request("DELETE", path, **query)

    async def request(
        self, method: str, path: str, /, *, body: object = None, **query: str
    ) -> Any:
        """Send one request; raise `PeerError` with status and answer for anything but 2xx."""
        status, answer = await self.try_request(method, path, body=body, **query)
        if status >= 300:
            message = f"{method} {path} {query}: {status} {answer!r}"
            raise PeerError(message)
        return answer

    async def try_request(
        self, method: str, path: str, /, *, body: object = None, **query: str
    ) -> tuple[int, Any]:
        """Send one request; return status and answer whatever they are."""
        async with self._session.request(
            method, f"{self._url}{path}", params=query, json=body
        ) as response:
            data = await response.read()
            if response.content_type == "application/json" and data:
                return response.status, json.loads(data)
            return response.status, data

    async def next(
        self,
        kind: str,
        matches: Callable[[Event], bool] = lambda _: True,
        *,
        timeout_s: float = WAIT_TIMEOUT_S,
    ) -> Event:
        """Return the next event of this type that matches, passing over all before it."""

        def find() -> Event | None:
            for position in range(self._seen, len(self.events)):
                event = self.events[position]
                if event["type"] == kind and matches(event):
                    self._seen = position + 1
                    return event
            return None

        found: Event | None = None
        try:
            async with asyncio.timeout(timeout_s), self._arrived:
                while (found := find()) is None:
                    await self._arrived.wait()
        except TimeoutError:
            since = [event["type"] for event in self.events[self._seen :]]
            message = f"no {kind} within {timeout_s:g} s, but {since}"
            raise PeerError(message) from None
        return found

    def rewind(self) -> None:
        """Let `next` begin from the first event again."""
        self._seen = 0

    async def start_of(self, role: str) -> str:
        """Wait for the StasisStart whose first argument is `role`; return the channel's id."""
        event = await self.next("StasisStart", lambda event: event["args"][:1] == [role])
        return str(event["channel"]["id"])

    @property
    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            message = "not opened: use `async with`"
            raise PeerError(message)
        return self._http

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                async with self._arrived:
                    self.events.append(json.loads(message.data))
                    self._arrived.notify_all()


def about(channel: str) -> Callable[[Event], bool]:
    """Return a condition for `AriProbe.next`: the event is about this channel."""

    def matches(event: Mapping[str, Any]) -> bool:
        return bool(event.get("channel", {}).get("id") == channel)

    return matches
