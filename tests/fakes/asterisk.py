"""An Asterisk in the test's own process: as much of ARI as the adapter uses, no sound.

It says what the recordings in `tests/fixtures/ari` show that a real one says (`test_fake_asterisk`
compares them), and the same adapter tests run against a real one in `tests/real`. Telephones do
nothing by themselves: a test lets them be picked up or hung up.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

import aiohttp
from aiohttp import web

from adapters.asterisk.probe import NEEDED

USER, PASSWORD = "linkage", "secret"
HTTP_NO_CONTENT = 204
SOUND_BYTES = 32_000
WAV_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")


def wav(promised_bytes: int, sound: bytes) -> bytes:
    """A WAV as Asterisk writes it, whose header promises so much."""
    size = 36 + promised_bytes
    fmt = (16, 1, 1, 8000, 16_000, 2, 16)
    head = WAV_HEADER.pack(b"RIFF", size, b"WAVE", b"fmt ", *fmt, b"data", promised_bytes)
    return head + sound


WAV = wav(SOUND_BYTES, bytes(SOUND_BYTES))

CAUSES = {"busy": 17, "no_answer": 19, "rejected": 21, "unallocated": 1, "congestion": 34}


@dataclass
class Line:
    """A channel."""

    id: str
    name: str
    state: str
    args: list[str]
    number: str = ""
    exten: str = "s"
    in_app: bool = False
    bridge: str | None = None
    variables: dict[str, str] = field(default_factory=dict)
    functions: dict[str, str] = field(default_factory=dict)
    """What was set of the functions that a channel has, by name with brackets."""
    music: bool = False
    muted: bool = False
    holds: bool = False
    """Its telephone has put the other side on hold."""
    silent: set[str] = field(default_factory=set)
    """Directions in which no sound goes: "in" from it, "out" to it."""

    def set(self, name: str, value: str) -> None:
        (self.functions if name.endswith("()") else self.variables)[name] = value


@dataclass
class Bridge:
    """A bridge, and the recordings that are made of it."""

    id: str
    kind: str = "stasis"
    """Its class: "parking" and "basic" are not the application's."""
    type: str = "mixing"
    members: list[str] = field(default_factory=list)
    live: list[str] = field(default_factory=list)
    music: bool = False


class FakeAsterisk:
    """`async with FakeAsterisk() as asterisk`; then `call`, `pick_up`, `hang_up`, `restart`."""

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

    # --- people ----------------------------------------------------------------------------------
    async def call(
        self,
        dials: str = "12345",
        number: str = "13800138000",
        role: str = "caller",
        channel: str | None = None,
    ) -> str:
        """Somebody dials; returns the channel, which has an id of its own if none is given."""
        self._count += 1
        line = Line(
            id=channel or f"1795365{self._started}.{self._count}",
            name=f"PJSIP/{number if role == 'officer' else 'caller'}-{self._count:08}",
            state="Ring",
            args=[role, dials, number],
            number=number,
            exten=dials,
        )
        self.lines[line.id] = line
        await self._enter(line)
        return line.id

    def leg(self, number: str) -> Line:
        """The channel of an officer's telephone that rings or speaks."""
        return next(
            line for line in self.lines.values() if line.name.startswith(f"PJSIP/{number}-")
        )

    async def pick_up(self, number: str) -> str:
        """An officer answers; returns the channel."""
        line = self.leg(number)
        line.state = "Up"
        await self._say("ChannelStateChange", line)
        await self._dial(line, "ANSWER")
        await self._enter(line)
        return line.id

    async def hang_up(
        self, channel: str, cause: int | None = None, status: int | None = None
    ) -> None:
        """A telephone hangs up, or says why it will not have the call: Q.850 cause, SIP status."""
        line = self.lines[channel]
        more = {} if cause is None else {"cause": cause}
        if status is not None:
            more["tech_cause"] = status
        await self._say("ChannelHangupRequest", line, **more)
        if not line.in_app and cause is not None:
            await self._dial(line, "BUSY" if cause == CAUSES["busy"] else "NOANSWER")
        await self._end(line, 16 if cause is None else cause, status)

    async def hold(self, channel: str) -> None:
        """The hold key of a telephone."""
        self.lines[channel].holds = True
        await self._say("ChannelHold", self.lines[channel])

    async def unhold(self, channel: str) -> None:
        """The hold key once more."""
        self.lines[channel].holds = False
        await self._say("ChannelUnhold", self.lines[channel])

    async def ring(self, number: str) -> None:
        """A telephone begins to ring (180)."""
        await self._ring(self.leg(number))

    async def _ring(self, line: Line) -> None:
        line.state = "Ringing"
        await self._say("ChannelStateChange", line)
        await self._dial(line, "RINGING")

    async def take_out(self, channel: str) -> None:
        """A channel leaves its bridge."""
        await self._leave(self.lines[channel])

    async def put_in(self, channel: str, bridge: str) -> None:
        """A channel enters a bridge."""
        await self._join(self.lines[channel], self.bridges[bridge])

    async def announce(self, number: str) -> None:
        """A carrier sends a tone or a voice before anybody answers (183)."""
        await self._dial(self.leg(number), "PROGRESS")

    async def fall_silent(self, *, heard_s: int) -> None:
        """Nothing was heard for 4 s: recordings are given up, with so much in their files."""
        for bridge in self.bridges.values():
            for name in list(bridge.live):
                await self._finish(bridge, name, heard_s)

    def lose(self, channel: str) -> None:
        """A channel ends, and what Asterisk says of it reaches nobody."""
        line = self.lines.pop(channel)
        if line.bridge is not None:
            self.bridges[line.bridge].members.remove(channel)

    async def press(self, channel: str, digits: str) -> None:
        """Keys of a telephone, told within the sound (RFC 4733), as nearly all do it."""
        for digit in digits:
            line = self.lines[channel]
            if line.bridge is not None and "dtmf_events" not in self.bridges[line.bridge].type:
                continue  # the two are joined so closely that nobody looks into their sound
            await self._say("ChannelDtmfReceived", line, digit=digit, duration_ms=160)

    async def refer(self, channel: str, number: str, *, other_half_first: bool = False) -> None:
        """An officer's telephone transfers by itself (REFER): two halves of a Local channel."""
        self._count += 1
        name = f"Local/{number}@from-officers-{self._count:08}"
        line = self.lines[channel]
        bridge = line.bridge
        first = Line(f"L{self._count};1", f"{name};1", "Up", [], in_app=True)
        second = Line(f"L{self._count};2", f"{name};2", "Up", ["officer", number, ""], in_app=True)
        self.lines |= {first.id: first, second.id: second}
        await self._leave(line)
        first.bridge = bridge
        if bridge is not None:
            self.bridges[bridge].members.append(first.id)
        starts: list[tuple[Line, dict[str, Any]]] = [
            (first, {"args": [], "replace_channel": self._describe(line)}),
            (second, {"args": second.args}),
        ]
        for half, more in reversed(starts) if other_half_first else starts:
            await self._say("StasisStart", half, **more)

    async def hang_up_both_halves(self, channel: str) -> None:
        """What Asterisk does when one half of a Local channel ends."""
        for half in (";1", ";2"):
            line = self.lines.get(channel.rpartition(";")[0] + half)
            if line is not None:
                await self._end(line, 16)

    async def leave_app(self, line: Line) -> None:
        """A channel goes on in the dialplan."""
        await self._leave(line)
        line.in_app = False
        await self._say("StasisEnd", line)

    async def say(self, kind: str, channel: str | None = None, **more: Any) -> None:
        """Any event at all."""
        await self._say(kind, self.lines[channel] if channel else None, **more)

    async def send_raw(self, text: str) -> None:
        """Anything at all over the WebSocket."""
        for socket in self._sockets:
            await socket.send_str(text)

    async def until(self, condition: Any, timeout_s: float = 30.0) -> None:
        """Wait until requests have brought something about."""
        async with asyncio.timeout(timeout_s), self._arrived:
            while not condition():
                await self._arrived.wait()

    # --- events ----------------------------------------------------------------------------------
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
            await self._say("ChannelLeftBridge", line, bridge=_bridge(bridge))
        if not bridge.members and bridge.kind != "stasis":
            del self.bridges[bridge.id]
        if not bridge.members:
            for name in list(bridge.live):
                await self._finish(bridge, name)

    async def _join(self, line: Line, bridge: Bridge) -> None:
        line.bridge = bridge.id
        bridge.members.append(line.id)
        if self.tells_of(bridge):
            await self._say("ChannelEnteredBridge", line, bridge=_bridge(bridge))

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

    # --- requests --------------------------------------------------------------------------------
    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        expected = base64.b64encode(f"{USER}:{self.password}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {expected}":
            return web.json_response({"message": "Authentication required"}, status=401)
        if self.read_only and request.method != "GET":
            return _error(403, "Write access denied")
        response: web.StreamResponse = await handler(request)
        return response

    async def _events(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await self._flow.wait()
        await socket.prepare(request)
        await self._say("ApplicationReplaced")
        self._replaced += self._sockets
        self._sockets = [socket]
        try:
            async for _ in socket:
                pass
        finally:
            for sockets in (self._sockets, self._replaced):
                if socket in sockets:
                    sockets.remove(socket)
        return socket

    async def _request(self, request: web.Request) -> web.Response:
        path = request.match_info["path"].split("/")
        key = (request.method, "/".join(path))
        self.requests.append(key)
        await self._notify()
        await self._flow.wait()
        for (method, end), status in self.refuse.items():
            if method == key[0] and key[1].endswith(end):
                return _error(status, "refused by the test")
        if any(key[1].endswith(end) for end in self.silent):
            await asyncio.Event().wait()
        for end, data in self.garbage.items():
            if key[1].endswith(end):
                return web.Response(body=data, content_type="application/json")
        body = await request.json() if request.can_read_body else {}
        handler = getattr(self, f"_{path[0]}", None)
        assert handler is not None, f"the fake has no {key}"
        number = request.query.get("endpoint", "").partition("/")[2]
        if _matches(key, self.delayed) or number in self.held_back:
            await self._notify()
            await self._delivery.wait()
        response: web.Response = await handler(request.method, path[1:], request.query, body)
        await self._notify()
        if _matches(key, self.unheard):
            await asyncio.Event().wait()
        return response

    async def _notify(self) -> None:
        async with self._arrived:
            self._arrived.notify_all()

    async def _asterisk(
        self, method: str, path: list[str], query: Mapping[str, str], _: Any
    ) -> web.Response:
        if path == ["ping"]:
            return web.json_response({"ping": "pong"})
        if path == ["variable"]:
            if method == "POST":
                self.variables[query["variable"]] = query["value"]
                return _done()
            return web.json_response({"value": self.variables.get(query["variable"], "")})
        if path == ["modules"]:
            listed = [{"name": name, "status": "Running"} for name in self.modules]
            return web.json_response(listed)
        status = {"startup_time": f"start {self._started}"}
        return web.json_response({"status": status, "system": {"version": self.version}})

    async def _applications(
        self, method: str, path: list[str], query: Mapping[str, str], _: Any
    ) -> web.Response:
        # One without a WebSocket is gone, but not before the last channel that it knows.
        if method == "GET" and not self._sockets and not self.lines:
            return _error(404, "Application not found")
        if path[1:] == ["subscription"] and method == "POST":
            kind, _, name = query["eventSource"].partition(":")
            if kind == "channel" and name not in self.lines:
                return _error(422, "EventSource does not exist")
            self.watched.add(name)
        return web.json_response({"name": self.app})

    async def _channels(
        self, method: str, path: list[str], query: Mapping[str, str], body: Any
    ) -> web.Response:
        if not path:
            return web.json_response([self._describe(each) for each in self.lines.values()])
        if method == "POST" and len(path) == 1:
            return await self._originate(path[0], query, body)
        line = self.lines.get(path[0])
        if line is None:
            return _error(404, "Channel not found")
        if method == "GET" and len(path) == 1:
            return web.json_response(self._describe(line))
        if method == "DELETE" and len(path) == 1:
            await self._say("ChannelHangupRequest", line, cause=32, soft=True)
            if line.name.startswith("Local/"):
                await self.hang_up_both_halves(line.id)
            else:
                await self._end(line, 16)
            return _done()
        return await self._to_channel(method, line, path[1:], query)

    async def _to_channel(
        self, method: str, line: Line, path: list[str], query: Mapping[str, str]
    ) -> web.Response:
        verb = path[0]
        if verb == "variable":
            return self._variable(method, line, query)
        if verb == "answer":
            line.state = "Up"
            await self._say("ChannelStateChange", line)
        elif verb == "transfer_progress":
            await self._say("ChannelTransfer", **self.transfers[line.id], state=query["states"])
        elif verb == "continue":
            self.continued.append((line.id, query["context"], query["extension"]))
            await self.leave_app(line)
        elif verb in {"moh", "mute"}:
            setattr(line, "music" if verb == "moh" else "muted", method == "POST")
            if verb == "mute":
                both = {"in", "out"} if query["direction"] == "both" else {query["direction"]}
                line.silent = line.silent | both if method == "POST" else line.silent - both
        elif verb == "play":
            return await self._play(path[1], query["media"])
        elif verb == "dtmf":
            self.keys.append(query["dtmf"])
        return _done()

    def _variable(self, method: str, line: Line, query: Mapping[str, str]) -> web.Response:
        name = query["variable"]
        if method == "POST":
            line.set(name, query["value"])
            return _done()
        if name == "CHANNEL(rtp,hold)":
            return web.json_response({"value": "1" if line.holds else "0"})
        if name.endswith(")"):
            return web.json_response({"value": self._function(name)})
        if name not in line.variables:
            return _error(404, "Provided variable was not found")
        return web.json_response({"value": line.variables[name]})

    def _function(self, text: str) -> str:
        name, _, argument = text.rstrip(")").partition("(")
        if name == "PJSIP_DIAL_CONTACTS":
            return "&".join(f"PJSIP/{argument}/{each}" for each in self.contacts.get(argument, ()))
        return "1" if argument.removesuffix(",1") in self.extensions else "0"

    async def _originate(self, channel: str, query: Mapping[str, str], body: Any) -> web.Response:
        if channel in self.lines:
            return _error(409, "Channel with given unique ID already exists")
        number = query["endpoint"].partition("/")[2]
        if number in self.refuse_dialling:
            return _error(self.refuse_dialling[number], "refused by the test")
        manner = self.telephones.get(number, "rings")
        if manner == "absent":
            return _error(500, "Allocation failed")
        self._count += 1
        line = Line(
            id=channel,
            name=f"PJSIP/{number}-{self._count:08}",
            state="Down",
            args=query["appArgs"].split(","),
            number=number,
        )
        for key, value in body.get("variables", {}).items():
            line.set(key, value)
        self.rung_twice += [each.number for each in self.lines.values() if each.number == number]
        self.dialled.append(number)
        self.lines[channel] = line
        await self._dial(line, "")
        if manner in CAUSES:
            await self.hang_up(channel, CAUSES[manner])
        elif manner == "rings":
            await self._ring(line)
        return web.json_response(self._describe(line))

    async def _bridges(
        self, method: str, path: list[str], query: Mapping[str, str], _: Any
    ) -> web.Response:
        if not path:
            if method == "GET":
                return web.json_response([_bridge(each) for each in self.bridges.values()])
            assert query["bridgeId"] not in self.lines, "a real one would be mute about it"
            if query["bridgeId"] in self.bridges:
                return _error(409, "Bridge with the same ID exists")
            self.bridges[query["bridgeId"]] = Bridge(
                query["bridgeId"], type=query.get("type", "mixing")
            )
            return web.json_response({"id": query["bridgeId"]})
        bridge = self.bridges.get(path[0])
        if bridge is None:
            return _error(404, "Bridge not found")
        if len(path) == 1 and method == "DELETE":
            for member in list(bridge.members):
                await self._leave(self.lines[member])
            for name in list(bridge.live):
                await self._finish(bridge, name)
            del self.bridges[bridge.id]
        if len(path) == 1:
            return web.json_response(_bridge(bridge)) if method == "GET" else _done()
        return await self._in_bridge(method, bridge, path[1:], query)

    async def _in_bridge(
        self, method: str, bridge: Bridge, path: list[str], query: Mapping[str, str]
    ) -> web.Response:
        verb = path[0]
        if verb == "record":
            if query["name"] in bridge.live:
                return _error(409, "Recording already in progress")
            if query["name"] in self.stored and query["ifExists"] != "append":
                return _error(409, "A recording with this name exists")
            bridge.live.append(query["name"])
            await self._recording("RecordingStarted", query["name"], "recording")
        elif verb == "play":
            return await self._play(path[1], query["media"])
        elif verb == "moh":
            bridge.music = method == "POST"
        else:
            line = self.lines.get(query["channel"])
            if line is None or not line.in_app:
                return _error(400, "Channel not found")
            if verb == "removeChannel" and line.bridge != bridge.id:
                return _error(422, "Channel not in this bridge")
            if line.bridge != bridge.id or verb == "removeChannel":
                await self._leave(line)
            if verb == "addChannel" and line.bridge is None:
                await self._join(line, bridge)
        return _done()

    async def _play(self, name: str, media: str) -> web.Response:
        self.plays[name] = media
        await self._say("PlaybackStarted", playback={"id": name, "state": "playing"})
        return web.json_response({"id": name})

    async def end_play(self, state: str = "done") -> None:
        """What is being played ends."""
        for name in [name for name, media in self.plays.items() if media != "tone:ring"]:
            del self.plays[name]
            await self._say("PlaybackFinished", playback={"id": name, "state": state})

    async def _playbacks(self, _: str, path: list[str], *__: Any) -> web.Response:
        if self.plays.pop(path[0], None) is None:
            return _error(404, "Playback not found")
        await self._say("PlaybackFinished", playback={"id": path[0], "state": "done"})
        return _done()

    async def _recordings(self, method: str, path: list[str], *_: Any) -> web.Response:
        kind, name, *verb = path
        if kind == "live":
            bridge = next((each for each in self.bridges.values() if name in each.live), None)
            if bridge is None:
                return _error(404, "Recording not found")
            if verb == ["stop"]:
                await self._finish(bridge, name)
            return _done() if verb else web.json_response({"name": name})
        if name not in self.stored:
            return _error(404, "Recording not found")
        if method == "DELETE":
            del self.stored[name]
            return _done()
        return web.Response(body=self.stored[name], content_type="audio/x-wav")


def _matches(key: tuple[str, str], what: set[tuple[str, str]]) -> bool:
    return any(key[0] == method and part in key[1] for method, part in what)


def _bridge(bridge: Bridge) -> dict[str, Any]:
    return {
        "id": bridge.id,
        "bridge_class": bridge.kind,
        "channels": list(bridge.members),
    }


def _now() -> str:
    now = datetime.now(UTC)  # noqa: TID251 - the fake has a clock of its own, as Asterisk has
    return now.isoformat(timespec="milliseconds").replace("+00:00", "+0000")


def _done() -> web.Response:
    return web.Response(status=HTTP_NO_CONTENT)


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status)
