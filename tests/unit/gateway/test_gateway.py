from __future__ import annotations

import asyncio
import errno
import socket
from dataclasses import replace
from ipaddress import ip_network

import pytest

from gateway import Gateway, GatewaySettings, ListenError
from gateway.hosts import format_address, plain_host
from gateway.listener import explain
from linkage.clock import SystemClock
from linkage.ports import SHUT_OUT, PeerProfile
from protocol.dialect import LEGACY
from protocol.results import Result
from protocol.roles import Role
from tests.fakes.core import FakeCore
from tests.fakes.far_socket import Far, incoming, registration
from tests.unit.gateway.conftest import Connect, Start

PLATFORM = PeerProfile(id="platform", role=Role.PLATFORM)


def gateway_on(core: FakeCore, *listen: tuple[str, int]) -> Gateway:
    return Gateway(core, [], listen, GatewaySettings(), SystemClock())


async def test_port_0_is_given_a_real_one(start: Start) -> None:
    gateway = await start()
    ((host, port),) = gateway.addresses
    assert host == "127.0.0.1"
    assert port > 0


async def test_a_port_in_use_is_named_with_the_remedy_and_nothing_stays_open(
    core: FakeCore,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = taken.getsockname()
        with socket.create_server(("127.0.0.1", 0)) as probe:
            free = probe.getsockname()
        gateway = gateway_on(core, free, address)
        with pytest.raises(ListenError, match=f"127.0.0.1:{address[1]}.*another port in `listen`"):
            await gateway.start()
    with pytest.raises(OSError, match="onnect"):
        await asyncio.open_connection(*free)


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
async def test_all_of_ipv6_is_nothing_of_ipv4_and_is_said_so(
    core: FakeCore, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = gateway_on(core, ("::", 0))
    with caplog.at_level("INFO"):
        await gateway.start()
    ((_, port),) = gateway.addresses
    assert (
        f'listening on [::]:{port}; of IPv6 only: "0.0.0.0:{port}" is all of IPv4' in caplog.text
    )
    with pytest.raises(OSError, match="onnect"):
        await asyncio.open_connection("127.0.0.1", port)
    far = await Far.connect(("::1", port))
    await far.register(190, "platform")
    await far.close()
    await gateway.close()


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
async def test_an_address_that_is_not_ours_is_named(core: FakeCore, host: str) -> None:
    with pytest.raises(ListenError, match=f"cannot listen on {host}:7700.*`listen`"):
        await gateway_on(core, (host, 7700)).start()


async def test_closing_answers_what_is_in_work_and_says_why(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    gateway = await start()
    far = await connect(gateway)
    await far.register(190, "platform")
    core.gate = asyncio.Event()
    await far.send(incoming("1"))
    await core.until(lambda: core.started)
    closing = asyncio.get_running_loop().create_task(gateway.close("going home"))
    await asyncio.sleep(0)
    core.gate.set()
    assert await far.result() == ("1", 0)
    farewell = await far.message()
    assert (farewell.attrib["Type"], farewell.findtext("Reason")) == ("299", "going home")
    assert await far.ended() == b""
    await closing
    assert gateway.connections == 0
    assert core.ends[0][1] == "going home"


async def test_closing_waits_for_answers_and_takes_nothing_new_meanwhile(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    gateway = await start()
    far = await connect(gateway)
    await far.register(190, "platform")
    core.gate = asyncio.Event()
    await far.send(incoming("1"))
    await core.until(lambda: core.started)
    closing = asyncio.get_running_loop().create_task(gateway.close("going home"))
    await asyncio.sleep(0.05)
    await far.send(incoming("2"))
    await asyncio.sleep(0.05)
    assert not closing.done()
    assert [request.id for request in core.started] == ["1"]
    core.gate.set()
    assert await far.result() == ("1", 0)
    assert (await far.message()).attrib["Type"] == "299"
    await closing


async def test_closing_ends_in_bounded_time_though_the_core_hangs(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    settings = GatewaySettings(drain_within_s=0.02, close_within_s=0.02)
    gateway = await start(settings)
    far = await connect(gateway)
    await far.register(190, "platform")
    core.gate = asyncio.Event()
    await far.send(incoming("1"))
    await core.until(lambda: core.started)
    async with asyncio.timeout(30):
        await gateway.close()
    assert core.submitted == []
    assert gateway.connections == 0


async def test_a_closed_gateway_lets_nobody_in(start: Start) -> None:
    gateway = await start()
    address = gateway.addresses[0]
    await gateway.close()
    with pytest.raises(OSError, match="onnect"):
        await Far.connect(address)


async def test_closing_twice_is_harmless(start: Start) -> None:
    gateway = await start()
    await gateway.close()
    await gateway.close()


async def test_the_sockets_of_sessions_are_tuned(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    far = await connect(await start())
    await far.register(190, "platform")
    transport = core.live["platform"]._io._transport._stream  # type: ignore[attr-defined]  # a Link has no socket, a session has
    sock = transport.get_extra_info("socket")
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("fe80::1%eth0", "fe80::1"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("platform.example", "platform.example"),
    ],
)
def test_hosts_are_compared_in_one_form(written: str, plain: str) -> None:
    assert plain_host(written) == plain


def test_addresses_are_written_as_people_do() -> None:
    assert format_address(("10.1.2.3", 40112)) == "10.1.2.3:40112"
    assert format_address(("::1", 40112, 0, 0)) == "[::1]:40112"
    assert format_address(None) == "unknown"


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (OSError(errno.EACCES, "denied"), "a port above 1023"),
        (OSError(errno.EADDRNOTAVAIL, "none"), "no such address"),
        (OSError(errno.ENOBUFS, "No buffer space"), "No buffer space"),
    ],
)
def test_every_reason_not_to_listen_is_told(error: OSError, remedy: str) -> None:
    line = explain("10.1.2.3", 7700, error)
    assert line.startswith("cannot listen on 10.1.2.3:7700: ")
    assert remedy in line


async def test_a_gateway_that_cannot_start_closes_whoever_was_faster(core: FakeCore) -> None:
    """The plain listener is bound before TLS is: somebody may be connected already."""
    gateway = gateway_on(core, ("127.0.0.1", 0))
    fars: list[Far] = []

    async def fail(*, must: bool) -> None:
        far = await Far.connect(gateway.addresses[0])
        await far.register(190, "platform")
        fars.append(far)
        raise ListenError("cannot listen on 127.0.0.1:7701")

    gateway._listen_tls = (("127.0.0.1", 0),)
    gateway._tls_watch.start = fail  # type: ignore[method-assign]  # what another program at the port does
    with pytest.raises(ListenError):
        await gateway.start()
    assert await fars[0].ended() != b""  # 299
    assert gateway.connections == 0
    assert core.ends
    await fars[0].close()


async def test_a_peer_that_is_shut_out_while_it_registers_does_not_stay(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    gateway = await start(peers=(PLATFORM,))
    far = await connect(gateway)
    core.register_gate = asyncio.Event()
    await far.send(registration(190, "platform"))
    await core.until(lambda: core.registering)
    gateway.take_up([], [])
    core.register_gate.set()
    assert await far.result() == ("r1", 0)
    farewell = await far.message()
    assert (farewell.attrib["Type"], farewell.findtext("Reason")) == ("299", SHUT_OUT)
    assert await far.ended() == b""


async def test_who_connected_before_the_rules_changed_does_not_register_by_the_old_ones(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    legacy = replace(PLATFORM, address="127.0.0.1", dialect=LEGACY)
    app = PeerProfile(id="app", role=Role.APPLICATION)
    gateway = await start(GatewaySettings(legacy_grace_s=30), peers=(legacy, app))
    far = await connect(gateway)
    while not gateway.connections:  # noqa: ASYNC110 - of the loop
        await asyncio.sleep(0)
    gateway.take_up([legacy, app], [ip_network("10.0.0.0/8")])
    await far.send(registration(290, "app"))
    assert await far.result() == ("r1", Result.BAD_CREDENTIALS)
    assert await far.ended() == b""
    assert core.registering == 0
