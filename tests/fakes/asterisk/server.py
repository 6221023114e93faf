"""A fake Asterisk as a process: it is there, stands still, is cut off, is started again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import aiohttp
from aiohttp import web

from tests.fakes.asterisk.rest import Rest
from tests.fakes.asterisk.switch import PASSWORD, USER


class FakeAsterisk(Rest):
    """`async with FakeAsterisk() as asterisk`; then `call`, `pick_up`, `hang_up`, `restart`."""

    async def __aenter__(self) -> Self:
        application = web.Application(middlewares=[self._guard])
        application.router.add_get("/ari/events", self._events)
        application.router.add_route("*", "/ari/{path:.*}", self._request)
        self._runner = web.AppRunner(application, handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        self._site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls)
        await self._site.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def url(self) -> str:
        assert self._runner is not None
        host, port = self._runner.addresses[0][:2]
        return f"{'http' if self._tls is None else 'https'}://{host}:{port}"

    def settings(self, **more: Any) -> dict[str, Any]:
        """What an adapter of this Asterisk is configured with."""
        officers = {"1001": "23", "1002": "13", "1003": "33"}
        return {
            "url": self.url,
            "user": USER,
            "password": PASSWORD,
            "hotline": {"12345": {"officers": ["1001", "1002"]}},
            "officer": {
                number: {"login": login, "endpoint": f"PJSIP/{number}"}
                for number, login in officers.items()
            },
            **more,
        }

    async def cut(self) -> None:
        """Close every WebSocket, as a lost link does."""
        for socket in [*self._sockets, *self._replaced]:
            await socket.close()

    @asynccontextmanager
    async def stranger(self) -> AsyncIterator[None]:
        """A program that is no linkage has the application."""
        auth = aiohttp.encode_basic_auth(USER, self.password)
        async with (
            aiohttp.ClientSession(headers={"Authorization": auth}) as http,
            http.ws_connect(f"{self.url}/ari/events"),
        ):
            yield

    async def close_door(self) -> None:
        """Refuse connections from now on, and cut those that there are."""
        assert self._site is not None
        assert self._runner is not None
        self._port = self._runner.addresses[0][1]
        await self._site.stop()
        assert self._runner.server is not None
        for connection in list(self._runner.server.connections):
            if connection.transport is not None:
                connection.transport.abort()

    async def open_door(self) -> None:
        """Take connections again, at the same address."""
        assert self._runner is not None
        self._site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await self._site.start()

    def freeze(self) -> None:
        """Stand still, as a stopped process does: requests are done at `thaw`, all of them."""
        self._flow.clear()

    def thaw(self) -> None:
        """Go on."""
        self._flow.set()

    def deliver(self) -> None:
        """Do what was delayed, however long ago it was asked for; from now on nothing is."""
        self.delayed.clear()
        self.held_back.clear()
        self._delivery.set()

    def picture(self) -> dict[str, Any]:
        """Everything that a person would see or hear of it."""
        return {
            "lines": {
                line.id: (line.state, line.bridge, line.music, line.muted, sorted(line.silent))
                for line in self.lines.values()
            },
            "bridges": {
                bridge.id: (sorted(bridge.members), list(bridge.live), bridge.music)
                for bridge in self.bridges.values()
            },
            "plays": dict(self.plays),
            "keys": list(self.keys),
        }

    async def restart(self) -> None:
        """Forget all calls, as a new process does."""
        await self.cut()
        self._started += 1
        self.lines.clear()
        self.bridges.clear()
        self.plays.clear()
        self.variables.clear()
