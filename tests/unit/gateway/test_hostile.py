from __future__ import annotations

import asyncio
import logging
import socket
import struct

import pytest

from gateway import Gateway, GatewaySettings
from gateway.peer_journal import PEER_EACH, RAW_MAX
from linkage.ports import EntryKind, LinkPort, PeerProfile, Rate
from protocol.dialect import Dialect
from protocol.envelope import Request
from protocol.events import Timers
from protocol.messages import VendorNotice
from protocol.results import Result
from protocol.roles import Role
from tests.fakes.core import FakeCore
from tests.fakes.far_socket import (
    HEARTBEAT,
    Far,
    frame,
    incoming,
    registration,
    request,
    response,
)
from tests.unit.gateway.conftest import Connect, Start

SOON = GatewaySettings(timers=Timers(register_within_s=0.1))


async def test_a_stranger_is_answered_200_and_journalled(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    far = await connect(await start())
    await far.send(incoming("1"))
    assert await far.result() == ("1", Result.NOT_REGISTERED)
    await core.until(lambda: core.notes)
    assert core.kinds() == [EntryKind.STRANGER]
    assert b'Id="1"' in core.notes[0].raw
    assert core.started == []


async def test_a_stranger_that_goes_on_talking_is_put_out(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    far = await connect(await start(GatewaySettings(refusals_before_registration=3)))
    await far.send(incoming("1") * 50)
    for _ in range(3):
        assert (await far.result())[1] == Result.NOT_REGISTERED
    assert await far.ended() == b""
    await core.until(lambda: len(core.notes) == 3)


@pytest.mark.parametrize("drip", [b"\x02\0\0\0", b"\x01\x00\xff\xff<requ", b""])
async def test_who_does_not_register_in_time_is_put_out(
    start: Start, connect: Connect, core: FakeCore, drip: bytes
) -> None:
    far = await connect(await start(SOON))
    await far.send(drip)
    assert await far.ended() == b""
    await core.until(lambda: core.ends)
    assert "not registered" in core.ends[0][1]


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "HTTP request"),
        (b"\x16\x03\x01\x02\x00\x01", "tls = true"),
        (b"PROXY TCP4 10.0.0.1 10.0.0.2 4000 7700\r\n", "send-proxy"),
        (b'<request Id="1" Type="290"/>', "XML without a header"),
    ],
)
async def test_what_is_no_stream_of_ours_is_ended_at_once_and_named_in_the_log(
    start: Start,
    connect: Connect,
    core: FakeCore,
    caplog: pytest.LogCaptureFixture,
    data: bytes,
    what: str,
) -> None:
    far = await connect(await start())
    await far.send(data)
    assert await far.ended() == b""
    await core.until(lambda: core.notes)
    assert what in core.notes[0].detail
    assert what in caplog.text


async def test_who_speaks_a_peers_dialect_from_nowhere_is_taken_for_that_peer_in_the_log(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    own = Dialect(flag_message=0x10)
    peers = (
        PeerProfile(id="old", role=Role.PLATFORM, dialect=own),
        PeerProfile(id="new", role=Role.PLATFORM),
    )
    far = await connect(await start(peers=peers))
    await far.send(frame('<request Id="1" Type="190"/>', flag=0x10))
    assert await far.ended() == b""
    await core.until(lambda: core.notes)
    assert "flag_message = 16 in [peer.dialect]" in core.notes[0].detail
    assert "so speaks old: write its `address`" in core.notes[0].detail


async def test_a_connection_that_is_only_opened_and_closed_is_counted_and_not_told(
    start: Start, connect: Connect, core: FakeCore, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = await start()
    with caplog.at_level(logging.INFO):
        caplog.clear()
        await (await connect(gateway)).close()
        (await connect(gateway)).reset()
        await core.until(lambda: len(core.ends) == 2)
        assert caplog.messages == []
        talker = await connect(gateway)
        await talker.send(HEARTBEAT)
        await talker.close()
        await core.until(lambda: len(core.ends) == 3)
    assert len(caplog.messages) == 1
    assert gateway.figures.probes == 2
    assert core.notes == []


async def test_wrong_fields_are_refused_without_end_and_journalled_with_one(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    gateway = await start()
    far = await connect(gateway)
    await far.register(190, "platform")
    sending = asyncio.get_running_loop().create_task(far.send(request(100, "1") * (PEER_EACH + 9)))
    for _ in range(PEER_EACH + 9):
        assert await far.result() == ("1", Result.MISSING_FIELD)
    await sending
    await far.send(incoming("2"))
    assert await far.result() == ("2", 0)
    await gateway.close()
    assert len(core.notes) == PEER_EACH + 1
    assert "9 more like it from platform" in core.notes[-1].detail


async def test_refused_messages_cost_what_good_ones_do(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    slow = PeerProfile(id="platform", role=Role.PLATFORM, requests=Rate(per_s=0.001, burst=3))
    far = await connect(await start(peers=(slow,)))
    await far.register(190, "platform")
    await far.send(request(100, "1") * 3 + incoming("2"))
    for _ in range(3):
        assert (await far.result())[1] == Result.MISSING_FIELD
    assert await far.result() == ("2", Result.RATE_LIMITED)


async def test_a_stranger_with_nothing_but_wrong_messages_is_put_out(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    far = await connect(await start(GatewaySettings(refusals_before_registration=3)))
    await far.send(request(190, "1") + frame("<request/>") + request(100, "2") + request(190, "3"))
    assert await far.result() == ("1", Result.MISSING_FIELD)
    assert await far.result() == ("", Result.MISSING_FIELD)
    assert await far.result() == ("2", Result.NOT_REGISTERED)
    assert await far.ended() == b""


async def test_heartbeats_do_not_buy_a_stranger_time(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    far = await connect(await start(SOON))
    await far.send(HEARTBEAT * 1000)
    assert await far.ended() == b""


@pytest.mark.parametrize(
    "payload",
    [
        "<request Id='1' Type='100'>",
        "not xml at all",
        "<!DOCTYPE r [<!ENTITY a 'b'>]><request Id='1' Type='100'>&a;</request>",
        "<other/>",
        b"\xff\xfe\x00",
        "",
    ],
)
async def test_the_third_malformed_message_ends_the_connection(
    start: Start, connect: Connect, core: FakeCore, payload: str | bytes
) -> None:
    far = await connect(await start())
    await far.register(190, "platform")
    await far.send(frame(payload) * 10 + incoming("1"))
    await far.ended()
    await core.until(lambda: len(core.notes) == 3)
    assert core.kinds() == [EntryKind.MALFORMED] * 3
    assert core.started == []


async def test_an_unknown_flag_is_malformed_and_the_next_message_still_counts(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    far = await connect(await start())
    await far.register(190, "platform")
    await far.send(frame("rubbish", flag=0x7F) + incoming("1"))
    assert await far.result() == ("1", 0)
    assert core.notes[0].kind is EntryKind.MALFORMED


async def test_an_unknown_type_is_answered_101(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    far = await connect(await start())
    await far.register(190, "platform")
    await far.send(request(999, "1"))
    assert await far.result() == ("1", Result.UNKNOWN_TYPE)
    await core.until(lambda: core.notes)
    assert core.notes[0].result == Result.UNKNOWN_TYPE


@pytest.mark.parametrize("peers", [(), (PeerProfile(id="platform", role=Role.PLATFORM),)])
async def test_a_message_over_the_limit_ends_the_connection_before_it_is_stored(
    start: Start, connect: Connect, core: FakeCore, peers: tuple[PeerProfile, ...]
) -> None:
    far = await connect(await start(GatewaySettings(message_bytes=1024), peers))
    await far.register(190, "platform")
    await far.send(struct.pack(">BBH", 0x03, 0, 1000) + b"x" * 1000)
    await far.send(struct.pack(">BBH", 0x03, 0, 1000))
    await far.ended()
    await core.until(lambda: core.notes)
    assert core.notes[0].result == Result.TOO_LONG


async def test_the_journal_keeps_no_more_than_the_beginning_of_rubbish(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    far = await connect(await start())
    await far.send(frame("x" * 60_000))
    await core.until(lambda: core.notes)
    assert len(core.notes[0].raw) == RAW_MAX


async def test_half_a_frame_and_the_end_is_nothing(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    far = await connect(await start())
    await far.register(190, "platform")
    await far.send(incoming("1")[:-5])
    await far.close()
    await core.until(lambda: core.ends)
    assert "in the middle of a message" in core.ends[0][1]
    assert core.started == []


async def test_a_message_of_the_wrong_direction_is_refused_and_harms_nobody(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    far = await connect(await start())
    await far.register(190, "platform")
    await far.send(request(201, "1", "<EventId>e1</EventId>") + incoming("2"))
    assert await far.result() == ("1", Result.WRONG_DIRECTION)
    assert await far.result() == ("2", 0)
    assert [(note.kind, note.result) for note in core.notes] == [
        (EntryKind.REFUSED, Result.WRONG_DIRECTION)
    ]
    assert [item.id for item in core.started] == ["2"]


async def test_a_response_to_nothing_is_journalled_and_ignored(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    far = await connect(await start())
    await far.register(290, "app")
    await far.send(response(100, "never asked"))
    await core.until(lambda: core.notes)
    assert core.kinds() == [EntryKind.REFUSED]
    assert core.answers == []


async def test_messages_may_come_byte_by_byte(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    far = await connect(await start())
    await far.register(190, "platform")
    for byte in incoming("1"):
        await far.send(bytes((byte,)))
    assert await far.result() == ("1", 0)


async def test_what_a_long_message_takes_of_the_bound_it_gives_back(
    start: Start, connect: Connect
) -> None:
    far = await connect(await start(GatewaySettings(inbound_max=32, heavy_bytes=16)))
    await far.register(190, "platform")
    for number in range(16):
        await far.send(incoming(str(number)))
        assert await far.result() == (str(number), 0)


async def test_a_flood_is_left_in_the_socket_until_the_core_has_caught_up(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    far = await connect(await start(GatewaySettings(inbound_max=4)))
    await far.register(190, "platform")
    core.gate = asyncio.Event()
    ids = [str(number) for number in range(2000)]
    sending = asyncio.get_running_loop().create_task(far.send(b"".join(map(incoming, ids))))
    await core.until(lambda: len(core.started) == 4)
    link = core.live["platform"]
    assert link._io._paused is True  # type: ignore[attr-defined]  # a Link has no such thing
    assert len(core.started) == 4
    core.gate.set()
    assert [(await far.result())[0] for _ in ids] == ids
    await sending
    assert link._io._paused is False  # type: ignore[attr-defined]  # the same


async def test_a_peer_whose_requests_wait_for_the_core_is_not_dead(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    timers = Timers(heartbeat_s=0.02, dead_after_s=0.06)
    far = await connect(await start(GatewaySettings(inbound_max=1, timers=timers)))
    core.gate = asyncio.Event()
    # All at once: between two writes a busy machine may be as silent as a dead peer.
    await far.send(registration(190, "platform") + incoming("1") + incoming("2"))
    assert await far.result() == ("r1", 0)
    await core.until(lambda: core.started)
    for _ in range(6):  # six heartbeats of ours: twice the time after which silence kills
        assert await far.frame() == (0x02, b"")
    assert not core.notes
    assert not core.ends
    core.gate.set()
    # Not the answers: with nothing in work its silence counts again, and where the machine is
    # busy it may be dead before they are read.
    await core.until(lambda: [item.id for item in core.submitted] == ["1", "2"])


async def slow_application(gateway: Gateway, core: FakeCore) -> Far:
    """An application that has been sent 64 large notices and has read none."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)  # noqa: FBT003 - positional in the library
    await asyncio.get_running_loop().sock_connect(sock, gateway.addresses[0])
    # A tiny limit keeps the reader of this end from reading on our behalf.
    slow = Far(*await asyncio.open_connection(sock=sock, limit=1024))

    def flood(link: LinkPort) -> None:
        for number in range(64):
            message = VendorNotice(vendor="v", name="n", body="x" * 60_000)
            link.push(Request(id=f"big{number}", message=message))

    core.at_begin = flood
    await slow.register(290, "app")
    core.at_begin = None
    return slow


async def test_a_peer_that_catches_up_is_forgiven(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    gateway = await start(GatewaySettings(write_high_bytes=1024))
    slow = await slow_application(gateway, core)
    link = core.live["app"]
    other = await connect(gateway)
    await other.register(190, "platform")
    assert link._io._paused is True  # type: ignore[attr-defined]  # a Link has no such thing
    for number in range(64):
        assert (await slow.message()).attrib["Id"] == f"big{number}"
    await slow.send(request(201, "1", "<EventId>e1</EventId>"))
    assert await slow.result() == ("1", 0)
    assert core.notes == []
    await slow.close()


async def test_a_peer_that_does_not_read_is_dead_and_blocks_nobody(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    settings = GatewaySettings(
        write_high_bytes=1024,
        inbound_max=1,
        timers=Timers(heartbeat_s=0.05, dead_after_s=0.3),
    )
    gateway = await start(settings)
    slow = await slow_application(gateway, core)
    link = core.begun[0]
    other = await connect(gateway)
    # At once: it is held to the same silence, and a busy machine may make one of any pause.
    await other.send(registration(190, "platform") + incoming("1"))
    assert await other.result() == ("r1", 0)
    assert await other.result() == ("1", 0)
    await core.until(lambda: any(ended is link for ended, _ in core.ends))
    await core.until(lambda: EntryKind.KEEPALIVE_FAILURE in core.kinds())
    assert "did not read" in next(reason for ended, reason in core.ends if ended is link)
    slow.reset()


async def test_one_connection_too_many_is_closed_at_once(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    gateway = await start(GatewaySettings(connections=1))
    first = await connect(gateway)
    await first.register(190, "platform")
    second = await connect(gateway)
    assert await second.ended() == b""
    await first.send(incoming("1"))
    assert await first.result() == ("1", 0)


async def test_strangers_have_a_bound_of_their_own(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    gateway = await start(GatewaySettings(unregistered=1))
    first = await connect(gateway)
    await first.register(190, "platform")
    second = await connect(gateway)
    await second.register(290, "app")
    idle, one_too_many = await connect(gateway), await connect(gateway)
    assert await one_too_many.ended() == b""
    assert gateway.connections == 3
    await idle.close()


async def test_a_reset_is_the_end_of_one_session_only(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    gateway = await start()
    first, second = await connect(gateway), await connect(gateway)
    await first.register(190, "platform")
    await second.register(290, "app")
    first.reset()
    await core.until(lambda: core.ends)
    await second.send(request(201, "1", "<EventId>e1</EventId>"))
    assert await second.result() == ("1", 0)
    assert list(core.live) == ["app"]


async def test_a_peer_that_does_not_read_does_not_hold_up_the_end(
    start: Start, core: FakeCore
) -> None:
    gateway = await start(GatewaySettings(close_within_s=0.05))
    slow = await slow_application(gateway, core)
    async with asyncio.timeout(30):
        await gateway.close()
    assert core.live == {}
    assert gateway.connections == 0
    slow.reset()


async def test_a_session_that_the_core_ends_is_cut_off_where_its_peer_does_not_read(
    start: Start, core: FakeCore
) -> None:
    gateway = await start(GatewaySettings(close_within_s=0.05, write_high_bytes=1024))
    far = await slow_application(gateway, core)
    core.live["app"].close("replaced")
    await core.until(lambda: core.ends)
    async with asyncio.timeout(30):
        while gateway.connections:  # noqa: ASYNC110 - what the socket does sets no event of ours
            await asyncio.sleep(0.01)
    far.reset()
