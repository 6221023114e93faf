"""Peers that do not read, or are gone without a word: what they cost, and whom."""

from __future__ import annotations

import asyncio
from pathlib import Path

from linkage.client import Application, Received
from linkage.core.delivery.outbox import FLIGHT_BYTES_MAX, QUEUE_BYTES_MAX
from linkage.ports import EntryKind
from protocol import messages as m
from protocol.roles import Role
from simulators.faults import FaultProxy
from tests.fakes.said import incoming
from tests.fault.plant import listen, plant, until

LARGE = m.KeyValue(key="k", value="x" * 60_000)
MESSAGE_BYTES = 61_000


async def test_peers_that_do_not_read_hold_little_and_delay_nobody(tmp_path: Path) -> None:
    heard: list[Received] = []
    async with plant(tmp_path) as running:
        deaf = await running.deaf("deaf")
        watch = await running.deaf("watch", Role.MONITOR)
        async with running.platform() as pbx, asyncio.TaskGroup() as group:
            await pbx.notify(incoming("D1", to_num="3333"), check=True)
            async with running.application() as desk:
                group.create_task(listen(desk, heard))
                await pbx.notify(incoming("C1"), check=True)
                for number in range(100):
                    data = m.CallDataNotice(call_id="D1", data=(LARGE,), version=number)
                    await pbx.notify(data, check=True)
                    await pbx.notify(m.MuteNotice(call_id="C1", login_id=str(number)), check=True)
                await until(lambda: len(heard) == 101)

        # Six megabytes wait for each of them, on disk.
        most = QUEUE_BYTES_MAX + FLIGHT_BYTES_MAX + 2 * MESSAGE_BYTES
        for name in ("deaf", "watch"):
            assert running.held(name) <= most
            assert running.unsent(name) <= FLIGHT_BYTES_MAX + MESSAGE_BYTES
        assert [item.message.login_id for item in heard[1:]] == [str(n) for n in range(100)]

        deaf.close()
        watch.close()
        late: list[Received] = []
        async with running.application("deaf") as deaf_no_more, asyncio.TaskGroup() as group:
            group.create_task(listen(deaf_no_more, late))
            await until(lambda: len(late) == 101)
            await deaf_no_more.close()
        assert [item.seq for item in late] == list(range(1, 102)), "nothing lost, in order"


async def test_a_peer_that_vanished_is_found_and_its_next_link_goes_on(tmp_path: Path) -> None:
    timers = {"heartbeat_s": 0.1, "dead_after_s": 0.5}
    heard: list[Received] = []
    async with (
        plant(tmp_path, timers=timers) as running,
        FaultProxy(to=("127.0.0.1", running.port)) as proxy,
        running.platform() as pbx,
    ):
        # The desk's own end would take longer to find it out.
        options = running.options() | {"timers": running.timers(dead_after_s=2)}
        desk = Application(*proxy.address, "desk", **options)
        await pbx.notify(incoming("C1"), check=True)
        async with desk, asyncio.TaskGroup() as group:
            group.create_task(listen(desk, heard))
            await until(lambda: len(heard) == 1)
            proxy.half_open()
            for number in range(10):
                await pbx.notify(m.MuteNotice(call_id="C1", login_id=str(number)), check=True)
            await until(lambda: not running.core.peers.by_id["desk"].connected)
            await until(lambda: len(heard) == 11)
            await desk.close()
        missed = [row for row in running.journal() if row.kind == EntryKind.KEEPALIVE_FAILURE]
        assert "desk" in {row.source for row in missed}
    assert [item.message.login_id for item in heard[1:]] == [str(n) for n in range(10)]
