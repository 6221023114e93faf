"""A registration that goes far back takes many batches, in which everybody else is served."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from linkage.core.delivery import resuming
from tests.fakes.core_links import FakeLink, Site
from tests.fakes.said import hangup, incoming


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    monkeypatch.setattr(resuming, "ROWS_MAX", 2)
    async with Site(tmp_path) as made:
        yield made


async def nine_answered(site: Site) -> tuple[FakeLink, FakeLink]:
    pbx, desk = await site.connect("pbx"), await site.connect("desk")
    for number in range(9):
        await site.say(pbx, incoming(f"C{number}"))
    await desk.heard(9)
    for request in desk.pushed:
        desk.answer(request)
    await site.settled()
    return pbx, desk


async def test_what_comes_meanwhile_is_taken_and_delivered_behind_what_is_repeated(
    site: Site,
) -> None:
    pbx, _ = await nine_answered(site)
    again = FakeLink(site.core, "desk")
    async with asyncio.TaskGroup() as group:
        registered = group.create_task(
            site.core.register(again, site.registration("desk", last_seq=1))
        )
        assert (await site.say(pbx, hangup("C0"))).result == 0
        assert not registered.done(), "others do not wait for it"
    assert registered.result().result == 0
    assert again.pushed == []
    site.core.begin(again)

    await again.heard(9)
    assert again.seqs == [2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert all(request.resend for request in again.pushed if (request.seq or 0) < 10)


async def test_the_newer_of_two_registrations_is_let_in_and_gets_what_it_lacks(site: Site) -> None:
    await nine_answered(site)
    first, second = FakeLink(site.core, "desk"), FakeLink(site.core, "desk")
    older, newer = await asyncio.gather(
        site.core.register(first, site.registration("desk", last_seq=8)),
        site.core.register(second, site.registration("desk", last_seq=3)),
    )
    assert (older.result, newer.result) in {(0, 0), (404, 0)}
    site.core.begin(second)
    await second.heard(6)
    assert second.seqs == [4, 5, 6, 7, 8, 9]


async def test_a_process_that_dies_on_the_way_costs_a_later_registration_nothing(
    site: Site,
) -> None:
    await nine_answered(site)
    going = asyncio.gather(
        site.core.register(FakeLink(site.core, "desk"), site.registration("desk", last_seq=0))
    )
    await asyncio.sleep(0)
    await site.settled()
    assert not going.done()
    going.cancel()
    await site.kill()
    after = await site.connect("desk")
    heard = [seq for seq in after.seqs if seq is not None]
    assert heard == list(range(min(heard), 10)), "no hole in it"
    again = await site.connect("desk", last_seq=0)
    await again.heard(9)
    assert again.seqs == list(range(1, 10))
