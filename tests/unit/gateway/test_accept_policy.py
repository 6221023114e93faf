"""Who may connect, how often, and what they may make us hold; each refusal is journalled."""

from __future__ import annotations

import asyncio
import ipaddress
import struct
from itertools import pairwise

import pytest

from gateway import GatewaySettings
from gateway.authorization import check_pace
from gateway.context import GatewayContext
from gateway.hosts import is_within, neighbourhood
from gateway.open_connections import OpenConnections
from gateway.rate_limits import Bucket, Buckets
from gateway.refusal_journal import MANY, RefusalJournal
from linkage.clock import ManualClock
from linkage.flood import KEYS_MAX
from linkage.ports import EntryKind, PeerProfile, Rate
from protocol.dialect import LEGACY
from protocol.events import Timers
from protocol.frames import FRAGMENTS_MAX
from protocol.results import Result
from protocol.roles import Role
from tests.fakes.core import FakeCore
from tests.fakes.far_socket import HEARTBEAT, Far, frame, incoming, registration, request
from tests.unit.gateway.conftest import Connect, Start

ELSEWHERE = ipaddress.ip_network("10.0.0.0/8")
HERE = ipaddress.ip_network("127.0.0.0/8")
PLATFORM = PeerProfile(id="platform", role=Role.PLATFORM)
PROMPT = Timers(heartbeat_s=0.02, dead_after_s=60, frame_within_s=0.1)


def piece(payload: bytes) -> bytes:
    return struct.pack(">BBH", 0x03, 0, len(payload)) + payload


class Anybody:
    """One of the connections."""

    def __init__(self) -> None:
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def hold(self) -> None: ...

    def close(self, reason: str) -> None: ...

    def abort(self) -> None: ...


# --- where from ----------------------------------------------------------------------------------
async def test_who_is_not_on_the_allow_list_is_closed_at_once_and_journalled(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    far = await connect(await start(GatewaySettings(allow=(ELSEWHERE,))))
    assert await far.ended() == b""
    await core.until(lambda: core.notes)
    note = core.notes[0]
    assert note.kind is EntryKind.STRANGER
    assert "127.0.0.1" in note.detail
    assert "not in `allow`" in note.detail
    assert note.link.address.startswith("127.0.0.1:")


async def test_who_is_on_the_allow_list_comes_in(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    far = await connect(await start(GatewaySettings(allow=(ELSEWHERE, HERE))))
    await far.register(190, "platform")


async def test_a_flood_from_one_address_is_one_entry_and_one_sum(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    gateway = await start(GatewaySettings(allow=(ELSEWHERE,)))
    for _ in range(50):
        assert await (await connect(gateway)).ended() == b""
    await gateway.close()
    assert len(core.notes) == 2
    assert core.notes[1].detail.startswith("49 more like it from 127.0.0.1 within 60 s")


async def test_the_sum_is_written_when_the_window_ends_and_counting_begins_anew(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    gateway = await start(GatewaySettings(allow=(ELSEWHERE,), refusals_window_s=0.05))

    def sums() -> list[bool]:
        return ["more like it" in note.detail for note in core.notes]

    while sums().count(True) < 2:  # where the machine is slow, a window may see only one of them
        await (await connect(gateway)).ended()
    assert not sums()[0]
    assert (True, True) not in pairwise(sums()), "the first of a window is told in full"


async def test_a_peer_may_come_only_from_its_own_networks(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    peer = PeerProfile(id="platform", role=Role.PLATFORM, allow=(ELSEWHERE,))
    gateway = await start(peers=(peer,))
    far = await connect(gateway)
    await far.send(registration(190, "platform"))
    assert await far.result() == ("r1", Result.BAD_CREDENTIALS)
    assert await far.ended() == b""
    await core.until(lambda: core.notes)
    assert (core.notes[0].kind, core.notes[0].result) == (EntryKind.STRANGER, 201)
    assert "'platform' may not come from 127.0.0.1" in core.notes[0].detail
    assert core.registering == 0
    other = await connect(gateway)
    await other.register(290, "app")


async def test_a_legacy_peer_may_come_only_from_its_own_networks(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    peer = PeerProfile(
        id="platform",
        role=Role.PLATFORM,
        dialect=LEGACY,
        address="127.0.0.1",
        allow=(ELSEWHERE,),
    )
    far = await connect(await start(peers=(peer,)))
    await far.send(incoming("1"))
    assert await far.ended() == b""
    await core.until(lambda: core.notes)
    assert core.notes[0].kind is EntryKind.STRANGER
    assert core.live == {}
    assert core.started == []


@pytest.mark.parametrize(
    ("host", "inside"),
    [
        ("10.1.2.3", True),
        ("11.1.2.3", False),
        ("::ffff:10.1.2.3", True),
        ("2001:db8::1", False),
        ("no address", False),
        ("", False),
    ],
)
def test_networks_are_compared_as_addresses(host: str, inside: bool) -> None:
    assert is_within(host, (ELSEWHERE,)) is inside
    assert is_within(host, ()) is True


def test_an_ipv6_neighbour_is_the_same_address() -> None:
    assert neighbourhood("2001:db8:1:2:3::4") == neighbourhood("2001:db8:1:2:ffff::1%eth0")
    assert neighbourhood("2001:db8:1:2::1") != neighbourhood("2001:db8:1:3::1")
    assert neighbourhood("::ffff:10.0.0.1") == "10.0.0.1"


# --- how often -----------------------------------------------------------------------------------
async def test_too_many_connections_a_second_are_closed_and_journalled(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    gateway = await start(GatewaySettings(connects_per_s=0.001, connects_burst=2))
    first, second = await connect(gateway), await connect(gateway)
    third = await connect(gateway)
    assert await third.ended() == b""
    await core.until(lambda: core.notes)
    assert "connections a second" in core.notes[0].detail
    await first.register(190, "platform")
    await second.register(290, "app")


async def test_connections_of_one_address_have_a_bound(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    gateway = await start(GatewaySettings(connections_per_address=1))
    first = await connect(gateway)
    await first.register(190, "platform")
    assert await (await connect(gateway)).ended() == b""
    await core.until(lambda: core.notes)
    assert "1 connections from there are open" in core.notes[0].detail
    await first.close()
    await core.until(lambda: core.ends)
    await (await connect(gateway)).register(190, "platform")


async def test_strangers_of_one_address_have_a_bound_and_make_room_when_they_register(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    gateway = await start(GatewaySettings(unregistered_per_address=1))
    first = await connect(gateway)
    assert await (await connect(gateway)).ended() == b""
    await first.register(190, "platform")
    await (await connect(gateway)).register(290, "app")


async def test_requests_over_the_rate_are_answered_206_with_retry_after(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    peer = PeerProfile(id="platform", role=Role.PLATFORM, requests=Rate(per_s=0.1, burst=2))
    gateway = await start(peers=(peer,))
    far = await connect(gateway)
    await far.register(190, "platform")
    await far.send(b"".join(incoming(str(number)) for number in range(20)))
    answers = {}
    for _ in range(20):
        answer = await far.message()
        answers[answer.attrib["RequestId"]] = answer.attrib
    taken = [key for key, attrib in answers.items() if attrib["Result"] == "0"]
    refused = [attrib for attrib in answers.values() if attrib["Result"] == "206"]
    assert taken == ["0", "1"]
    assert len(refused) == 18
    assert all(0 < int(attrib["RetryAfter"]) <= 10 for attrib in refused)
    assert [item.id for item in core.submitted] == ["0", "1"]
    # A new connection does not bring new tokens.
    again = await connect(gateway)
    await again.register(190, "platform")
    await again.send(incoming("x"))
    assert await again.result() == ("x", Result.RATE_LIMITED)
    await gateway.close()
    refusals = [note for note in core.notes if note.result == Result.RATE_LIMITED]
    assert len(refusals) == 2
    assert refusals[1].detail.startswith("18 more like it from platform")


async def test_who_was_told_to_wait_is_held_to_it_so_that_nothing_overtakes(
    core: FakeCore,
) -> None:
    peer = PeerProfile(id="platform", role=Role.PLATFORM, requests=Rate(per_s=10, burst=1))
    settings, clock = GatewaySettings(), ManualClock()
    context = GatewayContext(core, clock, settings, [peer])
    assert check_pace(context, "platform") is None
    refusals = [check_pace(context, "platform")]
    for _ in range(9):
        clock.advance(0.1)  # a token for each, if tokens were all
        refusals.append(check_pace(context, "platform"))
    assert {refusal and refusal.retry_after_s for refusal in refusals} == {1}
    clock.advance(0.1)
    assert check_pace(context, "platform") is None


async def test_the_rate_of_one_peer_does_not_touch_another(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    peer = PeerProfile(id="platform", role=Role.PLATFORM, requests=Rate(per_s=0.001, burst=1))
    gateway = await start(peers=(peer,))
    far, app = await connect(gateway), await connect(gateway)
    await far.register(190, "platform")
    await app.register(290, "app")
    await far.send(incoming("1") + incoming("2"))
    assert await far.result() == ("2", Result.RATE_LIMITED)
    for number in range(5):
        await app.send(request(201, str(number), "<EventId>e1</EventId>"))
        assert await app.result() == (str(number), 0)


async def test_guessing_secrets_ends_in_206_and_does_not_lock_others_out(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    settings = GatewaySettings(refusals_per_minute=2)
    gateway = await start(settings, peers=(PLATFORM, PeerProfile(id="app", role=Role.APPLICATION)))
    for _ in range(2):
        far = await connect(gateway)
        await far.send(registration(190, "platform", secret="a guess at the secret"))
        assert await far.result() == ("r1", Result.BAD_CREDENTIALS)
    far = await connect(gateway)
    await far.send(registration(190, "platform", secret="a guess at the secret"))
    answer = await far.message()
    assert answer.attrib["Result"] == "206"
    assert 0 < int(answer.attrib["RetryAfter"]) <= 100
    assert await far.ended() == b""
    assert core.registering == 2
    await core.until(lambda: core.notes)
    assert core.notes[0].result == Result.RATE_LIMITED
    await (await connect(gateway)).register(290, "app")


# --- how slow and how much -----------------------------------------------------------------------
@pytest.mark.parametrize("begun", [b"\x01", incoming("1")[:-1], piece(b"<request ")])
async def test_a_message_that_is_never_completed_ends_the_session(
    start: Start, connect: Connect, core: FakeCore, begun: bytes
) -> None:
    far = await connect(await start(GatewaySettings(timers=PROMPT)))
    await far.register(190, "platform")
    await far.send(begun)
    await far.ended()
    await core.until(lambda: core.notes)
    assert core.notes[0].kind is EntryKind.MALFORMED
    assert "not complete within 0.1 s" in core.notes[0].detail


async def test_heartbeats_between_fragments_do_not_buy_time(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    far = await connect(await start(GatewaySettings(timers=PROMPT)))
    await far.register(190, "platform")
    await far.send(piece(b"<request "))

    async def drip() -> None:
        while (await far.frame())[0] == 0x02:  # a heartbeat of ours, answered by one of theirs
            await far.send(piece(b" ") + HEARTBEAT)

    with pytest.raises((EOFError, ConnectionError)):
        await drip()
    await core.until(lambda: core.ends)
    assert "not complete" in core.ends[0][1]


async def test_a_message_in_countless_fragments_breaks_the_stream(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    far = await connect(await start())
    await far.register(190, "platform")
    await far.send(piece(b"") * (FRAGMENTS_MAX + 1))
    await far.ended()
    await core.until(lambda: core.notes)
    assert core.notes[0].result == Result.TOO_LONG


async def test_a_stranger_makes_nobody_reassemble(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    gateway = await start()
    far = await connect(gateway)
    await far.send(piece(b"x" * 60_000) + piece(b"x" * 60_000))
    await far.ended()
    await core.until(lambda: core.notes)
    assert core.notes[0].result == Result.TOO_LONG
    known = await connect(gateway)
    await known.register(190, "platform")
    body = "<CallId>c1</CallId><Type>1</Type><PhoneNum>139</PhoneNum>" + " " * 100_000
    whole = f'<request Id="1" Type="100">{body}</request>'.encode()
    await known.send(piece(whole[:50_000]) + piece(whole[50_000:90_000]) + frame(whole[90_000:]))
    assert await known.result() == ("1", 0)


async def test_who_never_registers_is_journalled(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    settings = GatewaySettings(timers=Timers(register_within_s=0.05))
    far: Far = await connect(await start(settings))
    assert await far.ended() == b""
    await core.until(lambda: core.notes)
    assert core.notes[0].kind is EntryKind.STRANGER
    assert "not registered" in core.notes[0].detail


async def test_what_strangers_say_is_journalled_thrice_and_then_summed_up(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    gateway = await start()
    far = await connect(gateway)
    await far.send(incoming("1") * 12)
    for _ in range(12):
        assert (await far.result())[1] == Result.NOT_REGISTERED
    await gateway.close()
    assert len(core.notes) == 4
    assert core.notes[3].detail.startswith("9 more like it")


# --- the parts -----------------------------------------------------------------------------------
def test_a_bucket_gives_its_burst_then_its_rate() -> None:
    bucket = Bucket(Rate(per_s=2, burst=3), now=10)
    assert [bucket.take(10) for _ in range(3)] == [0, 0, 0]
    assert bucket.take(10) == 0.5
    assert bucket.take(10.25) == 0.25
    assert bucket.take(10.5) == 0
    assert not bucket.is_full(10.5)
    assert bucket.is_full(12)


def test_a_clock_that_goes_back_gives_no_tokens() -> None:
    bucket = Bucket(Rate(per_s=1, burst=1), now=10)
    assert bucket.take(10) == 0
    assert bucket.take(5) == 1


def test_buckets_are_bounded_and_forget_the_unused_first() -> None:
    buckets = Buckets(keys_max=10)
    rate = Rate(per_s=0.001, burst=1)
    for number in range(100):
        assert buckets.take(number, rate, now=0) == 0
        assert len(buckets) <= 10
    assert buckets.take(99, rate, now=0) > 0
    assert buckets.wait("never seen", now=0) == 0


def test_buckets_that_are_full_again_are_forgotten_before_others() -> None:
    buckets = Buckets(keys_max=4)
    for number in range(4):
        buckets.take(number, Rate(per_s=1, burst=1), now=float(number))
    buckets.take("new", Rate(per_s=1, burst=1), now=3.5)
    assert len(buckets) == 2
    assert buckets.wait(3, now=3.5) == 0.5


async def test_a_roster_forgets_hosts_with_nobody_left() -> None:
    connections = OpenConnections(GatewaySettings(connections_per_address=1))
    member = Anybody()
    connections.add(member, "10.0.0.1", stranger=True)
    assert connections.objection("10.0.0.1") is not None
    assert connections.objection("10.0.0.2") is None
    connections.remove(member)
    connections.remove(member)
    assert connections.objection("10.0.0.1") is None
    assert len(connections) == 0


async def test_refusals_of_countless_addresses_are_bounded(core: FakeCore) -> None:
    refusals = RefusalJournal(core, 60, set())
    for number in range(2 * KEYS_MAX):
        refusals.turned_away(f"10.0.{number // 256}.{number % 256}", "x", "why")
    refusals.close()
    await core.until(lambda: any("more like it" in note.detail for note in core.notes))
    assert len(core.notes) == KEYS_MAX + 2
    assert f"{KEYS_MAX - 1} more like it from {MANY}" in core.notes[-1].detail
