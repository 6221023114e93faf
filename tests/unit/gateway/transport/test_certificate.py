"""The files of TLS: what is wrong with them is named, and taken up when it is mended."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import Gateway, GatewaySettings, ListenError
from gateway.transport.certificate import Validity, read_validity
from gateway.transport.tls import LOOK_EVERY_S, Tls
from linkage.clock import SystemClock
from linkage.config.certificates import Issued
from linkage.config.secrets import Secret
from linkage.ports import EntryKind
from tests.fakes.certificates import (
    AUTHORITY,
    NOW,
    SERVER,
    Files,
    StartTls,
)
from tests.fakes.core import FakeCore
from tests.fakes.far_socket import Far
from tests.fakes.unprivileged import without_override


@dataclass
class Turned:
    """A clock that is turned by hand."""

    at: datetime = NOW
    monotonic: float = 0.0

    def utc(self) -> datetime:
        return self.at

    def now(self) -> float:
        return self.monotonic


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
    for _ in range(2):
        clock.monotonic += LOOK_EVERY_S
        assert tls.server() is before
        assert "stays in use" in (tls.problem() or "")
    assert caplog.text == ""  # said once, by who asks for it, not for every connection
    files.write("server", AUTHORITY.server(["localhost"]))
    clock.monotonic += LOOK_EVERY_S
    assert tls.server() is not before
    assert tls.problem() is None


def test_a_renewal_that_is_not_valid_yet_is_taken_up_when_it_is(files: Files) -> None:
    clock = Turned()
    tls = tls_of(files, clock)
    before = tls.server()
    clock.at = NOW - timedelta(days=300)
    files.write("server", AUTHORITY.server(["localhost"]))
    clock.monotonic += LOOK_EVERY_S
    assert "valid only from" in (tls.problem() or "")
    clock.at = NOW
    clock.monotonic += LOOK_EVERY_S
    assert tls.problem() is None
    assert tls.server() is not before


async def test_a_renewal_that_went_wrong_is_an_alarm_until_it_is_mended(
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
    (files.directory / "server.pem").write_bytes(b"half a c")
    clock.monotonic += LOOK_EVERY_S
    looks.look()
    await core.until(lambda: core.notes)
    assert core.kinds() == [EntryKind.ALARM]
    assert "the certificate from before stays in use" in core.notes[0].detail
    files.write("server", AUTHORITY.server(["localhost"]))
    clock.monotonic += LOOK_EVERY_S
    looks.look()
    await core.until(lambda: EntryKind.ALARM_CLEARED in core.kinds())
    assert core.kinds() == [EntryKind.ALARM, EntryKind.ALARM_CLEARED]
    await gateway.close()


def test_a_renewal_that_went_wrong_does_not_hide_the_end_of_the_certificate_in_use(
    files: Files,
) -> None:
    _, key = files.write("server", AUTHORITY.server(["localhost"], until=NOW + timedelta(days=30)))
    clock, secret = Turned(), key.read_bytes()
    tls = tls_of(files, clock)
    files.write("server", SERVER)
    key.write_bytes(secret)  # that of the certificate before
    clock.monotonic += LOOK_EVERY_S
    assert "stays in use" in (tls.problem() or "")
    clock.at += timedelta(days=31)
    assert "expired on" in (tls.problem() or "")


@without_override()
def test_a_renewed_certificate_that_may_be_read_only_now_is_taken_up(files: Files) -> None:
    clock = Turned()
    tls = tls_of(files, clock)
    before = tls.server()
    certificate, _ = files.write("server", AUTHORITY.server(["localhost"]))
    certificate.chmod(0)
    clock.monotonic += LOOK_EVERY_S
    assert tls.server() is before
    certificate.chmod(0o600)
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
