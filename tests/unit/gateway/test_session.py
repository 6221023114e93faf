from __future__ import annotations

import asyncio

import pytest

from gateway import GatewaySettings
from linkage.ports import EntryKind, PeerProfile
from protocol.dialect import Dialect
from protocol.envelope import Request
from protocol.events import Timers
from protocol.messages import CallDirection, IncomingCallNotice, VendorNotice
from protocol.results import Result
from protocol.roles import Role
from tests.fakes.core import FakeCore
from tests.fakes.far_socket import HEARTBEAT, incoming, registration, request, response
from tests.unit.gateway.conftest import Connect, Start


def notice(request_id: str) -> Request:
    return Request(
        id=request_id, message=IncomingCallNotice(call_id="c1", direction=CallDirection.IN)
    )


async def test_a_platform_registers_and_its_notice_is_answered(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    far = await connect(await start())
    await far.register(190, "platform")
    await far.send(incoming("10000"))
    assert await far.result() == ("10000", 0)
    assert [item.type for item in core.submitted] == [100]
    assert core.begun == [core.live["platform"]]


async def test_wrong_credentials_are_answered_and_put_out(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    far = await connect(await start())
    await far.send(registration(190, "platform", secret="not the secret"))
    assert await far.result() == ("r1", Result.BAD_CREDENTIALS)
    assert await far.ended() == b""
    assert core.begun == []
    await core.until(lambda: core.ends)


async def test_the_answer_to_a_registration_comes_before_what_is_delivered(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    core.at_begin = lambda link: link.push(notice("push1"))
    far = await connect(await start())
    await far.register(290, "app")
    assert (await far.message()).attrib["Id"] == "push1"
    await far.send(response(100, "push1"))
    await core.until(lambda: core.answers)
    assert core.answers[0].request_id == "push1"


async def test_requests_are_started_in_the_order_they_came(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    far = await connect(await start())
    await far.register(190, "platform")
    core.gate = asyncio.Event()
    ids = [str(number) for number in range(50)]
    await far.send(b"".join(map(incoming, ids)))
    await core.until(lambda: len(core.started) == 50)
    core.gate.set()
    answered = [(await far.result())[0] for _ in ids]
    assert [item.id for item in core.started] == ids
    assert answered == ids


async def test_an_answer_is_written_when_it_is_there_not_in_turn(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    far = await connect(await start())
    await far.register(190, "platform")
    core.gate = gate = asyncio.Event()
    await far.send(incoming("slow"))
    await core.until(lambda: core.started)
    core.gate = None
    await far.send(incoming("quick"))
    assert (await far.result())[0] == "quick"
    gate.set()
    assert (await far.result())[0] == "slow"


async def test_the_same_id_twice_is_answered_twice(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    # Both of the patent's 110 examples carry Id 20009.
    far = await connect(await start())
    await far.register(190, "platform")
    await far.send(incoming("20009") * 2)
    assert await far.result() == ("20009", 0)
    assert await far.result() == ("20009", 0)
    assert len(core.submitted) == 2


async def test_a_newer_session_replaces_the_older_which_is_told(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    gateway = await start()
    older, newer = await connect(gateway), await connect(gateway)
    await older.register(290, "app")
    first = core.live["app"]
    await newer.register(290, "app")
    farewell = await older.message()
    assert farewell.attrib["Type"] == "199"
    assert farewell.findtext("Reason") == "replaced"
    assert farewell.findtext("Result") == str(int(Result.REPLACED))
    assert await older.ended() == b""
    await core.until(lambda: core.ends)
    assert core.ends == [(first, "replaced")]
    assert core.live["app"] is not first


async def test_a_platform_is_told_of_its_end_by_299_and_a_screen_by_399(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    core.peers = ("platform", "desk")
    gateway = await start()
    for number, peer_id, farewell in ((190, "platform", "299"), (490, "desk", "399")):
        far = await connect(gateway)
        await far.register(number, peer_id)
        core.live[peer_id].close("rights lost")
        message = await far.message()
        assert (message.attrib["Type"], message.findtext("Reason")) == (farewell, "rights lost")
        await far.ended()


async def test_what_the_core_fails_at_is_answered_500(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    far = await connect(await start())
    await far.register(190, "platform")
    core.fail = RuntimeError("a bug of the core")
    await far.send(incoming("1"))
    assert await far.result() == ("1", Result.INTERNAL)
    core.fail = None
    await far.send(incoming("2"))
    assert await far.result() == ("2", 0)


async def test_what_cannot_be_sent_is_answered_for_the_peer(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    far = await connect(await start())
    await far.register(190, "platform")
    link = core.live["platform"]
    link.push(notice("wrong"))  # a 1xx is not for a platform
    assert core.answers == []
    await core.until(lambda: core.answers)
    assert core.answers[0].result == Result.BAD_VALUE


async def test_a_push_to_a_dead_link_is_dropped(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    far = await connect(await start())
    await far.register(290, "app")
    link = core.live["app"]
    await far.close()
    await core.until(lambda: core.ends)
    link.push(notice("late"))
    link.close("again")
    await asyncio.sleep(0)
    assert core.answers == []
    assert len(core.ends) == 1


async def test_heartbeats_go_both_ways(start: Start, connect: Connect, core: FakeCore) -> None:
    timers = Timers(heartbeat_s=0.02, dead_after_s=60.0)
    far = await connect(await start(GatewaySettings(timers=timers)))
    await far.register(190, "platform")
    assert await far.frame() == (0x02, b"")
    assert await far.frame() == (0x02, b"")
    await far.send(HEARTBEAT)
    await far.send(incoming("1"))
    assert await far.result() == ("1", 0)


async def test_a_silent_peer_is_dead_and_that_is_journalled(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    timers = Timers(heartbeat_s=0.02, dead_after_s=0.1)
    far = await connect(await start(GatewaySettings(timers=timers)))
    await far.register(190, "platform")
    link = core.begun[0]
    await core.until(lambda: core.ends)
    assert core.ends[0][0] is link
    await core.until(lambda: core.notes)
    assert core.kinds() == [EntryKind.KEEPALIVE_FAILURE]
    await far.ended()


async def test_a_peer_that_shuts_its_half_still_gets_its_answers(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    far = await connect(await start())
    await far.register(190, "platform")
    core.gate = asyncio.Event()
    await far.send(incoming("1") + incoming("2"))
    far.writer.write_eof()
    await core.until(lambda: len(core.started) == 2)
    core.gate.set()
    assert await far.result() == ("1", 0)
    assert await far.result() == ("2", 0)
    assert await far.ended() == b""


async def test_a_registration_that_outlives_its_socket_leaves_no_live_link(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    core.register_gate = asyncio.Event()
    far = await connect(await start())
    await far.send(registration(190, "platform"))
    await core.until(lambda: core.registering)
    far.reset()
    await core.until(lambda: core.ends)
    core.ends.clear()
    core.register_gate.set()
    await core.until(lambda: core.ends)
    assert core.live == {}
    assert core.begun == []


async def test_a_detail_that_the_peer_cannot_read_is_left_out(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    settings = GatewaySettings(dialect=Dialect(encoding="gbk"))
    core.detail = "☎ \U0001f600"
    far = await connect(await start(settings))
    await far.register(190, "platform")
    await far.send(incoming("1"))
    root = await far.message()
    assert root.attrib == {"RequestId": "1", "Type": "100", "Result": "0"}


async def test_a_command_of_an_application_reaches_the_core_with_its_raw_bytes(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    far = await connect(await start())
    await far.register(290, "app")
    await far.send(request(201, "7", "<EventId>e1</EventId><Unknown>kept</Unknown>"))
    assert await far.result() == ("7", 0)
    assert b"<Unknown>kept</Unknown>" in core.submitted[0].raw


async def test_a_late_answer_is_logged_and_still_counts(
    start: Start, connect: Connect, core: FakeCore, caplog: pytest.LogCaptureFixture
) -> None:
    timers = Timers(heartbeat_s=0.02, answer_within_s=0.01)
    far = await connect(await start(GatewaySettings(timers=timers)))
    await far.register(290, "app")
    core.live["app"].push(notice("p1"))
    assert (await far.message()).attrib["Id"] == "p1"
    for _ in range(2):
        assert await far.frame() == (0x02, b"")
    assert "has not answered p1 in time" in caplog.text
    await far.send(response(100, "p1"))
    await core.until(lambda: core.answers)
    assert core.answers[0].accepted


async def test_a_full_window_is_no_obstacle_to_the_end(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    far = await connect(await start())
    await far.register(290, "app")
    link = core.live["app"]
    for number in range(link.window):
        link.push(notice(str(number)))
    link.close("rights lost")
    for number in range(link.window):
        assert (await far.message()).attrib["Id"] == str(number)
    assert await far.ended() == b""


async def test_an_entry_that_cannot_be_written_does_not_end_the_session(
    start: Start, connect: Connect, core: FakeCore, caplog: pytest.LogCaptureFixture
) -> None:
    far = await connect(await start())
    await far.register(190, "platform")
    core.fail_notes = OSError("the disk is full")
    await far.send(request(201, "1", "<EventId>e1</EventId>") + incoming("2"))
    assert await far.result() == ("1", Result.WRONG_DIRECTION)
    assert await far.result() == ("2", 0)
    assert "an entry was not journalled" in caplog.text


async def test_a_peer_with_a_dialect_of_its_own_is_known_by_its_registration(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    peer = PeerProfile(id="app", role=Role.APPLICATION, dialect=Dialect(encoding="gbk"))
    far = await connect(await start(peers=(peer,)))
    await far.register(290, "app")
    core.live["app"].push(Request(id="p1", message=VendorNotice(name="张三", body="x")))
    _, payload = await far.frame()
    assert "张三".encode("gbk") in payload


async def test_a_peer_with_a_dialect_of_its_own_is_known_by_its_host(
    start: Start, connect: Connect, core: FakeCore
) -> None:
    dialect = Dialect(encoding="gbk", byte_order="little")
    peer = PeerProfile(id="platform", role=Role.PLATFORM, dialect=dialect, address="127.0.0.1")
    far = await connect(await start(peers=(peer,)))
    hello = registration(190, "platform")
    length = (len(hello) - 4).to_bytes(2, "little")
    await far.send(b"\x01\x00" + length + hello[4:])
    header = await far.reader.readexactly(4)
    answer = await far.reader.readexactly(int.from_bytes(header[2:], "little"))
    assert b'Result="0"' in answer
    await core.until(lambda: core.begun)
