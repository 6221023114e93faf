"""A gateway's part and a core, each of which may go away and come again."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

import pytest
import zmq

from linkage.bus.envelope import Kind, pack_item, seal
from linkage.bus.pending_calls import CoreAwayError
from linkage.ports import EntryKind
from protocol import messages as m
from protocol.envelope import Response
from tests.fakes.bus import IMPATIENT, QUICK, WAIT_S, Bus, Hasty, Peer, until
from tests.fakes.core_links import ROLES, StuckUnit
from tests.fakes.said import call_out, incoming


async def test_a_notice_goes_all_the_way_through_another_process(tmp_path: Path) -> None:
    async with Bus(tmp_path) as bus:
        gateway = await bus.connected()
        pbx, desk = await bus.join(gateway, "pbx"), await bus.join(gateway, "desk")

        response = await bus.say(pbx, incoming())
        await until(lambda: desk.pushed)
        desk.answer(desk.pushed[0])
        await until(lambda: bus.site.core.figures.deliveries[0] == 1)

    assert response.result == 0
    assert isinstance(desk.pushed[0].message, m.IncomingCallNotice)
    assert desk.seqs == [1]


async def test_the_core_replaces_an_older_link_wherever_it_is(tmp_path: Path) -> None:
    async with Bus(tmp_path) as bus:
        east, west = await bus.connected("gateway:east"), await bus.connected("gateway:west")
        older = await bus.join(east, "desk")
        newer = await bus.join(west, "desk")
        pbx = await bus.join(west, "pbx")
        await until(lambda: older.reasons)
        await bus.say(pbx, incoming())
        await until(lambda: newer.pushed)

    assert older.reasons[0] == "replaced"
    assert not older.pushed


async def test_a_part_that_calls_itself_otherwise_leaves_nothing_of_what_it_was(
    tmp_path: Path,
) -> None:
    async with Bus(tmp_path) as bus:
        gateway = await bus.connected("gateway:east")
        pbx = await bus.join(gateway, "pbx")
        assert bus.core_server is not None
        known = bus.site.core.peers.by_id["pbx"]
        await until(lambda: known.connected)
        gateway.connection._part = "gateway:west"
        gateway.connection.links.remove(pbx)  # it does not bring it along
        gateway.connection._lose("a process that thinks better of it")
        await until(
            lambda: bus.core_server is not None and bus.core_server.parts == {"gateway:west": 0}
        )
        assert not known.connected


async def test_a_wrong_secret_is_the_cores_to_refuse(tmp_path: Path) -> None:
    async with Bus(tmp_path) as bus:
        gateway = await bus.connected()
        peer = Peer(gateway, "desk")
        response = await gateway.register(peer, bus.registration("desk", secret="wrong" * 5))

    assert response.result == 201


async def test_links_and_what_they_were_sent_outlive_a_killed_core(tmp_path: Path) -> None:
    async with Bus(tmp_path) as bus:
        gateway = await bus.connected()
        pbx, desk = await bus.join(gateway, "pbx"), await bus.join(gateway, "desk")
        for number in range(3):
            await bus.say(pbx, incoming(f"C{number}"))
        await until(lambda: len(desk.pushed) == 3)

        await bus.vanish()
        gateway.connection._lose("it was noticed")
        desk.answer(desk.pushed[0])  # while nobody is there to hear it
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(bus.say(pbx, incoming("C3")))
            bus.open()
        assert waiting.result().result == 0
        await until(lambda: len(desk.pushed) == 4)
        for request in desk.pushed[1:]:
            desk.answer(request)
        await until(lambda: bus.site.core.figures.deliveries[0] == 4)

    assert desk.seqs == [1, 2, 3, 4], "nothing was sent twice on a link that lived on"
    assert (pbx.reasons, desk.reasons) == ([], [])


async def test_a_command_that_expires_before_the_platform_has_room_is_never_sent(
    tmp_path: Path,
) -> None:
    clock, patient = Hasty(), replace(QUICK, dead_after_s=WAIT_S)
    async with Bus(tmp_path, settings=patient) as bus:
        gateway = await bus.connected(clock=clock)
        pbx, desk = await bus.join(gateway, "pbx", window=1), await bus.join(gateway, "desk")

        async def command(id_: str) -> None:
            request = replace(bus.request(call_out(), id_), expire_s=5)
            assert (await gateway.submit(desk, request)).result == 1

        await command("first")
        await until(lambda: pbx.pushed)
        await bus.vanish()
        gateway.connection._lose("it was noticed")
        bus.site.clock.advance(6)  # to the new core, the first has expired and is out of the way
        bus.open()
        await until(lambda: gateway.connection.connected)
        await command("second")
        await until(lambda: gateway.connection.links.of(pbx)._waiting)
        clock.ahead_s = 6
        pbx.answer(pbx.pushed[0])
        await until(lambda: results_told(desk, "second"))

    assert results_told(desk, "second") == [309]
    assert len(pbx.pushed) == 1


def results_told(desk: Peer, request_id: str) -> list[int | None]:
    """What a desk was told of a command that failed."""
    return [each.message.result for each in desk.pushed if each.message.request_id == request_id]


async def test_a_new_core_is_asked_to_take_over_a_few_links_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("linkage.bus.resumption.AT_ONCE", 2)
    async with Bus(tmp_path) as bus:
        gateway = await bus.connected()
        peers = [await bus.join(gateway, name) for name in ROLES]
        await bus.vanish()
        gateway.connection._lose("it was noticed")
        StuckUnit.gate.clear()
        try:
            bus.site.core._commits.context.tx.__class__ = StuckUnit
            StuckUnit.entered.clear()
            bus.open()
            await until(StuckUnit.entered.is_set)
            await until(lambda: len(gateway.connection.calls) == 2)
            await until(
                lambda: bus.core_server is not None and bus.core_server.parts == {"gateway": 2}
            )
        finally:
            StuckUnit.gate.set()
        await until(lambda: gateway.connection.connected)
        assert bus.core_server is not None
        assert bus.core_server.parts == {"gateway": len(peers)}
        assert [peer.reasons for peer in peers] == [[]] * len(peers)


async def test_a_link_that_ends_while_others_are_taken_over_is_not_brought_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("linkage.bus.resumption.AT_ONCE", 1)
    async with Bus(tmp_path) as bus:
        gateway = await bus.connected()
        peers = [await bus.join(gateway, name) for name in ROLES]
        await bus.vanish()
        gateway.connection._lose("it was noticed")
        StuckUnit.gate.clear()
        try:
            bus.site.core._commits.context.tx.__class__ = StuckUnit
            StuckUnit.entered.clear()
            bus.open()
            await until(StuckUnit.entered.is_set)
            gateway.closed(peers[-1], "the connection was lost")
        finally:
            StuckUnit.gate.set()
        await until(lambda: gateway.connection.connected)
        assert bus.core_server is not None
        assert bus.core_server.parts == {"gateway": len(peers) - 1}
        assert not bus.site.core.peers.by_id[peers[-1].peer_id].connected


async def test_what_is_too_long_for_the_bus_is_refused_and_costs_no_conversation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("linkage.bus.envelope.ITEM_MAX", 10_000)
    async with Bus(tmp_path) as bus:
        gateway = await bus.connected()
        pbx = await bus.join(gateway, "pbx")
        long = replace(bus.request(incoming()), raw=b"x" * 10_000)
        response = await gateway.submit(pbx, long)
        assert gateway.connection.connected
        assert (await bus.say(pbx, incoming())).result == 0

    assert response.result == 500


async def test_a_request_that_the_dead_core_had_taken_is_answered_as_the_first_time(
    tmp_path: Path,
) -> None:
    async with Bus(tmp_path) as bus:
        gateway = await bus.connected()
        pbx = await bus.join(gateway, "pbx")
        assert (await bus.say(pbx, incoming(), "same")).result == 0
        await bus.vanish()
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(bus.say(pbx, incoming(), "same"))
            bus.open()
        again = waiting.result()

        journalled = [row for row in bus.site.journal() if row.request_id == "same"]

    assert (again.result, again.detail) == (0, "duplicate")
    assert len(journalled) == 1


async def test_without_a_core_nothing_is_answered_0(tmp_path: Path) -> None:
    async with Bus(tmp_path) as bus:
        gateway = await bus.connected()
        pbx = await bus.join(gateway, "pbx")
        await bus.vanish()
        gateway._settings = gateway.connection._settings = IMPATIENT

        said = await bus.say(pbx, incoming())
        registered = await gateway.register(Peer(gateway, "desk"), bus.registration("desk"))
        with pytest.raises(CoreAwayError):
            await gateway.introduce("desk")

        await until(lambda: not gateway.connection.connected)
        assert "not there" in str(gateway.connection.problem)

    assert (said.result, registered.result) == (404, 404)
    assert said.retry_after_s
    assert registered.retry_after_s


async def test_a_part_may_come_before_the_core(tmp_path: Path) -> None:
    bus = Bus(tmp_path)
    gateway = bus.part()
    pbx = Peer(gateway, "pbx")
    async with asyncio.TaskGroup() as group:
        registering = group.create_task(gateway.register(pbx, bus.registration("pbx")))
        group.create_task(gateway.note(pbx, EntryKind.STRANGER, "somebody"))
        await asyncio.sleep(0)
        await bus.__aenter__()
    response = registering.result()
    gateway.begin(pbx)
    said = await bus.say(pbx, incoming())
    kinds = [row.kind for row in bus.site.journal()]
    await bus.__aexit__(None, None, None)

    assert (response.result, said.result) == (0, 0)
    assert "Stranger" in kinds


async def test_an_adoption_of_a_link_that_closes_meanwhile_leaves_nothing(tmp_path: Path) -> None:
    bus = Bus(tmp_path)
    gateway = bus.part()
    legacy = Peer(gateway, "desk")
    async with asyncio.TaskGroup() as group:
        group.create_task(gateway.adopt(legacy, "desk"))
        await asyncio.sleep(0)
        gateway.closed(legacy, "gone")
    async with bus:
        await until(lambda: gateway.connection.connected)

        assert bus.core_server is not None
        assert bus.core_server.parts == {"gateway": 0}


async def test_an_unknown_peer_is_a_key_error_here_too(tmp_path: Path) -> None:
    async with Bus(tmp_path) as bus:
        gateway = await bus.connected()
        with pytest.raises(KeyError):
            await gateway.adopt(Peer(gateway, "nobody"), "nobody")


async def test_a_silent_part_loses_its_links_and_keeps_what_waits(tmp_path: Path) -> None:
    async with Bus(tmp_path) as bus:
        gateway = await bus.connected()
        desk = await bus.join(gateway, "desk")
        west = await bus.connected("gateway:west")
        pbx = await bus.join(west, "pbx")
        await bus.say(pbx, incoming("C1"))
        await until(lambda: desk.pushed)

        gateway.connection._settings = type(gateway.connection._settings)(
            heartbeat_s=1e9, dead_after_s=3e9
        )
        assert bus.core_server is not None
        core_server = bus.core_server
        await until(lambda: "gateway" not in core_server.parts)
        await bus.say(pbx, incoming("C2"))
        again = await bus.join(west, "desk")
        await until(lambda: len(again.pushed) == 3)

    told = [push.message for push in again.pushed]
    assert [message.call_id for message in told if message.number == 100] == ["C1", "C2"]
    assert [message.source for message in told if isinstance(message, m.AlarmNotice)] == [
        "gateway"
    ]


async def test_a_second_process_of_one_name_takes_over(tmp_path: Path) -> None:
    async with Bus(tmp_path) as bus:
        first = await bus.connected()
        pbx = await bus.join(first, "pbx")
        second = await bus.connected()
        await asyncio.wait_for(asyncio.shield(first.connection.replaced), 10)

        assert (await bus.say(pbx, incoming())).result == 404
        assert second.connection.connected


async def test_a_core_that_stops_in_good_order_tells_the_parts(tmp_path: Path) -> None:
    async with Bus(tmp_path) as bus:
        gateway = await bus.connected()
        await bus.join(gateway, "desk")
        await bus.leave()
        await until(lambda: not gateway.connection.connected)
        await bus.site.restart()
        bus.open()
        await until(lambda: gateway.connection.connected)

        details = [row.detail for row in bus.site.journal() if row.kind == "SessionOpened"]

    assert "kept over a restart" in str(details[-1])


async def test_what_a_platform_told_of_itself_is_told_to_the_next_core(tmp_path: Path) -> None:
    async with Bus(tmp_path) as bus:
        gateway = await bus.connected()
        pbx = await bus.join(gateway, "pbx")
        notice = m.CapabilityNotice(capabilities=(m.Capability(no=202),))
        assert (await bus.say(pbx, notice)).result == 0
        await bus.vanish()
        bus.open()
        await until(lambda: bus.site.core.peers.by_id["pbx"].connected)

        assert bus.site.core.peers.by_id["pbx"].capability == {202: frozenset()}


async def test_a_resumed_link_gives_way_to_a_newer_one(tmp_path: Path) -> None:
    async with Bus(tmp_path) as bus:
        east = await bus.connected("gateway:east")
        older = await bus.join(east, "desk")
        await bus.vanish()
        # The peer, impatient, has come by another gateway before this one is back.
        east.connection._greet_at = 1e18
        bus.open()
        await until(lambda: not east.connection.connected)
        west = await bus.connected("gateway:west")
        newer = await bus.join(west, "desk")
        east.connection._greet_at = 0.0
        await until(lambda: older.reasons)

    assert older.reasons[0] == "replaced"
    assert newer.reasons == []


async def test_a_bug_met_at_one_item_of_the_core_costs_none_behind_it(tmp_path: Path) -> None:
    def breaks(_response: Response) -> None:
        raise RuntimeError("a bug of who asked")

    async with Bus(tmp_path) as bus:
        gateway = await bus.connected()
        pbx = await bus.join(gateway, "pbx")
        answered = asyncio.get_running_loop().create_future()
        gateway.post(pbx, bus.request(incoming("C1")), breaks)
        gateway.post(pbx, bus.request(incoming("C2")), answered.set_result)

        assert (await asyncio.wait_for(answered, WAIT_S)).result == 0


# --- strangers at the socket ---------------------------------------------------------------------
class Stranger:
    """A socket that says what it likes."""

    def __init__(self, place: str) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.connect(place)

    async def says(self, data: bytes) -> None:
        await asyncio.to_thread(self._socket.send, data)

    async def hears(self) -> bytes:
        self._socket.setsockopt(zmq.RCVTIMEO, 10_000)
        return await asyncio.to_thread(self._socket.recv)

    def close(self) -> None:
        self._socket.close(0)
        self._context.term()


async def test_garbage_is_dropped_and_the_others_do_not_notice(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Bus(tmp_path) as bus:
        gateway = await bus.connected()
        pbx = await bus.join(gateway, "pbx")
        stranger = Stranger(bus.place)
        for data in (b"", b"\xff" * 100, b"\x93\x01\x02", seal(1, 1, [b"\x01"])):
            await stranger.says(data)
        await stranger.says(seal(5, 9, [pack_item(Kind.SUBMIT, 1, 1, (), None)]))
        refused = await stranger.hears()
        stranger.close()

        assert (await bus.say(pbx, incoming())).result == 0

    assert refused == seal(5, 0, [pack_item(Kind.UNKNOWN)])
    assert "no envelope" in caplog.text


async def test_a_part_of_another_version_is_refused_in_words_for_both(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Bus(tmp_path) as bus:
        stranger = Stranger(bus.place)
        hello = bytearray(seal(1, 1, [pack_item(Kind.HELLO, "gateway", "x", {})]))
        hello[1] = 9
        await stranger.says(bytes(hello))
        refused = await stranger.hears()
        stranger.close()

    assert b"version 9" in refused
    assert "version 9" in caplog.text
    assert "install the same linkage" in caplog.text


async def test_a_core_of_another_version_is_named_by_the_part(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Bus(tmp_path) as bus:
        gateway = bus.part()
        other = bytearray(seal(0, 0, [pack_item(Kind.REFUSED, "come back with version 9")]))
        other[1] = 9
        gateway.connection._came(bytes(other))

        assert gateway.connection.problem == "come back with version 9"
    assert "come back with version 9" in caplog.text


@pytest.mark.parametrize(
    ("item", "told"),
    [
        ((Kind.SUBMIT, 1, 1, ("no", "request"), False), Kind.FAILED),
        ((Kind.ADOPT, 1, 1, "10.0.0.1", 64, "sim"), Kind.FAILED),
        ((Kind.ADOPT, 1, 1, "10.0.0.1", 10**9, "desk"), Kind.FAILED),
        ((Kind.RECALL, 1, "sim"), Kind.FAILED),
        ((Kind.NOTE, 1, 0, "10.0.0.1", "Nonsense", "x", b"", None), Kind.FAILED),
        ((Kind.RESUME, 1, 1, "10.0.0.1", 64, "desk", True, "no"), Kind.FAILED),
        ((Kind.SUBMIT, 1), Kind.FAILED),
        ((Kind.FILE_CHUNK, 1, 1, b""), Kind.FAILED),
    ],
)
async def test_an_item_that_a_part_may_not_send_fails_alone(
    tmp_path: Path, item: tuple[object, ...], told: Kind
) -> None:
    async with Bus(tmp_path, adapters=["sim"]) as bus:
        stranger = Stranger(bus.place)
        hello = pack_item(Kind.HELLO, "gateway", "x", {})
        damaged = [pack_item(Kind.ANSWERED, {}, ()), pack_item(99, 1), pack_item(*item)]
        await stranger.says(seal(1, 1, [hello]))
        await stranger.says(seal(1, 2, damaged))
        heard = await stranger.hears()
        while bytes([told]) not in heard:
            heard = await stranger.hears()
        stranger.close()


async def test_a_lost_envelope_begins_the_conversation_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with Bus(tmp_path) as bus:
        gateway = await bus.connected()
        pbx = await bus.join(gateway, "pbx")
        gateway.connection._stream._sent += 1
        assert (await bus.say(pbx, incoming())).result == 0

    assert "an envelope of it was lost" in caplog.text
    assert pbx.reasons == []


async def test_an_envelope_lost_on_the_way_back_begins_it_anew_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Bus(tmp_path) as bus:
        gateway = await bus.connected()
        pbx = await bus.join(gateway, "pbx")
        assert bus.core_server is not None
        (part,) = bus.core_server._parts.values()
        part.stream._sent += 1
        assert (await bus.say(pbx, incoming())).result == 0

    assert "has no core: an envelope was lost" in caplog.text
    assert pbx.reasons == []


async def test_a_part_that_dies_with_its_conversation_is_missed_too(tmp_path: Path) -> None:
    async with Bus(tmp_path) as bus:
        gateway, west = await bus.connected(), await bus.connected("gateway:west")
        desk = await bus.join(west, "desk")
        assert gateway.connection._ticking is not None
        gateway.connection._ticking.cancel()  # killed: it says hello no more
        gateway.connection._stream._sent += 1
        gateway.connection.say(Kind.PING)
        await until(lambda: desk.pushed)

    assert isinstance(desk.pushed[0].message, m.AlarmNotice)
    assert desk.pushed[0].message.source == "gateway"
