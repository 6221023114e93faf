"""An Asterisk behind HTTPS: verified by an authority of one's own."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.asterisk.client import AriClient
from adapters.asterisk.settings import Settings
from linkage.config.adapters import read_settings
from linkage.config.certificates import Authority, Issued
from linkage.ports import AdapterUnavailableError
from tests.fakes.asterisk import FakeAsterisk

AUTHORITY = Authority("authority of the tests", datetime.now(UTC))  # noqa: TID251 - OpenSSL looks at the machine's clock
STRANGE = Authority("another authority", datetime.now(UTC))  # noqa: TID251 - the same


def write(folder: Path, name: str, issued: Issued) -> tuple[Path, Path]:
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    certificate.write_bytes(issued.certificate)
    key.write_text(issued.key.get_secret_value())
    return certificate, key


@pytest.fixture
async def asterisk(tmp_path: Path) -> AsyncIterator[FakeAsterisk]:
    """One that wants a client certificate of ours, and shows one of ours."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*write(tmp_path, "server", AUTHORITY.server(["127.0.0.1"])))
    ca, _ = write(tmp_path, "ca", AUTHORITY.issued)
    context.load_verify_locations(ca)
    context.verify_mode = ssl.CERT_OPTIONAL
    async with FakeAsterisk(tls=context) as made:
        yield made


async def test_an_asterisk_of_ones_own_authority_is_spoken_to(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    write(tmp_path, "linkage", AUTHORITY.client("linkage"))
    files = {"ca": "ca.pem", "certificate": "linkage.pem", "key": "linkage.key"}
    settings = read_settings(Settings, "pbx", asterisk.settings(**files), tmp_path)
    async with AriClient(settings) as ari:
        await ari.connect()
        assert "status" in await ari.request("GET", "/asterisk/info")


@pytest.mark.parametrize("known", [None, STRANGE])
async def test_an_asterisk_that_cannot_be_trusted_is_not_told_the_password(
    asterisk: FakeAsterisk, tmp_path: Path, known: Authority | None
) -> None:
    ca = {}
    if known is not None:
        write(tmp_path, "strange", known.issued)
        ca = {"ca": "strange.pem"}
    async with AriClient(read_settings(Settings, "pbx", asterisk.settings(**ca), tmp_path)) as ari:
        with pytest.raises(AdapterUnavailableError, match=r"cannot be trusted: .*settings\.ca"):
            await ari.connect()
    assert asterisk.requests == []


async def test_a_file_that_cannot_be_used_is_named_and_may_be_mended(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    settings = read_settings(Settings, "pbx", asterisk.settings(ca="later.pem"), tmp_path)
    with pytest.raises(
        AdapterUnavailableError, match=r"settings\.ca .*later\.pem: cannot be used"
    ):
        await AriClient(settings).__aenter__()
    write(tmp_path, "later", AUTHORITY.issued)
    async with AriClient(settings) as ari:
        await ari.connect()
