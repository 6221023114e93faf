"""The requests of ARI that a fake Asterisk does, refuses, delays or leaves unanswered."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.fakes.asterisk.channels import CAUSES, Bridge, Line, describe_bridge
from tests.fakes.asterisk.people import People
from tests.fakes.asterisk.switch import USER

HTTP_NO_CONTENT = 204


class Rest(People):
    """Each part of the path has a method of its own."""

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
                return web.json_response([describe_bridge(each) for each in self.bridges.values()])
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
            return web.json_response(describe_bridge(bridge)) if method == "GET" else _done()
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


def _done() -> web.Response:
    return web.Response(status=HTTP_NO_CONTENT)


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status)
