"""The far end of a conversation, framed and signed by hand, and a linkage that it meets."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ssl
import struct
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lxml import etree

import linkage
from linkage.store.read.reader import StoreReader
from linkage.store.read.views import EntryView

SECRET = "the-secret-of-the-scenario"
WITHIN_S = 30
"""Long enough for a machine that has much else to do."""


class Site:
    """A linkage that serves, and its journal."""

    def __init__(self, path: Path, server: linkage.Server) -> None:
        self.path = path
        self.server = server

    def journal(self) -> list[EntryView]:
        with StoreReader.open(self.server.config.database_path) as reader:
            return list(reader.entries())

    async def journalled(self, text: str) -> EntryView:
        """The entry that says so; fails after a while."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                for entry in self.journal():
                    if text in (entry.detail or ""):
                        return entry
                await asyncio.sleep(0.02)


class Far:
    """A peer by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, address: tuple[str, int], tls: ssl.SSLContext | None = None) -> Far:
        return cls(*await asyncio.open_connection(*address, ssl=tls))

    async def answer(self, payload: bytes) -> dict[str, str]:
        """Send a message; the attributes of its response."""
        self.send(payload)
        async with asyncio.timeout(WITHIN_S):
            while True:
                flag, _, length = struct.unpack(">BBH", await self.reader.readexactly(4))
                body = await self.reader.readexactly(length)
                if flag == 1 and (root := etree.fromstring(body)).tag == "response":
                    return {str(key): str(value) for key, value in root.attrib.items()}

    def send(self, payload: bytes, flag: int = 1) -> None:
        """A frame, whatever comes of it."""
        self.writer.write(struct.pack(">BBH", flag, 0, len(payload)) + payload)

    async def ended(self) -> None:
        async with asyncio.timeout(WITHIN_S):
            try:
                while await self.reader.read(65_536):
                    pass
            except ConnectionError:
                pass
        await self.close()

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await self.writer.wait_closed()


def hello(
    peer: str = "pbx",
    secret: str = SECRET,
    nonce: str = "nonce-one",
    behind_s: float = 0,
    version: int = 1,
    type_: int = 190,
) -> bytes:
    """A signed registration."""
    element = {190: "PlatformId", 290: "AppId"}.get(type_, "ScreenId")
    time = (datetime.now(UTC) - timedelta(seconds=behind_s)).isoformat(timespec="milliseconds")  # noqa: TID251 - the far end's own clock
    signed = f"{type_}\n{peer}\n{time}\n{nonce}".encode()
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return (
        f'<request Id="1" Type="{type_}"><{element}>{peer}</{element}>'
        f"<ProtoVer>{version}</ProtoVer>"
        f"<Time>{time}</Time><Nonce>{nonce}</Nonce><Digest>{digest}</Digest></request>"
    ).encode()
