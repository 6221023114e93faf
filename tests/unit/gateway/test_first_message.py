from __future__ import annotations

import logging

import pytest

from gateway import GatewaySettings
from linkage.ports import PeerProfile
from protocol.dialect import LEGACY
from protocol.envelope import Request
from protocol.messages import CallDirection, IncomingCallNotice
from protocol.roles import Role
from tests.fakes.core import FakeCore
from tests.fakes.far_socket import HEARTBEAT, frame, incoming, request
from tests.unit.gateway.conftest import Connect, Start

OLD_PLATFORM = PeerProfile(id="platform", role=Role.PLATFORM, dialect=LEGACY, address="127.0.0.1")
OLD_APP = PeerProfile(id="app", role=Role.APPLICATION, dialect=LEGACY, address="localhost")
PATIENT = GatewaySettings(legacy_grace_s=60)
HASTY = GatewaySettings(legacy_grace_s=0.02)


async def test_a_legacy_peer_is_known_by_its_first_message(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    far = await connect(await start(PATIENT, (OLD_PLATFORM,)))
    await far.send(HEARTBEAT + incoming("1") + incoming("2"))
    root = await far.message()
    assert root.attrib == {"RequestId": "1", "Type": "100", "Result": "0"}
    assert await far.result() == ("2", 0)
    assert core.begun == [core.live["platform"]]


async def test_a_legacy_peer_that_only_listens_is_known_by_its_silence(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    far = await connect(await start(HASTY, (OLD_APP,)))
    await core.until(lambda: core.begun)
    message = IncomingCallNotice(call_id="c1", direction=CallDirection.IN, caller_name="Li")
    core.live["app"].push(Request(id="p1", message=message, seq=7))
    root = await far.message()
    assert root.attrib == {"Id": "p1", "Type": "100"}
    assert root.findtext("CallerName") is None


async def test_a_message_cut_in_two_by_the_grace_is_whole_in_the_end(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    far = await connect(await start(HASTY, (OLD_PLATFORM,)))
    await far.send(incoming("1")[:20])
    await core.until(lambda: core.begun)
    await far.send(incoming("1")[20:])
    assert await far.result() == ("1", 0)


async def test_who_registers_from_the_same_host_is_taken_for_what_he_says(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    gateway = await start(PATIENT, (OLD_PLATFORM,))
    registered, legacy = await connect(gateway), await connect(gateway)
    await registered.register(290, "app")
    await legacy.send(incoming("1"))
    assert await legacy.result() == ("1", 0)
    assert sorted(core.live) == ["app", "platform"]


@pytest.mark.parametrize(
    "rubbish", [frame("no xml"), frame("x", 0x99), frame("x" * 60_000, 0x03) * 4]
)
async def test_rubbish_from_a_legacy_host_is_that_peers_rubbish(
    start: Start, connect: Connect, core: FakeCore, rubbish: bytes
) -> None:
    far = await connect(await start(PATIENT, (OLD_PLATFORM,)))
    await far.send(rubbish)
    await core.until(lambda: core.begun or core.ends)
    await core.until(lambda: core.notes)
    assert core.started == []


async def test_a_legacy_peer_is_closed_without_words_that_it_does_not_know(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    far = await connect(await start(PATIENT, (OLD_PLATFORM,)))
    await far.send(incoming("1"))
    await far.result()
    core.live["platform"].close("replaced")
    assert await far.ended() == b""


async def test_the_wrong_direction_is_refused_to_a_legacy_peer_too(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    far = await connect(await start(PATIENT, (OLD_PLATFORM,)))
    await far.send(request(202, "1", "<CallId>c1</CallId>"))
    assert await far.result() == ("1", 106)
    assert core.started == []


async def test_two_legacy_peers_on_one_host_are_an_error_that_is_logged(
    start: Start, connect: Connect, core: FakeCore, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "linkage.gateway"):
        gateway = await start(PATIENT, (OLD_PLATFORM, OLD_APP))
    assert "'platform' and 'app' both have the address 127.0.0.1" in caplog.text
    far = await connect(gateway)
    await far.send(incoming("1"))
    assert await far.result() == ("1", 0)
    assert list(core.live) == ["platform"]


async def test_an_address_that_does_not_exist_is_logged_and_no_obstacle(
    start: Start, connect: Connect, core: FakeCore, caplog: pytest.LogCaptureFixture
) -> None:
    lost = PeerProfile(
        id="lost", role=Role.PLATFORM, dialect=LEGACY, address="no.such.host.invalid"
    )
    with caplog.at_level(logging.WARNING, "linkage.gateway"):
        gateway = await start(PATIENT, (lost,))
    assert "no.such.host.invalid" in caplog.text
    far = await connect(gateway)
    await far.register(190, "platform")


async def test_a_legacy_peer_that_the_core_does_not_know_is_closed(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    core.peers = ()
    far = await connect(await start(HASTY, (OLD_PLATFORM,)))
    assert await far.ended() == b""
    assert core.begun == []


async def test_who_leaves_before_it_is_clear_who_he_was_leaves_nothing(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    gateway = await start(PATIENT, (OLD_PLATFORM,))
    far = await connect(gateway)
    await far.send(incoming("1")[:10])
    far.writer.write_eof()
    assert await far.ended() == b""
    await (await connect(gateway)).register(290, "app")
    assert gateway.connections == 1
    assert list(core.live) == ["app"]


async def test_a_gateway_closes_also_whom_it_does_not_know_yet(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    gateway = await start(PATIENT, (OLD_PLATFORM,))
    far = await connect(gateway)
    await (await connect(gateway)).register(290, "app")  # so the one before is in as well
    assert gateway.connections == 2
    await gateway.close()
    assert await far.ended() == b""
