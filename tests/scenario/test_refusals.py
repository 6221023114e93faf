"""Nobody in who does not belong: each refusal as specified, and each in the journal.

A whole linkage over loopback; the far ends are framed and signed by hand.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

import linkage
from linkage.certificates import Authority, make_test_files
from linkage.client import Application, CommandRefusedError, Platform
from linkage.clock import SystemClock
from linkage.config import load_config
from linkage.store.reader import StoreReader
from linkage.store.views import EntryView
from protocol import messages as m
from protocol.results import Result

SECRET = "the-secret-of-the-scenario"
CLOCK = SystemClock()
CONFIG = """
listen = ["127.0.0.1:0"]
{extra}
[timers]
heartbeat_s = 0.1
frame_within_s = 0.3
[[peer]]
id = "desk"
role = "application"
secret = "{secret}"
[[peer]]
id = "other"
role = "application"
secret = "{secret}"
numbers = ["9*"]
[[peer]]
id = "pbx"
role = "platform"
secret = "{secret}"
"""
CALL = "<CallId>c1</CallId><Type>1</Type><PhoneNum>139</PhoneNum>"
TLS = """
[[listener]]
address = "127.0.0.1:0"
tls = true
[tls]
certificate = "tls/server.pem"
key = "tls/server.key"
client_ca = "tls/ca.pem"
"""


class Site:
    """A linkage that serves, and its journal."""

    def __init__(self, path: Path, server: linkage.Server) -> None:
        self.path = path
        self.server = server

    def journal(self) -> list[EntryView]:
        with StoreReader.open(self.server.config.database_path) as reader:
            return list(reader.entries())

    async def journalled(self, text: str) -> EntryView:
        """The entry that says so; fails after 5 s."""
        async with asyncio.timeout(5):
            while True:
                for entry in self.journal():
                    if text in (entry.detail or ""):
                        return entry
                await asyncio.sleep(0.02)


Serve = Callable[..., Awaitable[Site]]


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    async with AsyncExitStack() as stack:

        async def serve(extra: str = "") -> Site:
            path = tmp_path / "linkage.toml"
            path.write_text(CONFIG.format(extra=extra, secret=SECRET))
            server = await stack.enter_async_context(linkage.Server(load_config(path)))
            return Site(path, server)

        yield serve


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
        self.writer.write(struct.pack(">BBH", 1, 0, len(payload)) + payload)
        async with asyncio.timeout(5):
            while True:
                flag, _, length = struct.unpack(">BBH", await self.reader.readexactly(4))
                body = await self.reader.readexactly(length)
                if flag == 1 and (root := etree.fromstring(body)).tag == "response":
                    return {str(key): str(value) for key, value in root.attrib.items()}

    async def ended(self) -> None:
        async with asyncio.timeout(5):
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
    peer: str = "pbx", secret: str = SECRET, nonce: str = "nonce-one", behind_s: float = 0
) -> bytes:
    """A signed 190."""
    time = (datetime.now(UTC) - timedelta(seconds=behind_s)).isoformat(timespec="milliseconds")  # noqa: TID251 - the far end's own clock
    signed = f"190\n{peer}\n{time}\n{nonce}".encode()
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return (
        f'<request Id="1" Type="190"><PlatformId>{peer}</PlatformId><ProtoVer>1</ProtoVer>'
        f"<Time>{time}</Time><Nonce>{nonce}</Nonce><Digest>{digest}</Digest></request>"
    ).encode()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"secret": "a-wrong-secret-of-the-test"}, "does not fit its secret"),
        ({"peer": "nobody"}, "no peer 'nobody' registers here"),
        ({"peer": "desk"}, "'desk' is application"),
        ({"behind_s": 301}, "set the clock"),
        ({"behind_s": -310}, "set the clock"),
    ],
    ids=["wrong secret", "unknown", "wrong role", "slow clock", "fast clock"],
)
async def test_bad_credentials_are_201_with_one_text_for_all(
    serve: Serve, said: dict[str, Any], told: str
) -> None:
    site = await serve()
    far = await Far.connect(site.server.addresses[0])
    answer = await far.answer(hello(**said))
    await far.ended()
    assert answer["Result"] == "201"
    assert "secret" not in answer["Detail"]
    assert "clock" not in answer["Detail"]
    entry = await site.journalled(told)
    assert (entry.kind, entry.result) == ("Stranger", 201)


async def test_a_replayed_registration_is_refused(serve: Serve) -> None:
    site = await serve()
    recorded = hello()
    first = await Far.connect(site.server.addresses[0])
    assert (await first.answer(recorded))["Result"] == "0"
    second = await Far.connect(site.server.addresses[0])
    assert (await second.answer(recorded))["Result"] == "201"
    await second.ended()
    entry = await site.journalled("this Nonce was used before")
    assert (entry.kind, entry.result) == ("Stranger", 201)
    await first.close()


async def test_another_applications_event_is_not_read_bound_or_merged(serve: Serve) -> None:
    site = await serve()
    host, port = site.server.addresses[0]
    async with (
        Application(host, port, "desk", secret=SECRET) as desk,
        Application(host, port, "other", secret=SECRET) as other,
        Platform(host, port, "pbx", secret=SECRET) as pbx,
    ):
        call = m.IncomingCallNotice(
            call_id="c1", direction=m.CallDirection.IN, phone_num="139", to_num="2222"
        )
        await pbx.notify(call)
        await desk.send(m.CreateEvent(event_id="e1", call_id="c1"))
        await other.send(m.CreateEvent(event_id="mine"))
        for command in (
            m.BindEvent(event_id="mine", call_id="c1", action=m.BindAction.BIND),
            m.Hangup(call_id="c1", scope=m.HangupScope.CALL),
            m.QueryEventRecord(event_id="e1"),
            m.LinkEvent(event_id="mine", other_event_id="e1", action=m.LinkAction.MERGE),
        ):
            with pytest.raises(CommandRefusedError) as refused:
                await other.send(command)
            assert refused.value.response.result == Result.OTHER_TENANT
    kept = [entry for entry in site.journal() if entry.kind == "Refused"]
    assert [entry.source for entry in kept] == ["other"] * 4


async def test_an_address_off_the_list_is_closed_at_once(serve: Serve) -> None:
    site = await serve('allow = ["10.0.0.0/8"]')
    far = await Far.connect(site.server.addresses[0])
    await far.ended()
    entry = await site.journalled("not in `allow`")
    assert (entry.kind, entry.source.partition(":")[0]) == ("Stranger", "127.0.0.1")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"\x03\0\xff\xff" + b"x" * 65_535 + b"\x03\0\0\x09", "more than 65535"),
        (struct.pack(">BBH", 7, 0, 3) + b"abc", "unknown flag 0x07"),
        (struct.pack(">BBH", 1, 0, 9) + b"<request>", "not well-formed"),
    ],
    ids=["oversized", "unknown flag", "no XML"],
)
async def test_bad_frames_of_a_stranger_are_journalled(
    serve: Serve, data: bytes, told: str
) -> None:
    site = await serve()
    far = await Far.connect(site.server.addresses[0])
    far.writer.write(data)
    entry = await site.journalled(told)
    assert entry.kind == "MalformedMessage"
    await far.close()


async def test_a_frame_that_never_ends_ends_the_session(serve: Serve) -> None:
    site = await serve()
    far = await Far.connect(site.server.addresses[0])
    assert (await far.answer(hello()))["Result"] == "0"
    far.writer.write(b"\x01\x00\xff\xff<requ")
    await far.ended()
    entry = await site.journalled("not complete within 0.3 s")
    assert (entry.kind, entry.source, entry.result) == ("MalformedMessage", "pbx", 104)


async def test_a_certificate_of_another_peer_or_authority_is_refused(
    serve: Serve, tmp_path: Path
) -> None:
    make_test_files(tmp_path / "tls", [], ["pbx", "desk"], CLOCK.utc())
    site = await serve(TLS)
    address = site.server.addresses[1]

    def context(folder: Path, name: str) -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=tmp_path / "tls" / "ca.pem")
        made.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
        return made

    peers = tmp_path / "tls" / "peers"
    far = await Far.connect(address, context(peers, "desk"))
    assert (await far.answer(hello(nonce="nonce-two")))["Result"] == "201"
    await far.ended()
    entry = await site.journalled("the client certificate is for desk, not for 'pbx'")
    assert (entry.kind, entry.result) == ("Stranger", 201)

    forged = Authority("somebody else", CLOCK.utc()).client("pbx")
    (tmp_path / "forged.pem").write_bytes(forged.certificate)
    (tmp_path / "forged.key").write_bytes(forged.key)
    with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
        await greet(address, context(tmp_path, "forged"))
    assert (await site.journalled("certificate verify failed")).kind == "Stranger"

    far = await Far.connect(address, context(peers, "pbx"))
    assert (await far.answer(hello(nonce="nonce-three")))["Result"] == "0"
    await far.close()


async def greet(address: tuple[str, int], tls: ssl.SSLContext) -> None:
    far = await Far.connect(address, tls)
    try:
        await far.answer(hello(nonce="nonce-four"))
    finally:
        await far.close()


async def test_a_flood_of_strangers_is_three_entries_and_a_sum(serve: Serve) -> None:
    site = await serve()
    before = len(site.journal())
    for _ in range(5):
        far = await Far.connect(site.server.addresses[0])
        for number in range(15):
            payload = f'<request Id="{number}" Type="100">{CALL}</request>'.encode()
            assert (await far.answer(payload))["Result"] == "200"
        await far.close()
    after = len(site.journal())
    assert after - before <= 12
    await site.server.__aexit__(None, None, None)
    assert any("more like it from 127.0.0.1" in (entry.detail or "") for entry in site.journal())
