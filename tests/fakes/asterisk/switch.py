"""What a fake Asterisk has and says: its state, and the events that follow from what happens."""

from __future__ import annotations

import asyncio
import json
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from adapters.asterisk.probe import NEEDED
from tests.fakes.asterisk.channels import WAV, Bridge, Line, describe_bridge

USER, PASSWORD = "linkage", "secret"


class Switch:
    """Channels enter, leave and end; whoever has the application is told."""

    def __init__(self, *, app: str = "linkage", tls: ssl.SSLContext | None = None) -> None:
        self.app = app
        self._tls = tls
        self.lines: dict[str, Line] = {}
        self.bridges: dict[str, Bridge] = {}
        self.stored: dict[str, bytes] = {}
        self.plays: dict[str, str] = {}
        self.telephones: dict[str, str] = {}
        """Endpoint → what it does: "rings" (if not said), "busy", "rejected", …, "absent";
        "dialled": nothing is heard of it yet."""
        self.watched: set[str] = set()
        """Channels to whose events the application subscribed; "" is every bridge."""
        self.contacts: dict[str, list[str]] = {}
        """Endpoint → where it is registered, where that is said."""
        self.extensions: set[str] = set()
        """What the dialplan has beside what leads into the application: "context,number"."""
        self.continued: list[tuple[str, str, str]] = []
        """Channels that the application gave back to the dialplan, and where to."""
        self.transfers: dict[str, dict[str, Any]] = {}
        """What was told of the transfers that telephones asked for, by their channels."""
        self.stutter = False
        """Say every event twice, as bridges do."""
        self.dialled: list[str] = []
        """Numbers for which a channel was made, in order."""
        self.rung_twice: list[str] = []
        """Those that had a channel already."""
        self.events: list[dict[str, Any]] = []
        self.requests: list[tuple[str, str]] = []
        self.refuse: dict[tuple[str, str], int] = {}
        """(method, end of the path) → HTTP status with which it is refused."""
        self.silent: set[str] = set()
        """Ends of paths that are never answered."""
        self.unheard: set[tuple[str, str]] = set()
        """(method, part of the path): what is done, but not answered."""
        self.delayed: set[tuple[str, str]] = set()
        """(method, part of the path): what is done at `deliver`, and not before."""
        self.refuse_dialling: dict[str, int] = {}
        """Number → HTTP status with which it is not dialled."""
        self.password = PASSWORD
        self.version = "22.5.1"
        self.modules = sorted(NEEDED)
        self.read_only = False
        self.variables: dict[str, str] = {}
        """Global ones."""
        self.keys: list[str] = []
        """Digits that were sent to somebody."""
        self.garbage: dict[str, bytes] = {}
        """Ends of paths → what is answered instead of JSON."""
        self.held_back: set[str] = set()
        """Numbers that are dialled at `deliver`, and not before."""
        self._started = 0
        self._count = 0
        self._sockets: list[web.WebSocketResponse] = []
        """Of who has the application: one, or none."""
        self._replaced: list[web.WebSocketResponse] = []
        """Of those who had it before, and hear nothing any more."""
        self._flow = asyncio.Event()
        self._flow.set()
        self._delivery = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
        self._port = 0
        self._arrived = asyncio.Condition()

    # --- the process ---------------------------------------------------------------------------
    async def until(self, condition: Any, timeout_s: float = 30.0) -> None:
        """Wait until requests have brought something about."""
        async with asyncio.timeout(timeout_s), self._arrived:
            while not condition():
                await self._arrived.wait()

    async def _say(self, kind: str, line: Line | None = None, **more: Any) -> None:
        event: dict[str, Any] = {"type": kind, "timestamp": _now(), "application": self.app}
        if line is not None:
            event["channel"] = self._describe(line)
        event |= more
        self.events.append(event)
        await self.send(event)

    async def send(self, event: dict[str, Any]) -> None:
        """An event goes to whoever has the application."""
        for socket in list(self._sockets):
            for _ in range(2 if self.stutter else 1):
                with suppress(ConnectionError):  # it went just now
                    await socket.send_str(json.dumps(event))

    async def _dial(self, line: Line, status: str) -> None:
        await self._say("Dial", peer=self._describe(line), dialstatus=status)

    async def _enter(self, line: Line) -> None:
        if not self._sockets:
            # `Stasis()` fails when nobody listens, and the dialplan hangs up.
            self.lines.pop(line.id, None)
            return
        line.in_app = True
        await self._say("StasisStart", line, args=line.args)

    async def _end(self, line: Line, cause: int, status: int | None = None) -> None:
        await self._leave(line)
        self.lines.pop(line.id, None)
        if line.in_app:
            await self._say("StasisEnd", line)
        if not line.args or line.args[0] == "leg" or line.id in self.watched:
            more = {} if status is None else {"tech_cause": status}
            await self._say("ChannelDestroyed", line, cause=cause, **more)

    async def _leave(self, line: Line) -> None:
        bridge = self.bridges.get(line.bridge or "")
        line.bridge = None
        if bridge is None:
            return
        bridge.members.remove(line.id)
        if self.tells_of(bridge):
            await self._say("ChannelLeftBridge", line, bridge=describe_bridge(bridge))
        if not bridge.members and bridge.kind != "stasis":
            del self.bridges[bridge.id]
        if not bridge.members:
            for name in list(bridge.live):
                await self._finish(bridge, name)

    async def _join(self, line: Line, bridge: Bridge) -> None:
        line.bridge = bridge.id
        bridge.members.append(line.id)
        if self.tells_of(bridge):
            await self._say("ChannelEnteredBridge", line, bridge=describe_bridge(bridge))

    def tells_of(self, bridge: Bridge) -> bool:
        """Of bridges that are none of its own an application hears where it asked for all."""
        return bridge.kind == "stasis" or "" in self.watched

    async def _finish(self, bridge: Bridge, name: str, heard_s: int = 2) -> None:
        bridge.live.remove(name)
        self.stored[name] = WAV
        await self._recording("RecordingFinished", name, "done", duration=heard_s)

    async def _recording(self, kind: str, name: str, state: str, **more: Any) -> None:
        thing = {"name": name, "format": "wav", "state": state, **more}
        for _ in range(2):
            await self._say(kind, recording=thing)

    def _describe(self, line: Line) -> dict[str, Any]:
        data = ",".join([self.app, *line.args])
        return {
            "id": line.id,
            "name": line.name,
            "state": line.state,
            "caller": {"name": "", "number": line.number},
            "dialplan": {
                "exten": line.exten,
                "context": "from-officers",
                "app_name": "Stasis" if line.in_app else "AppDial2",
                "app_data": data if line.in_app else "(Outgoing Line)",
            },
        }

    async def _notify(self) -> None:
        async with self._arrived:
            self._arrived.notify_all()


def _now() -> str:
    now = datetime.now(UTC)  # noqa: TID251 - the fake has a clock of its own, as Asterisk has
    return now.isoformat(timespec="milliseconds").replace("+00:00", "+0000")
