"""Too much at once, and a disk that is slow: who waits, who is refused, and who is told."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from linkage.core.overload.conditions import CALM_S
from linkage.core.own_entries import Observe
from linkage.ports import EntryKind
from protocol import messages as m
from protocol.envelope import Response
from tests.fakes.core_links import FakeLink, Site, StuckUnit
from tests.fakes.said import incoming
from tests.fault.plant import plant, until


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A core whose disk hangs while the gate is closed."""
    StuckUnit.gate.set()
    limits = {"inbox_per_peer": 20, "inbox": 100, "inbox_wait_s": 10}
    async with Site(tmp_path, unit=StuckUnit, limits=limits) as site:
        yield site
        StuckUnit.gate.set()


async def hang(site: Site, link: FakeLink) -> asyncio.Task[Response]:
    """Close the gate on a commit that is under way; its task."""
    StuckUnit.gate.clear()
    StuckUnit.entered.clear()
    task = asyncio.get_running_loop().create_task(site.say(link, incoming("first")))
    assert await asyncio.to_thread(StuckUnit.entered.wait, 10)
    return task


def look(site: Site) -> None:
    """What the core does after each batch and every second."""
    site.core._admission.look(site.core.inbox, site.core.oldest_work_s)


def begin(site: Site, link: FakeLink, count: int) -> list[asyncio.Task[Response]]:
    loop = asyncio.get_running_loop()
    return [
        loop.create_task(site.say(link, m.MuteNotice(call_id=f"{link.peer}{number}")))
        for number in range(count)
    ]


async def test_a_storm_is_refused_beyond_its_share_and_costs_nobody_else(site: Site) -> None:
    storm, calm = await site.connect("pbx"), await site.connect("pbx2")
    first = await hang(site, calm)
    stormy = begin(site, storm, 200)
    await asyncio.wait(stormy, return_when=asyncio.FIRST_COMPLETED)
    quiet = begin(site, calm, 5)
    StuckUnit.gate.set()

    answers = await asyncio.gather(*stormy)
    assert [answer.result for answer in answers] == [0] * 20 + [404] * 180
    assert {answer.retry_after_s for answer in answers[20:]} == {1}
    assert {answer.result for answer in await asyncio.gather(first, *quiet)} == {0}

    # What was refused is not overtaken by what follows it, though there is room again.
    assert (await site.say(storm, m.MuteNotice(call_id="early"))).result == 404
    site.clock.advance(1)
    assert (await site.say(storm, m.MuteNotice(call_id="in time"))).result == 0


async def test_a_disk_that_hangs_is_told_at_once_and_its_end_too(site: Site) -> None:
    desk, pbx = await site.connect("desk"), await site.connect("pbx")
    first = await hang(site, pbx)
    site.clock.advance(11)
    look(site)

    (alarm,) = await desk.heard(1)
    assert isinstance(alarm.message, m.AlarmNotice)
    assert (alarm.message.alarm_id, alarm.message.action) == ("overload", m.AlarmAction.RAISE)
    assert alarm.seq is None, "it is not on disk yet"
    refused = await site.say(pbx, m.MuteNotice(call_id="C1"))
    assert (refused.result, refused.retry_after_s) == (404, 1)

    StuckUnit.gate.set()
    assert (await first).result == 0
    await desk.until(lambda: 197 in desk.types[1:])
    site.clock.advance(1)
    assert (await site.say(pbx, m.MuteNotice(call_id="C1"))).result == 0
    site.clock.advance(CALM_S)
    await site.sweep()
    kinds = [row.kind for row in site.journal() if row.type == 197]
    assert kinds == [EntryKind.ALARM, EntryKind.ALARM_CLEARED]


async def test_too_much_at_once_is_one_alarm(site: Site) -> None:
    links = [await site.connect(name) for name in ("pbx", "pbx2", "desk", "other")]
    first = await hang(site, links[0])
    tasks = [task for _ in range(2) for link in links[:2] for task in begin(site, link, 19)]
    for _ in range(60):
        site.core._writer.put(Observe("linkage", EntryKind.STRANGER, "knocked"))
    await asyncio.sleep(0)
    look(site)
    look(site)
    refused = await site.say(links[2], m.QueryCapability())
    StuckUnit.gate.set()

    await asyncio.gather(first, *tasks)
    assert refused.result == 404
    await site.settled()
    (row,) = [row for row in site.journal() if row.type == 197]
    assert "wait for the disk" in str(row.detail)


async def test_a_slow_disk_leaves_sessions_alive_and_answers_in_the_end(tmp_path: Path) -> None:
    timers = {"heartbeat_s": 0.1, "dead_after_s": 1.5}
    async with (
        plant(tmp_path, timers=timers) as running,
        running.platform() as pbx,
        running.application() as desk,
        running.monitor(),
    ):
        other = sqlite3.connect(running.config.database_path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")  # now no commit comes through
        loop = asyncio.get_running_loop()
        telling = loop.create_task(pbx.notify(incoming("C1")))
        # Twice the time after which silence kills.
        over = loop.time() + 2 * running.config.timers.dead_after_s
        await until(lambda: loop.time() > over)
        assert not telling.done()
        other.execute("ROLLBACK")
        other.close()

        assert (await telling).result == 0
        notice = await desk.next_notice()
        assert notice.message.call_id == "C1"
        assert all(running.core.peers.by_id[name].connected for name in ("pbx", "desk", "watch"))
        kinds = {row.kind for row in running.journal()}
        assert not kinds & {EntryKind.KEEPALIVE_FAILURE, EntryKind.SESSION_CLOSED}
