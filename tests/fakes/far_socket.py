"""The far end of a socket, framed by hand: shares no code with what it tests but lxml."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass

from lxml import etree

from tests.fakes.core import SECRET

TIME = "2026-11-22T08:00:00.000+00:00"
HEARTBEAT = bytes((0x02, 0, 0, 0))
INCOMING = "<CallId>c1</CallId><Type>1</Type><PhoneNum>13912344444</PhoneNum>"
PEER_ELEMENT = {190: "PlatformId", 290: "AppId", 490: "ScreenId", 690: "ScreenId"}


def frame(payload: str | bytes, flag: int = 0x01) -> bytes:
    data = payload.encode() if isinstance(payload, str) else payload
    return struct.pack(">BBH", flag, 0, len(data)) + data


def request(number: int, request_id: str, body: str = "") -> bytes:
    return frame(f'<request Id="{request_id}" Type="{number}">{body}</request>')


def incoming(request_id: str) -> bytes:
    return request(100, request_id, INCOMING)


def response(number: int, request_id: str, result: int = 0) -> bytes:
    return frame(f'<response RequestId="{request_id}" Type="{number}" Result="{result}"/>')


def registration(number: int, peer_id: str, secret: str = SECRET) -> bytes:
    nonce = "0123456789abcdef"
    signed = "\n".join((str(number), peer_id, TIME, nonce)).encode()
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    name = PEER_ELEMENT[number]
    body = (
        f"<{name}>{peer_id}</{name}><ProtoVer>1</ProtoVer><Time>{TIME}</Time>"
        f"<Nonce>{nonce}</Nonce><Digest>{digest}</Digest>"
    )
    return request(number, "r1", body)


@dataclass(frozen=True)
class Heard:
    """A message as the far end reads it."""

    tag: str
    attrib: dict[str, str]
    texts: dict[str, str]

    @classmethod
    def read(cls, payload: bytes) -> Heard:
        root = etree.fromstring(payload)
        texts = {str(child.tag): child.text or "" for child in root}
        return cls(str(root.tag), {str(k): str(v) for k, v in root.attrib.items()}, texts)

    def findtext(self, name: str) -> str | None:
        return self.texts.get(name)


@dataclass
class Far:
    """One end of a TCP connection to the gateway."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def connect(cls, address: tuple[str, int]) -> Far:
        return cls(*await asyncio.open_connection(*address))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def frame(self) -> tuple[int, bytes]:
        """The next frame: flag and payload."""
        async with asyncio.timeout(30):
            flag, _, length = struct.unpack(">BBH", await self.reader.readexactly(4))
            return flag, await self.reader.readexactly(length)

    async def message(self) -> Heard:
        """The next message; heartbeats are passed over."""
        while True:
            flag, payload = await self.frame()
            if flag == 0x01:
                return Heard.read(payload)

    async def result(self) -> tuple[str, int]:
        """RequestId and Result of the next message, which must be a response."""
        root = await self.message()
        assert root.tag == "response", root
        return root.attrib["RequestId"], int(root.attrib["Result"])

    async def register(self, number: int, peer_id: str) -> None:
        await self.send(registration(number, peer_id))
        assert await self.result() == ("r1", 0)

    async def ended(self) -> bytes:
        """What came until the gateway ended the connection."""
        async with asyncio.timeout(30):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""

    def reset(self) -> None:
        """Vanish: the connection is reset, not ended."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()
