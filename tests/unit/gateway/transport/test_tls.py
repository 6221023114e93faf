"""TLS both ways, and what is refused on the way."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest

from gateway import GatewaySettings
from linkage.client import Application, Platform
from linkage.clock import SystemClock
from linkage.config.certificates import Issued
from linkage.ports import EntryKind, PeerProfile
from protocol.dialect import LEGACY
from protocol.envelope import Request
from protocol.messages import CreateEvent, VendorNotice
from protocol.results import Result
from protocol.roles import Role
from tests.fakes.certificates import (
    AUTHORITY,
    NOW,
    STRANGE_AUTHORITY,
    ConnectTls,
    Files,
    StartTls,
)
from tests.fakes.core import SECRET, FakeCore
from tests.fakes.far_socket import Far, frame, incoming, registration

ConnectPlainly = Callable[[tuple[str, int]], Awaitable[Far]]


class OfTheCore(SystemClock):
    """The wall clock by which the fake core signs."""

    def utc(self) -> datetime:
        return datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
async def connect_plainly() -> AsyncIterator[ConnectPlainly]:
    """Connects without TLS to any address; closed at the end of the test."""
    async with AsyncExitStack() as stack:

        async def connect(address: tuple[str, int]) -> Far:
            far = await Far.connect(address)
            stack.push_async_callback(far.close)
            return far

        yield connect


async def test_a_peer_registers_and_speaks_over_tls(
    start_tls: StartTls, connect_tls: ConnectTls, core: FakeCore
) -> None:
    gateway = await start_tls()
    far = await connect_tls(gateway)
    assert far.writer.get_extra_info("ssl_object").version() == "TLSv1.3"
    await far.register(190, "platform")
    for number in range(200):
        await far.send(incoming(str(number)))
    for number in range(200):
        assert await far.result() == (str(number), 0)
    assert core.notes == []


async def test_a_plain_and_a_tls_listener_serve_side_by_side(
    connect_plainly: ConnectPlainly, start_tls: StartTls, connect_tls: ConnectTls, core: FakeCore
) -> None:
    gateway = await start_tls(listen=(("127.0.0.1", 0),))
    plain, secure = gateway.addresses
    assert gateway.secure_addresses == [secure]
    far = await connect_plainly(plain)
    await far.register(190, "platform")
    await (await connect_tls(gateway)).register(290, "app")


async def test_large_messages_go_out_and_come_in(
    start_tls: StartTls, connect_tls: ConnectTls, core: FakeCore
) -> None:
    far = await connect_tls(await start_tls(GatewaySettings(write_high_bytes=1024)))
    await far.register(290, "app")
    body = "x" * 60_000
    for number in range(64):
        message = VendorNotice(vendor="v", name="n", body=body)
        core.live["app"].push(Request(id=str(number), message=message))
    for number in range(64):
        heard = await far.message()
        assert (heard.attrib["Id"], heard.findtext("Body")) == (str(number), body)


async def test_a_peer_is_told_why_over_tls_before_it_ends(
    start_tls: StartTls, connect_tls: ConnectTls, core: FakeCore
) -> None:
    gateway = await start_tls(GatewaySettings(close_within_s=3600))
    far = await connect_tls(gateway)
    await far.register(190, "platform")
    async with asyncio.timeout(30):
        await gateway.close("going home")
    assert (await far.message()).findtext("Reason") == "going home"
    assert await far.ended() == b""


async def test_the_end_of_a_tls_stream_ends_the_session_and_what_came_before_counts(
    start_tls: StartTls,
    connect_tls: ConnectTls,
    core: FakeCore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    gateway = await start_tls()
    far = await connect_tls(gateway)
    await far.register(190, "platform")
    await far.send(incoming("1"))
    await far.close()
    await core.until(lambda: core.submitted and core.ends)
    assert gateway.connections == 0
    assert "no effect when using ssl" not in caplog.text


async def test_a_reset_over_tls_is_the_end_of_one_session_only(
    start_tls: StartTls, connect_tls: ConnectTls, core: FakeCore
) -> None:
    gateway = await start_tls()
    first, second = await connect_tls(gateway), await connect_tls(gateway)
    await first.register(190, "platform")
    await second.register(290, "app")
    first.reset()
    await core.until(lambda: core.ends)
    assert list(core.live) == ["app"]


async def test_a_legacy_peer_may_use_tls(
    start_tls: StartTls, connect_tls: ConnectTls, core: FakeCore
) -> None:
    peer = PeerProfile(id="platform", role=Role.PLATFORM, dialect=LEGACY, address="127.0.0.1")
    far = await connect_tls(await start_tls(peers=(peer,)))
    await far.send(incoming("1"))
    assert await far.result() == ("1", 0)


async def test_the_client_library_comes_in_by_tls(
    start_tls: StartTls, files: Files, core: FakeCore
) -> None:
    host, port = (await start_tls()).secure_addresses[0]
    async with Platform(host, port, "platform", secret=SECRET, ssl=files.client()):
        assert list(core.live) == ["platform"]
    async with Application(host, port, "app", secret=SECRET, ssl=files.client()) as application:
        assert (await application.send(CreateEvent(event_id="e1"))).result == 0


async def test_who_speaks_plainly_to_a_tls_listener_is_closed_and_journalled(
    connect_plainly: ConnectPlainly, start_tls: StartTls, core: FakeCore
) -> None:
    gateway = await start_tls()
    far = await connect_plainly(gateway.secure_addresses[0])
    await far.send(registration(190, "platform"))
    await far.ended()
    await core.until(lambda: core.notes)
    assert core.notes[0].kind is EntryKind.STRANGER
    assert "TLS" in core.notes[0].detail
    assert gateway.connections == 0


async def test_tls_before_1_2_is_refused(
    start_tls: StartTls, files: Files, core: FakeCore
) -> None:
    gateway = await start_tls()
    context = files.client()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection(*gateway.secure_addresses[0], ssl=context)
    await core.until(lambda: core.notes)
    assert "TLS" in core.notes[0].detail


async def test_tls_1_2_is_enough(start_tls: StartTls, files: Files, core: FakeCore) -> None:
    gateway = await start_tls()
    context = files.client()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    far = Far(*await asyncio.open_connection(*gateway.secure_addresses[0], ssl=context))
    await far.register(190, "platform")
    await far.close()


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "HTTP request"),
        (frame('<request Id="1" Type="290"/>'), "EventID in plain text"),
        (b"PROXY TCP4 10.0.0.1 10.0.0.2 4000 7700\r\n", "send-proxy"),
        (b"hello", "text ('hello')"),
    ],
)
async def test_what_is_said_in_plain_on_a_tls_port_is_named(
    connect_plainly: ConnectPlainly, start_tls: StartTls, core: FakeCore, data: bytes, what: str
) -> None:
    gateway = await start_tls()
    far = await connect_plainly(gateway.secure_addresses[0])
    await far.send(data)
    assert await far.ended() == b""
    await core.until(lambda: core.notes)
    assert what in core.notes[0].detail
    assert gateway.figures.turned_away["tls"] == 1


async def test_a_probe_of_a_tls_port_is_counted_and_not_told(
    connect_plainly: ConnectPlainly,
    start_tls: StartTls,
    core: FakeCore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    gateway = await start_tls()
    with caplog.at_level("INFO"):
        caplog.clear()
        await (await connect_plainly(gateway.secure_addresses[0])).close()
        far = await connect_plainly(gateway.secure_addresses[0])
        await far.send(b"no TLS")  # accepted after it, and told
        assert await far.ended() == b""
        await core.until(lambda: core.notes)
    assert len(caplog.messages) == 1
    assert gateway.figures.probes == 1


async def test_a_handshake_that_is_not_completed_in_time_is_cut_off(
    connect_plainly: ConnectPlainly, start_tls: StartTls, core: FakeCore
) -> None:
    gateway = await start_tls(GatewaySettings(handshake_within_s=0.1))
    far = await connect_plainly(gateway.secure_addresses[0])
    await far.send(b"\x16\x03\x01")
    assert await far.ended() == b""
    await core.until(lambda: core.notes)
    assert core.notes[0].kind is EntryKind.STRANGER
    assert gateway.connections == 0


async def test_handshakes_count_as_strangers(
    connect_plainly: ConnectPlainly, start_tls: StartTls, connect_tls: ConnectTls, core: FakeCore
) -> None:
    gateway = await start_tls(GatewaySettings(unregistered=1))
    await connect_plainly(gateway.secure_addresses[0])
    with pytest.raises((ConnectionError, ssl.SSLError)):
        await connect_tls(gateway)
    await core.until(lambda: core.notes)
    assert "not registered yet" in core.notes[0].detail


async def test_closing_does_not_wait_for_a_handshake(
    connect_plainly: ConnectPlainly, start_tls: StartTls
) -> None:
    gateway = await start_tls(GatewaySettings(unregistered=1, handshake_within_s=3600))
    idle = await connect_plainly(gateway.secure_addresses[0])
    # The accepting task takes one connection after the other: when the second is refused, the
    # first is in its handshake.
    await (await connect_plainly(gateway.secure_addresses[0])).ended()
    assert gateway.connections == 1
    async with asyncio.timeout(30):
        await gateway.close()
    assert gateway.connections == 0
    assert await idle.ended() == b""


async def test_who_is_not_on_the_allow_list_gets_no_handshake(
    connect_plainly: ConnectPlainly, start_tls: StartTls, core: FakeCore
) -> None:
    settings = GatewaySettings(allow=(ipaddress.ip_network("10.0.0.0/8"),))
    gateway = await start_tls(settings)
    far = await connect_plainly(gateway.secure_addresses[0])
    assert await far.ended() == b""
    await core.until(lambda: core.notes)
    assert "not in `allow`" in core.notes[0].detail


async def test_a_peer_that_must_use_tls_is_refused_without(
    connect_plainly: ConnectPlainly, start_tls: StartTls, connect_tls: ConnectTls, core: FakeCore
) -> None:
    peer = PeerProfile(id="platform", role=Role.PLATFORM, require_tls=True)
    gateway = await start_tls(peers=(peer,), listen=(("127.0.0.1", 0),))
    plain = await connect_plainly(gateway.addresses[0])
    await plain.send(registration(190, "platform"))
    assert await plain.result() == ("r1", Result.BAD_CREDENTIALS)
    await core.until(lambda: core.notes)
    assert "'platform' must use TLS" in core.notes[0].detail
    await (await connect_tls(gateway)).register(190, "platform")


async def test_linkage_dials_by_tls_and_shows_its_certificate(
    start_tls: StartTls, files: Files, core: FakeCore
) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*files.write("app", AUTHORITY.server(["app.example"])))
    server.load_verify_locations(files.directory / "ca.pem")
    server.verify_mode = ssl.CERT_REQUIRED
    listening = Application.listen(
        "127.0.0.1", 0, "app", secret=SECRET, ssl=server, clock=OfTheCore()
    )
    async with listening as application:
        peer = PeerProfile(
            id="app",
            role=Role.APPLICATION,
            dial=application.address,
            dial_tls=True,
            dial_name="app.example",
        )
        await start_tls(peers=(peer,))
        await core.until(lambda: "app" in core.live)
        async with asyncio.timeout(30):
            await application.wait_ready()
        assert (await application.send(CreateEvent(event_id="e1"))).result == 0


@pytest.mark.parametrize(
    ("issued", "reason"),
    [
        (AUTHORITY.server(["other.example"]), "certificate verify failed"),
        (STRANGE_AUTHORITY.server(["127.0.0.1"]), "certificate verify failed"),
        (AUTHORITY.server(["127.0.0.1"], until=NOW - timedelta(hours=1)), "expired"),
    ],
)
async def test_a_dialled_peer_with_a_wrong_certificate_is_not_spoken_to(
    start_tls: StartTls, files: Files, core: FakeCore, issued: Issued, reason: str
) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*files.write("app", issued))
    async with Application.listen("127.0.0.1", 0, "app", secret=SECRET, ssl=server) as far:
        peer = PeerProfile(id="app", role=Role.APPLICATION, dial=far.address, dial_tls=True)
        await start_tls(peers=(peer,))
        await core.until(lambda: core.notes)
        assert reason in core.notes[0].detail
        assert "app" in core.notes[0].detail
        assert core.introduced == 0
