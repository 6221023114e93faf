"""An Asterisk with its telephones, the linkage of one build before it, and an application."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from benchmarks.comparison.frames import SECRET, RegisteringPeer, answer_to, frame
from benchmarks.process import REPOSITORY, BenchmarkError, Child
from benchmarks.serving import port_of, serve_command
from protocol.codec import decode, encode
from protocol.envelope import Request
from protocol.message import Message
from protocol.messages import (
    CallMode,
    CallOut,
    CallOutType,
    CallState,
    CallStateNotice,
    Group,
    HangupNotice,
    HangupScope,
    Phone,
    PlatformStatusNotice,
    Staff,
    Transfer,
    TransferMode,
)
from protocol.roles import Role
from tests.real.peers.asterisk import AsteriskServer
from tests.real.peers.telephone import Answers, Manner, Refuses, Telephone

HOTLINE: Final = "12345"
OFFICER: Final = "1001"
"""Speaks with the caller, and is asked to transfer."""
TARGET: Final = "1002"
"""Whose telephone is rung."""
LOGINS: Final = {OFFICER: "23", TARGET: "13"}
WITHIN_S: Final = 30.0
QUIET_S: Final = 0.05
"""Before a command: what came before it is done, as where people speak before they transfer."""


class TimedTelephone(Telephone):
    """Notes when it is invited, before it does anything about it."""

    def __init__(self, number: str, manner: Manner) -> None:
        super().__init__(number, tone_hz=600, manner=manner)
        self.invited: asyncio.Queue[float] = asyncio.Queue()

    def datagram_received(self, data: bytes, sender: tuple[str, int]) -> None:
        """Take in a message."""
        if data.startswith(b"INVITE "):
            self.invited.put_nowait(time.perf_counter())
        super().datagram_received(data, sender)

    async def first_invite(self) -> float:
        """When it was invited for this call."""
        return await asyncio.wait_for(self.invited.get(), WITHIN_S)

    def forget(self) -> None:
        """The next invitation is that of the next call."""
        while not self.invited.empty():
            self.invited.get_nowait()
        self.lines.clear()


class Application(RegisteringPeer):
    """Gives commands, and acknowledges each notice before it looks what it is."""

    def __init__(self) -> None:
        super().__init__(Role.APPLICATION, "desk")
        self._told: asyncio.Queue[Message] = asyncio.Queue()
        self._commands = 0

    def received(self, payload: bytes) -> None:
        """A notice, or the answer to a command."""
        answer = answer_to(payload)
        if answer is None:
            return
        self.transport.write(answer)
        said = decode(payload)
        if isinstance(said, Request):
            self._told.put_nowait(said.message)

    async def told(self, kind: type[Message], **fields: object) -> Any:
        """The next notice that is such a one; what comes before it is passed over."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                message = await self._told.get()
                if isinstance(message, kind) and all(
                    getattr(message, name) == value for name, value in fields.items()
                ):
                    return message

    def give(self, command: Message) -> float:
        """Send a command; returns when its bytes went out."""
        self._commands += 1
        request = Request(id=f"c{self._commands}", message=command, time=datetime.now(UTC))
        data = frame(encode(request))
        began = time.perf_counter()
        self.transport.write(data)
        return began


class Desk:
    """An Asterisk with its telephones, and the linkage of one build with an application."""

    def __init__(self, asterisk: AsteriskServer, phones: Mapping[str, TimedTelephone]) -> None:
        self.asterisk = asterisk
        self.officer, self.target = phones[OFFICER], phones[TARGET]
        self.caller = Telephone("13800138000", tone_hz=400)
        self.application = Application()

    async def transfer(self) -> float:
        """Seconds from a 205 to the INVITE at its target."""
        self.target.manner = Answers()
        line = await self.caller.dial(HOTLINE)
        bridged = await self.application.told(CallStateNotice, state=CallState.BRIDGED)
        took_s = await self._time(
            Transfer(call_id=bridged.call_id, mode=TransferMode.BLIND, to_login_id=LOGINS[TARGET])
        )
        await self.application.told(CallStateNotice, state=CallState.BRIDGED)
        await line.hang_up()
        await self._over()
        return took_s

    async def call_out(self) -> float:
        """Seconds from a 210 to the INVITE at the dispatcher's telephone, who is busy."""
        self.target.manner = Refuses()
        group = Group(call_mode=CallMode.ALL, staff=(Staff(phone_nums=(Phone(number=OFFICER),)),))
        took_s = await self._time(
            CallOut(call_type=CallOutType.SINGLE, login_id=LOGINS[TARGET], groups=(group,))
        )
        await self._over()
        return took_s

    async def _time(self, command: Message) -> float:
        await asyncio.sleep(QUIET_S)
        began = self.application.give(command)
        return await self.target.first_invite() - began

    async def _over(self) -> None:
        await self.application.told(HangupNotice, scope=HangupScope.CALL)
        for phone in (self.officer, self.target):
            phone.forget()
        self.caller.lines.clear()


@asynccontextmanager
async def desk(build: Path, folder: Path) -> AsyncIterator[Desk]:
    """A desk that is served by a build: a clone with its `.venv`, or this one."""
    phones = {number: TimedTelephone(number, Answers()) for number in LOGINS}
    async with AsyncExitStack() as stack:
        ports = {number: phone.port for number, phone in phones.items()}
        asterisk = await stack.enter_async_context(AsteriskServer(officers=ports))
        made = Desk(asterisk, phones)
        for phone in (*phones.values(), made.caller):
            await stack.enter_async_context(phone.at(asterisk))
        python = sys.executable if build == REPOSITORY else str(build / ".venv/bin/python")
        server = Child(
            serve_command(write_config(folder, asterisk), python=python),
            folder / "server.log",
            core=None,
            cwd=build,
        )
        stack.callback(server.stop)
        port = await port_of(server)
        application = made.application
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: application, "127.0.0.1", port)
        stack.callback(application.transport.close)
        await application.registered
        await application.told(PlatformStatusNotice)
        yield made


def write_config(folder: Path, asterisk: AsteriskServer) -> Path:
    """A configuration with one application and the Asterisk."""
    lines = [
        'listen = ["127.0.0.1:0"]',
        f'[[peer]]\nid = "desk"\nrole = "application"\nsecret = "{SECRET}"',
        '[[adapter]]\nid = "pbx"\nkind = "asterisk"\n[adapter.settings]',
        f'url = "{asterisk.ari_url}"\napp = "{asterisk.app}"',
        f'user = "{asterisk.ari_user}"\npassword = "{asterisk.ari_password}"',
        f'[adapter.settings.hotline.{HOTLINE}]\nofficers = ["{OFFICER}"]',
    ]
    for number, login in LOGINS.items():
        lines.append(f"[adapter.settings.officer.{number}]")
        lines.append(f'login = "{login}"\nendpoint = "PJSIP/{number}"')
    path = folder / "linkage.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    path.chmod(0o600)
    return path


class Bare:
    """Asterisk's REST interface by a socket: what linkage asks of it, at no cost of linkage's."""

    def __init__(self, asterisk: AsteriskServer, target: TimedTelephone) -> None:
        self._asterisk = asterisk
        self._target = target
        self._count = 0

    async def ring(self) -> float:
        """Seconds from a request to the INVITE that Asterisk sends for it."""
        self._target.manner = Refuses()
        url = urlsplit(self._asterisk.ari_url)
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        await asyncio.sleep(QUIET_S)
        began = time.perf_counter()
        writer.write(self._request(url.path))
        took_s = await self._target.first_invite() - began
        answer = await reader.read()
        writer.close()
        if b" 200 " not in answer[:20]:
            raise BenchmarkError(f"Asterisk will not ring: {answer[:200]!r}")
        await self._target.lines[0].gone()
        self._target.forget()
        return took_s

    def _request(self, path: str) -> bytes:
        self._count += 1
        asterisk, call = self._asterisk, f"alone{self._count}"
        query = urlencode(
            {
                "endpoint": f"PJSIP/{TARGET}",
                "app": asterisk.app,
                "appArgs": f"leg,{call},{call}",
                "timeout": "40",
                "callerId": "13800138000",
            }
        )
        variables = {"LINKAGE_CALLID": call, "PJSIP_TRANSFER_HANDLING()": "ari-only"}
        body = json.dumps({"variables": variables})
        secret = b64encode(f"{asterisk.ari_user}:{asterisk.ari_password}".encode()).decode()
        lines = (
            f"POST {path}/channels/{call}?{query} HTTP/1.1",
            "Host: asterisk",
            "Connection: close",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            f"Authorization: Basic {secret}",
            "",
            body,
        )
        return "\r\n".join(lines).encode()
