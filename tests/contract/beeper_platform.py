"""The gateway for pagers of docs/how-to/adapter.md, with its wire as the page describes it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from aiohttp import web

from linkage.clock import SystemClock
from protocol import messages as m
from protocol.message import Message
from pytest_linkage.contract.platform import Delivery, Expected, PlatformDouble

TOKEN: Final = "a-token-that-nobody-may-read"
POLL_S: Final = 0.05
GARBAGE: Final = (
    b"<html>busy</html>", b"{", b"", b"null", b"[1, null, {}]", b'"text"',
    b'[{"seq": "x"}, {"seq": null, "kind": "fate"}, {"kind": "answer", "at": "never"}]',
)  # fmt: skip


class BeeperPlatform(PlatformDouble):
    """Keeps pages and a numbered log of what became of them, whoever is connected."""

    def __init__(self) -> None:
        super().__init__()
        self.pages: dict[str, dict[str, str]] = {}
        self.log: list[dict[str, Any]] = []
        self.last = 0
        self.sent: list[str] = []
        """The texts of all pages that were sent, in order."""
        self._count = 0
        self._port = 0
        self._garbage: list[bytes] = []
        self._flows = asyncio.Event()
        self._flows.set()
        self._runner: web.AppRunner | None = None

    # --- the wire --------------------------------------------------------------------------------
    @property
    def settings(self) -> Mapping[str, Any]:
        return {"url": f"http://127.0.0.1:{self._port}", "token": TOKEN, "timeout_s": 1.0}

    @property
    def secrets(self) -> Sequence[str]:
        return [TOKEN, "wrong-token"]

    @property
    def wrong_settings(self) -> Mapping[str, Any]:
        return {**self.settings, "token": "wrong-token"}

    async def start(self) -> None:
        application = web.Application(middlewares=[self._guard])
        application.router.add_get("/status", self._status)
        application.router.add_get("/events", self._events)
        for method, handler in (("GET", self._get), ("PUT", self._put)):
            application.router.add_route(method, "/pages/{name}", handler)
        self._runner = web.AppRunner(application, handle_signals=False, shutdown_timeout=0.01)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def freeze(self) -> None:
        self._flows.clear()

    def thaw(self) -> None:
        self._flows.set()

    async def emit(self, event: Any) -> None:
        if "seq" not in event:
            self.last += 1
            event["seq"] = self.last
        self.log.append(event)

    async def pass_on(self, event: Any) -> None:
        if self.delivery is Delivery.LOST:
            self.last += 1  # it was in the log, which has been cut since
            self.log.clear()
        else:
            await super().pass_on(event)

    async def garbage(self) -> None:
        self._garbage += GARBAGE
        for event in ({"kind": "fate"}, {"at": 7}, {"kind": "answer", "at": _now(), "from": {}}):
            await self.emit(event)
        async with asyncio.timeout(10):
            while self._garbage:  # noqa: ASYNC110 - who polls it sets no event
                await asyncio.sleep(POLL_S)

    # --- what happens ----------------------------------------------------------------------------
    async def occur(self) -> Expected:
        self._count += 1
        name = f"A{self._count}"
        await self.pass_on(
            {"kind": "answer", "id": name, "from": "139", "text": "coming", "at": _now()}
        )
        return Expected(m.SmsReceivedNotice, {"sms_id": name, "phone_num": "139"})

    def command(self) -> Message:
        self._count += 1
        receivers = (m.Receiver(phone_num="138"), m.Receiver(phone_num="137"))
        return m.SendSms(
            sms_id=f"P{self._count}", content=f"fire {self._count}", receivers=receivers
        )

    def done(self, command: Message) -> int:
        """Each of the two receivers is to be paged once; the worse of the two counts."""
        assert isinstance(command, m.SendSms)
        return max(
            self.sent.count(f"{each.phone_num} {command.content}") for each in command.receivers
        )

    async def conclude(self, command: Message, request_id: str) -> Sequence[Expected]:
        assert isinstance(command, m.SendSms)
        told: list[Expected] = []
        for name, page in self.pages.items():
            if page["text"] != command.content:
                continue
            page["state"] = "delivered"
            await self.pass_on({"kind": "fate", "page": name, "state": "delivered", "at": _now()})
            names = {
                "request_id": request_id, "sms_id": command.sms_id, "phone_num": page["to"],
            }  # fmt: skip
            taken, arrived = m.SmsSendStatus.ACCEPTED, m.SmsReportStatus.DELIVERED
            told += [
                Expected(m.SmsSendResultNotice, {**names, "status": taken}),
                Expected(m.SmsReportNotice, {**names, "status": arrived}),
            ]
        return told

    # --- requests --------------------------------------------------------------------------------
    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"error": "token"}, status=401)
        # What was asked is done at the thaw, also where nobody waits for the answer any more.
        return await asyncio.shield(asyncio.ensure_future(self._serve(request, handler)))  # noqa: TID251 - awaited

    async def _serve(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        await self._flows.wait()
        return await handler(request)

    async def _status(self, _: web.Request) -> web.Response:
        first = self.log[0]["seq"] if self.log else self.last + 1
        return web.json_response({"first": first, "last": self.last})

    async def _events(self, request: web.Request) -> web.Response:
        if self._garbage:
            return web.Response(body=self._garbage.pop(0), content_type="application/json")
        after = int(request.query["after"])
        for _ in range(4):
            if events := [event for event in self.log if event["seq"] > after]:
                return web.json_response(events)
            await asyncio.sleep(POLL_S)
        return web.json_response([])

    async def _get(self, request: web.Request) -> web.Response:
        page = self.pages.get(request.match_info["name"])
        return web.json_response(page, status=404 if page is None else 200)

    async def _put(self, request: web.Request) -> web.Response:
        name, page = request.match_info["name"], await request.json()
        if name not in self.pages:
            self.pages[name] = {**page, "state": "queued"}
            self.sent.append(f"{page['to']} {page['text']}")
        return web.json_response({}, status=201)


def _now() -> str:
    return SystemClock().utc().isoformat()
