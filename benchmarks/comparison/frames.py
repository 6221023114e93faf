"""The lean ends of the frame protocol: no more work than a load has to do."""

from __future__ import annotations

import asyncio
import re
import secrets
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from typing import Final, cast

from protocol.codec import encode
from protocol.envelope import Request
from protocol.registration import make_registration
from protocol.roles import Role

SECRET: Final = "benchmark-secret-0"
HEAD: Final = 4
MESSAGE: Final = 1
HEARTBEAT: Final = b"\x02\x00\x00\x00"
_ASKED: Final = re.compile(rb'<request Id="([^"]+)" Type="(\d+)"')
REGISTRATION_ID: Final = "hello"


def frame(payload: bytes) -> bytes:
    """A message in its frame (protocol.md#frame)."""
    return b"\x01\x00" + len(payload).to_bytes(2, "big") + payload


def registration(role: Role, peer_id: str) -> bytes:
    """The first frame of a peer."""
    message = make_registration(role, peer_id, SECRET, datetime.now(UTC), secrets.token_hex(8))
    return frame(encode(Request(id=REGISTRATION_ID, message=message)))


def answer_to(payload: bytes) -> bytes | None:
    """The framed answer `Result="0"` to a request; None to anything else."""
    found = _ASKED.match(payload)
    if found is None:
        return None
    return frame(b'<response RequestId="%b" Type="%b" Result="0"/>' % found.groups())


class FramePeer(asyncio.Protocol, ABC):
    """Cuts frames; subclasses say what a message means."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Cut, and give the pieces on."""
        if self._buffer:
            data = self._buffer + data
        at = 0
        while len(data) - at >= HEAD:
            end = at + HEAD + int.from_bytes(data[at + 2 : at + HEAD], "big")
            if len(data) < end:
                break
            if data[at] == MESSAGE:
                self.received(data[at + HEAD : end])
            else:
                self.beaten()
            at = end
        self._buffer = data[at:]

    @abstractmethod
    def received(self, payload: bytes) -> None:
        """One message."""

    def beaten(self) -> None:
        """A heartbeat, or what else is no message."""


class RegisteringPeer(FramePeer):
    """Registers, and then is told only of messages that are not the answer to that."""

    def __init__(self, role: Role, peer_id: str) -> None:
        super().__init__()
        self._role = role
        self.peer_id = peer_id
        self.registered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register at once."""
        super().connection_made(transport)
        self.transport.write(registration(self._role, self.peer_id))

    def data_received(self, data: bytes) -> None:
        """The first message is the answer to the registration."""
        if not self.registered.done() and REGISTRATION_ID.encode() in data:
            if b'Result="0"' in data:
                self.registered.set_result(None)
            else:
                self.registered.set_exception(ConnectionRefusedError(repr(data)))
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """An end before the answer is a refusal."""
        if not self.registered.done():
            self.registered.set_exception(ConnectionResetError(f"{self.peer_id}: closed: {exc}"))
