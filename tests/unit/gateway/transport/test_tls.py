"""TLS both ways, certificates that name their peer, and what is refused on the way."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import Gateway, GatewaySettings, ListenError, TlsFiles
from gateway.authorize import certificate_names
from gateway.transport.certificate import Validity, read_validity
from gateway.transport.tls import LOOK_EVERY_S, Tls
from linkage.client import Application, Platform
from linkage.clock import SystemClock
from linkage.config.certificates import Authority, Issued
from linkage.config.secrets import Secret
from linkage.ports import EntryKind, PeerProfile
from protocol.dialect import LEGACY
from protocol.envelope import Request
from protocol.messages import CreateEvent, VendorNotice
from protocol.results import Result
from protocol.roles import Role
from tests.fakes.core import SECRET, FakeCore
from tests.fakes.far_socket import Far, frame, incoming, registration
from tests.fakes.unprivileged import without_override

NOW = datetime.now(UTC)  # noqa: TID251 - OpenSSL looks at the machine's clock
AUTHORITY = Authority("authority of the tests", NOW)
STRANGE_AUTHORITY = Authority("another authority", NOW)
SERVER = AUTHORITY.server(["localhost", "127.0.0.1"])

StartTls = Callable[..., Awaitable[Gateway]]
ConnectTls = Callable[..., Awaitable[Far]]
ConnectPlainly = Callable[[tuple[str, int]], Awaitable[Far]]


@dataclass
class Files:
    """A directory with the material of one linkage."""

    directory: Path

    def __post_init__(self) -> None:
        self.write("server", SERVER)
        self.write("ca", AUTHORITY.issued)

    def write(self, name: str, issued: Issued) -> tuple[Path, Path]:
        certificate, key = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        for path, content in (
            (certificate, issued.certificate),
            (key, issued.key.get_secret_value().encode()),
        ):
            part = path.with_suffix(".part")
            part.write_bytes(content)
            part.chmod(0o600)
            part.replace(path)
        return certificate, key

    def tls(self, *, clients: bool = False, required: bool = False) -> TlsFiles:
        return TlsFiles(
            certificate=self.directory / "server.pem",
            key=self.directory / "server.key",
            client_ca=self.directory / "ca.pem" if clients or required else None,
            require_client_certificate=required,
            dial_ca=self.directory / "ca.pem",
        )

    def client(self, issued: Issued | None = None) -> ssl.SSLContext:
        """What a peer has: our authority, and a certificate of its own."""
        context = ssl.create_default_context(cafile=self.directory / "ca.pem")
        if issued is not None:
            context.load_cert_chain(*self.write("peer", issued))
        return context


@dataclass
class Turned:
    """A clock that is turned by hand."""

    at: datetime = NOW
    monotonic: float = 0.0

    def utc(self) -> datetime:
        return self.at

    def now(self) -> float:
        return self.monotonic


class OfTheCore(SystemClock):
    """The wall clock by which the fake core signs."""

    def utc(self) -> datetime:
        return datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
async def start_tls(core: FakeCore, files: Files) -> AsyncIterator[StartTls]:
    """Starts a gateway that speaks TLS on loopback; closed at the end of the test."""
    async with AsyncExitStack() as stack:

        async def start(
            settings: GatewaySettings | None = None,
            peers: tuple[PeerProfile, ...] = (),
            tls: TlsFiles | None = None,
            listen: tuple[tuple[str, int], ...] = (),
        ) -> Gateway:
            gateway = Gateway(
                core,
                peers,
                listen,
                settings or GatewaySettings(),
                SystemClock(),
                listen_tls=[("127.0.0.1", 0)],
                tls=tls or files.tls(),
            )
            await gateway.start()
            stack.push_async_callback(gateway.close)
            return gateway

        yield start


@pytest.fixture
async def connect_tls(files: Files) -> AsyncIterator[ConnectTls]:
    """Connects by TLS; closed at the end of the test, before the gateway."""
    async with AsyncExitStack() as stack:

        async def connect(gateway: Gateway, issued: Issued | None = None) -> Far:
            host, port = gateway.secure_addresses[0]
            streams = await asyncio.open_connection(host, port, ssl=files.client(issued))
            far = Far(*streams)
            stack.push_async_callback(far.close)
            return far

        yield connect


@pytest.fixture
async def connect_plainly() -> AsyncIterator[ConnectPlainly]:
    """Connects without TLS to any address; closed at the end of the test."""
    async with AsyncExitStack() as stack:

        async def connect(address: tuple[str, int]) -> Far:
            far = await Far.connect(address)
            stack.push_async_callback(far.close)
            return far

        yield connect


# --- the way in ----------------------------------------------------------------------------------
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


# --- refused -------------------------------------------------------------------------------------
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


# --- client certificates -------------------------------------------------------------------------
async def test_the_right_certificate_comes_in(
    start_tls: StartTls, connect_tls: ConnectTls, files: Files, core: FakeCore
) -> None:
    peer = PeerProfile(id="platform", role=Role.PLATFORM, require_certificate=True)
    gateway = await start_tls(tls=files.tls(clients=True), peers=(peer,))
    far = await connect_tls(gateway, AUTHORITY.client("platform"))
    await far.register(190, "platform")


async def test_a_certificate_for_another_peer_is_refused_though_the_secret_is_right(
    start_tls: StartTls, connect_tls: ConnectTls, files: Files, core: FakeCore
) -> None:
    peers = (PeerProfile(id="platform", role=Role.PLATFORM),)
    gateway = await start_tls(tls=files.tls(clients=True), peers=peers)
    far = await connect_tls(gateway, AUTHORITY.client("app"))
    await far.send(registration(190, "platform"))
    answer = await far.message()
    assert answer.attrib["Result"] == "201"
    assert "certificate" not in answer.attrib.get("Detail", "")
    assert await far.ended() == b""
    assert core.registering == 0
    await core.until(lambda: core.notes)
    assert (core.notes[0].kind, core.notes[0].result) == (EntryKind.STRANGER, 201)
    assert "is for app, not for 'platform'" in core.notes[0].detail


async def test_a_certificate_for_another_peer_is_refused_for_a_legacy_peer_too(
    start_tls: StartTls, connect_tls: ConnectTls, files: Files, core: FakeCore
) -> None:
    peer = PeerProfile(id="platform", role=Role.PLATFORM, dialect=LEGACY, address="127.0.0.1")
    gateway = await start_tls(tls=files.tls(clients=True), peers=(peer,))
    far = await connect_tls(gateway, AUTHORITY.client("app"))
    await far.send(incoming("1"))
    assert await far.ended() == b""
    assert core.live == {}


async def test_certificates_are_optional_where_they_are_not_required(
    start_tls: StartTls, connect_tls: ConnectTls, files: Files, core: FakeCore
) -> None:
    peers = (
        PeerProfile(id="platform", role=Role.PLATFORM, require_certificate=True),
        PeerProfile(id="app", role=Role.APPLICATION),
    )
    gateway = await start_tls(tls=files.tls(clients=True), peers=peers)
    await (await connect_tls(gateway)).register(290, "app")
    far = await connect_tls(gateway)
    await far.send(registration(190, "platform"))
    assert await far.result() == ("r1", Result.BAD_CREDENTIALS)


async def speak(gateway: Gateway, connect_tls: ConnectTls, issued: Issued | None) -> None:
    """Register; in TLS 1.3 a client learns of a refusal with the first thing that it reads."""
    far = await connect_tls(gateway, issued)
    await far.send(registration(190, "platform"))
    await far.message()


@pytest.mark.parametrize("issued", [None, STRANGE_AUTHORITY.client("platform")])
async def test_no_certificate_of_our_authority_no_connection_where_it_is_required(
    start_tls: StartTls,
    connect_tls: ConnectTls,
    files: Files,
    core: FakeCore,
    issued: Issued | None,
) -> None:
    gateway = await start_tls(tls=files.tls(required=True))
    with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
        await speak(gateway, connect_tls, issued)
    await core.until(lambda: core.notes)
    assert core.notes[0].kind is EntryKind.STRANGER
    assert "certificate" in core.notes[0].detail.lower()
    assert core.registering == 0


async def test_an_expired_client_certificate_is_refused(
    start_tls: StartTls, connect_tls: ConnectTls, files: Files, core: FakeCore
) -> None:
    gateway = await start_tls(tls=files.tls(required=True))
    old = AUTHORITY.client("platform", until=NOW - timedelta(minutes=1))
    with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
        await speak(gateway, connect_tls, old)
    await core.until(lambda: core.notes)
    assert "expired" in core.notes[0].detail


def test_a_certificate_names_peers_by_common_name_and_uri() -> None:
    shown = {
        "subject": ((("countryName", "CN"),), (("commonName", "desk"),)),
        "subjectAltName": (("DNS", "host"), ("URI", "desk2"), ("IP Address", "10.0.0.1")),
    }
    assert certificate_names(shown) == frozenset({"desk", "desk2"})
    assert certificate_names({"subject": ()}) == frozenset()
    assert certificate_names({}) is None
    assert certificate_names(None) is None


# --- dialled -------------------------------------------------------------------------------------
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


# --- the files -----------------------------------------------------------------------------------
def tls_of(files: Files, clock: Turned | None = None) -> Tls:
    return Tls(files.tls(clients=True), clock or Turned())


def test_a_missing_certificate_is_named_with_the_remedy(files: Files) -> None:
    (files.directory / "server.pem").unlink()
    with pytest.raises(ListenError, match=r"^tls.certificate: .*server.pem: no such file: .*init"):
        tls_of(files)


def test_an_unreadable_key_is_named(files: Files) -> None:
    (files.directory / "server.key").chmod(0)
    problem = r"^tls.key: .*server.key: cannot be read: Permission"
    with without_override(), pytest.raises(ListenError, match=problem):
        tls_of(files)


def test_a_directory_is_no_certificate(files: Files) -> None:
    (files.directory / "ca.pem").unlink()
    (files.directory / "ca.pem").mkdir()
    with pytest.raises(ListenError, match=r"^tls.client_ca: .*cannot be read: Is a directory"):
        tls_of(files)


def test_an_expired_certificate_is_named_with_its_day(files: Files) -> None:
    files.write("server", AUTHORITY.server(["localhost"], until=NOW - timedelta(days=3)))
    day = f"{NOW - timedelta(days=3):%Y-%m-%d}"
    with pytest.raises(ListenError, match=rf"^tls.certificate: .*: expired on {day}: renew it$"):
        tls_of(files)


def test_a_certificate_of_tomorrow_is_named(files: Files) -> None:
    with pytest.raises(ListenError, match=r"valid only from .* set the clock"):
        tls_of(files, Turned(at=NOW - timedelta(days=1)))


def test_a_certificate_that_expires_soon_is_a_warning(
    files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    files.write("server", AUTHORITY.server(["localhost"], until=NOW + timedelta(days=3)))
    tls_of(files)
    assert "tls.certificate" in caplog.text
    assert "expires on" in caplog.text


def test_a_key_that_everybody_may_read_is_a_warning(
    files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    (files.directory / "server.key").chmod(0o644)
    tls_of(files)
    assert "everybody can read it" in caplog.text


def test_the_key_of_another_certificate_is_named(files: Files) -> None:
    other = AUTHORITY.server(["localhost"])
    files.write("server", Issued(SERVER.certificate, other.key))
    with pytest.raises(ListenError, match=r"^tls.key: .*server.key: is not the key of .*pem"):
        tls_of(files)


def test_an_encrypted_key_is_named_and_nobody_is_asked(files: Files) -> None:
    from cryptography.hazmat.primitives import serialization as s

    key = s.load_pem_private_key(SERVER.key.get_secret_value().encode(), None)
    locked = key.private_bytes(
        s.Encoding.PEM, s.PrivateFormat.PKCS8, s.BestAvailableEncryption(b"a passphrase")
    )
    files.write("server", Issued(SERVER.certificate, Secret(locked.decode())))
    with pytest.raises(ListenError, match=r"^tls.key: .*: is encrypted"):
        tls_of(files)


@pytest.mark.parametrize("name", ["certificate", "key", "client_ca"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe rubbish",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
    ],
)
def test_rubbish_is_named(files: Files, name: str, content: bytes) -> None:
    path = files.tls(clients=True).paths()[name]
    path.write_bytes(content)
    with pytest.raises(ListenError, match=rf"^tls.{name}: {path}") as caught:
        tls_of(files)
    assert "\n" not in str(caught.value)


EXPIRED = AUTHORITY.server(["localhost"], until=NOW - timedelta(days=3))


def spoil_certificate(files: Files) -> None:
    files.write("server", EXPIRED)


def spoil_key(files: Files) -> None:
    (files.directory / "server.key").write_text("no key")


def lose_certificate(files: Files) -> None:
    (files.directory / "server.pem").unlink()


def lose_authority(files: Files) -> None:
    (files.directory / "ca.pem").unlink()


SPOILED = {
    "expired": (spoil_certificate, "expired on"),
    "another key": (spoil_key, "no private key"),
    "no certificate": (lose_certificate, "no such file"),
    "no authority": (lose_authority, "no such file"),
}


class Looks:
    """The pauses between two looks at the certificate, each ended by the test."""

    def __init__(self) -> None:
        self._next = asyncio.Semaphore(0)
        self._count = 0
        self._asked = asyncio.Condition()

    async def sleep(self, _seconds: float) -> None:
        async with self._asked:
            self._count += 1
            self._asked.notify_all()
        await self._next.acquire()

    async def asked(self, count: int) -> None:
        """So many pauses have begun."""
        async with asyncio.timeout(30), self._asked:
            await self._asked.wait_for(lambda: self._count >= count)

    def look(self) -> None:
        self._next.release()


@pytest.mark.parametrize(("spoil", "problem"), SPOILED.values(), ids=list(SPOILED))
async def test_what_is_wrong_with_tls_keeps_nothing_else_down_and_is_taken_up_when_mended(
    core: FakeCore, files: Files, spoil: Callable[[Files], None], problem: str
) -> None:
    spoil(files)
    looks = Looks()
    gateway = Gateway(
        core,
        [],
        [("127.0.0.1", 0)],
        GatewaySettings(),
        SystemClock(),
        listen_tls=[("127.0.0.1", 0)],
        tls=files.tls(clients=True),
        sleep=looks.sleep,
    )
    await gateway.start()
    try:
        far = await Far.connect(gateway.addresses[0])
        await far.register(190, "platform")
        assert gateway.secure_addresses == []
        await core.until(lambda: core.notes)
        assert core.kinds() == [EntryKind.ALARM]
        assert problem in core.notes[0].detail
        looks.look()
        files.write("server", SERVER)
        files.write("ca", AUTHORITY.issued)
        looks.look()
        await core.until(lambda: EntryKind.ALARM_CLEARED in core.kinds())
        assert core.kinds() == [EntryKind.ALARM, EntryKind.ALARM_CLEARED], "each is said once"
        secure = Far(
            *await asyncio.open_connection(*gateway.secure_addresses[0], ssl=files.client())
        )
        await secure.register(290, "app")
        await secure.close()
        await far.close()
    finally:
        await gateway.close()


async def test_an_alarm_that_nobody_took_is_told_again(core: FakeCore, files: Files) -> None:
    spoil_certificate(files)
    looks = Looks()
    core.fail_notes = OSError("no core is there")
    gateway = Gateway(
        core,
        [],
        [("127.0.0.1", 0)],
        GatewaySettings(),
        SystemClock(),
        listen_tls=[("127.0.0.1", 0)],
        tls=files.tls(),
        sleep=looks.sleep,
    )
    await gateway.start()
    looks.look()
    await looks.asked(2)
    core.fail_notes = None
    core.notes.clear()
    looks.look()
    await core.until(lambda: core.notes)
    assert core.kinds() == [EntryKind.ALARM]
    await gateway.close()


async def test_a_certificate_that_expires_while_it_is_shown_is_told(
    core: FakeCore, files: Files
) -> None:
    clock, looks = Turned(), Looks()
    gateway = Gateway(
        core,
        [],
        [],
        GatewaySettings(),
        clock,
        listen_tls=[("127.0.0.1", 0)],
        tls=files.tls(),
        sleep=looks.sleep,
    )
    await gateway.start()
    clock.at = NOW + timedelta(days=10_000)
    looks.look()
    await core.until(lambda: core.notes)
    assert core.kinds() == [EntryKind.ALARM]
    assert "expired on" in core.notes[0].detail
    await gateway.close()


@pytest.mark.parametrize("beside", [False, True])
async def test_where_there_is_nothing_else_to_serve_a_bad_certificate_is_an_error(
    core: FakeCore, files: Files, *, beside: bool
) -> None:
    files.write("server", EXPIRED)
    gateway = Gateway(
        core,
        [],
        [],
        GatewaySettings(),
        SystemClock(),
        listen_tls=[("127.0.0.1", 0)],
        tls=files.tls(),
        beside=beside,
    )
    if beside:
        await gateway.start()
        await gateway.close()
    else:
        with pytest.raises(ListenError, match="expired"):
            await gateway.start()


async def test_a_tls_port_in_use_is_named(core: FakeCore, files: Files) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = taken.getsockname()
        gateway = Gateway(
            core, [], [], GatewaySettings(), SystemClock(), listen_tls=[address], tls=files.tls()
        )
        with pytest.raises(ListenError, match=f"127.0.0.1:{address[1]}.*another program"):
            await gateway.start()


def test_a_renewed_certificate_is_taken_up_without_a_restart(files: Files) -> None:
    clock = Turned()
    tls = tls_of(files, clock)
    before = tls.server()
    files.write("server", AUTHORITY.server(["localhost"]))
    assert tls.server() is before  # it is not looked at for every connection
    clock.monotonic += LOOK_EVERY_S
    renewed = tls.server()
    assert renewed is not before
    clock.monotonic += LOOK_EVERY_S
    assert tls.server() is renewed
    assert tls.client() is not None


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"half a c")])
def test_a_renewal_that_went_wrong_leaves_the_old_certificate_in_use(
    files: Files, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], object]
) -> None:
    clock = Turned()
    tls = tls_of(files, clock)
    before = tls.server()
    spoil(files.directory / "server.pem")
    clock.monotonic += LOOK_EVERY_S
    assert tls.server() is before
    assert "stays in use" in caplog.text
    clock.monotonic += LOOK_EVERY_S
    caplog.clear()
    assert tls.server() is before
    assert caplog.text == ""  # said once, not for every connection
    files.write("server", AUTHORITY.server(["localhost"]))
    clock.monotonic += LOOK_EVERY_S
    assert tls.server() is not before


async def test_a_renewed_certificate_is_shown_to_the_next_who_connects(
    start_tls: StartTls, core: FakeCore, files: Files
) -> None:
    clock = Turned(monotonic=SystemClock().now())
    gateway = Gateway(
        core,
        [],
        [],
        GatewaySettings(),
        clock,
        listen_tls=[("127.0.0.1", 0)],
        tls=files.tls(),
    )
    await gateway.start()
    shown = []
    for _ in range(2):
        streams = await asyncio.open_connection(*gateway.secure_addresses[0], ssl=files.client())
        shown.append(streams[1].get_extra_info("ssl_object").getpeercert(binary_form=True))
        await Far(*streams).close()
        files.write("server", AUTHORITY.server(["localhost", "127.0.0.1"]))
        clock.monotonic += LOOK_EVERY_S
    assert shown[0] != shown[1]
    await gateway.close()


# --- reading how long a certificate is valid -----------------------------------------------------
@pytest.mark.parametrize(
    "until", [datetime(2049, 12, 31, tzinfo=UTC), datetime(2051, 1, 2, tzinfo=UTC)]
)
def test_the_validity_is_read_in_both_forms(until: datetime) -> None:
    issued = AUTHORITY.server(["localhost"], until=until)
    validity = read_validity("a comment before it\n" + issued.certificate.decode())
    since = NOW.replace(microsecond=0) - timedelta(hours=1)
    assert validity == Validity(since, until)


DER = ssl.PEM_cert_to_DER_cert(SERVER.certificate.decode())


@given(st.integers(0, len(DER) - 1), st.integers(0, 255), st.integers(0, len(DER)))
def test_a_damaged_certificate_is_a_value_error_and_nothing_else(
    at: int, byte: int, length: int
) -> None:
    damaged = bytearray(DER)
    damaged[at] = byte
    try:
        validity = read_validity(ssl.DER_cert_to_PEM_cert(bytes(damaged[:length])))
    except ValueError:
        return
    assert validity.since.tzinfo is UTC
