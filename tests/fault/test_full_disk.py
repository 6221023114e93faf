"""A disk that takes nothing: what is refused, what is kept, who is told, and how it ends."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from linkage.client import Received
from linkage.core.overload.conditions import CALM_S
from linkage.ports import EntryKind
from protocol import messages as m
from tests.fakes.core_bench import PEERS, peer
from tests.fakes.core_links import FakeLink, Site, accept
from tests.fakes.said import incoming
from tests.fault.plant import listen, plant, until
from tests.load.pressure.disks import use_up

SCREEN = peer("seat", "communication-screen", login="23")


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with Site(tmp_path, (*PEERS, SCREEN)) as site:
        yield site


async def fill(site: Site, pbx: FakeLink) -> None:
    """The disk is full, and linkage has met it."""
    await site.write_protect()
    refused = await site.say(pbx, m.MuteNotice(call_id="unheard"))
    assert (refused.result, refused.retry_after_s) == (404, 5)


async def test_nobody_is_asked_to_wait_for_a_full_disk(site: Site) -> None:
    pbx, other = await site.connect("pbx"), await site.connect("pbx2")
    await fill(site, pbx)

    for link in (other, pbx):
        refused = await site.say(link, m.MuteNotice(call_id="C1"))
        assert (refused.result, refused.retry_after_s) == (404, 5)
    response = await site.core.register(FakeLink(site.core, "desk"), site.registration("desk"))
    assert (response.result, response.retry_after_s) == (404, 5)
    assert site.core.figures.requests[114, 404] == 3


async def test_who_is_here_hears_of_it_at_once_and_from_the_journal_afterwards(
    site: Site,
) -> None:
    pbx, desk = await site.connect("pbx"), await site.connect("desk")
    seat = FakeLink(site.core, "seat")
    await site.core.adopt(seat, "seat")
    site.core.begin(seat)
    await site.settled()
    await fill(site, pbx)
    began = site.clock.utc()

    (alarm,) = await desk.heard(1)
    assert (alarm.type, alarm.seq) == (197, None)
    assert isinstance(alarm.message, m.AlarmNotice)
    assert (alarm.message.alarm_id, alarm.message.level) == ("store", "critical")
    await seat.heard(1)
    assert seat.types == [397]
    for _ in range(3):
        site.clock.advance(1)
        await site.sweep()
    assert (desk.types, pbx.types) == ([197], []), "once"

    desk.answers = accept
    await site.write_protect(on=False)
    await site.sweep()
    again = (await desk.heard(2))[1]
    assert (again.seq, again.time, again.message) == (1, began, alarm.message)
    await site.settled()
    site.clock.advance(CALM_S)
    await site.sweep()
    assert (await desk.heard(3))[2].message == m.AlarmNotice(
        alarm_id="store",
        level="critical",
        source="linkage",
        text="the store is written again",
        action=m.AlarmAction.CLEAR,
    )
    kinds = [row.kind for row in site.journal() if row.type == 197]
    assert kinds == [EntryKind.ALARM, EntryKind.ALARM_CLEARED]


async def test_what_was_refused_is_not_overtaken_by_what_came_behind_it(site: Site) -> None:
    pbx = await site.connect("pbx")
    await site.say(pbx, incoming("C1"))
    await fill(site, pbx)
    await site.write_protect(on=False)
    await site.sweep()

    # Sent before the platform knew of the refusal, it comes when the disk is well.
    late = await site.say(pbx, m.HangupNotice(call_id="C1", reason=100))
    assert (late.result, late.retry_after_s) == (404, 5)
    site.clock.advance(5)
    assert (await site.say(pbx, m.MuteNotice(call_id="C1"))).result == 0
    assert (await site.say(pbx, m.HangupNotice(call_id="C1", reason=100))).result == 0
    types = [row.type for row in site.journal() if row.kind == EntryKind.MESSAGE]
    assert types == [100, 114, 102]


async def test_what_waits_on_a_full_disk_is_still_delivered(site: Site) -> None:
    pbx, desk = await site.connect("pbx"), await site.connect("desk")
    await site.say(pbx, incoming("C1"))
    for _ in range(400):
        await site.say(pbx, m.MuteNotice(call_id="C1"))
    await fill(site, pbx)

    desk.answers = accept
    for request in list(desk.pushed):
        desk.answer(request)
    await desk.until(lambda: len([seq for seq in desk.seqs if seq is not None]) == 401)
    assert await site.sql("SELECT count(*) FROM delivery WHERE state = 'done'") == 0

    await site.write_protect(on=False)
    await site.sweep()
    await site.settled()
    done = await site.sql("SELECT count(*) FROM delivery WHERE state = 'done'")
    assert done >= 401, "every acknowledgement was kept"


async def test_observations_made_meanwhile_are_journalled_afterwards(site: Site) -> None:
    pbx = await site.connect("pbx")
    await fill(site, pbx)
    await site.core.note(pbx, EntryKind.MALFORMED, "not XML")
    site.core.closed(pbx, "gone")
    await site.settled()
    await site.write_protect(on=False)
    await site.sweep()
    kinds = [row.kind for row in site.journal()]
    assert kinds.count(EntryKind.MALFORMED) == kinds.count(EntryKind.SESSION_CLOSED) == 1


async def test_a_disk_that_fills_up_is_told_while_there_is_room(tmp_path: Path) -> None:
    async with Site(tmp_path, limits={"disk_free_mb": 10**9}) as site:
        pbx, desk = await site.connect("pbx"), await site.connect("desk")
        await site.sweep()
        (alarm,) = await desk.heard(1)
        assert isinstance(alarm.message, m.AlarmNotice)
        assert (alarm.message.alarm_id, alarm.seq) == ("disk-low", 1)
        assert (await site.say(pbx, incoming())).result == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of a few MiB."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        reason = "only root may mount a small disk"
        if os.environ.get("LINKAGE_REQUIRE_REAL") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


@pytest.mark.campaign
async def test_a_full_disk_loses_nothing_and_serving_resumes_by_itself(small_disk: Path) -> None:
    heard: list[Received] = []
    calls = [str(number) for number in range(400)]
    async with (
        plant(small_disk) as running,
        running.platform() as pbx,
        running.application() as desk,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(listen(desk, heard))
        telling = []
        for call in calls:
            telling.append(group.create_task(pbx.notify(incoming(f"C{call}"))))
            if call == "100":
                await asyncio.wait(telling)
                use_up(small_disk / "ballast")
        await until(lambda: running.core.store_failing)
        await until(lambda: any(item.message.number == 197 for item in heard))
        assert not all(task.done() for task in telling)
        (small_disk / "ballast").unlink()

        assert {answer.result for answer in await asyncio.gather(*telling)} == {0}
        await until(lambda: sum(item.message.number == 100 for item in heard) == len(calls))
        await desk.close()
        assert not running.core.store_failing
    told = [str(item.message.call_id) for item in heard if item.message.number == 100]
    assert told == [f"C{call}" for call in calls], "all of them, once, in order"
