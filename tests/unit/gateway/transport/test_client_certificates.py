"""Certificates that name their peer."""

from __future__ import annotations

import ssl
from datetime import timedelta

import pytest

from gateway import Gateway
from gateway.authorization import certificate_names
from linkage.config.certificates import Issued
from linkage.ports import EntryKind, PeerProfile
from protocol.dialect import LEGACY
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
from tests.fakes.core import FakeCore
from tests.fakes.far_socket import incoming, registration


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
