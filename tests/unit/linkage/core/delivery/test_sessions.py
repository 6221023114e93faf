"""What a receiver gets, and gets again, across its sessions and those of the disk."""

from __future__ import annotations

import asyncio

import pytest

from linkage.core.delivery import queues
from linkage.core.delivery.queue_reader import Loaded
from linkage.core.overload import admission
from linkage.core.scope import Done
from linkage.core.sweeper import Sweep
from linkage.ports import EntryKind
from protocol import messages as m
from tests.fakes.core_bench import SECRET
from tests.fakes.core_links import FakeLink, Site, accept, many
from tests.fakes.said import hangup, incoming


async def test_a_slow_reader_misses_nothing_and_gets_nothing_twice(site: Site) -> None:
    pbx, desk, other = [await site.connect(name) for name in ("pbx", "desk", "other")]
    await site.say(pbx, incoming())
    await many(site, pbx, 1499)
    await site.settled()
    assert desk.seqs == list(range(1, 65))
    await site.say(pbx, m.PlatformStatusNotice(load=1))
    await other.heard(1)  # who reads is not held up by who does not

    desk.answers = accept
    for request in list(desk.pushed):
        desk.answer(request)
    await desk.heard(1501)
    await site.settled()

    assert desk.seqs == list(range(1, 1502))
    assert [request.message.login_id for request in desk.pushed[1:1500]] == [
        str(number) for number in range(1499)
    ]
    assert not any(request.resend for request in desk.pushed)


async def test_delivery_goes_on_after_what_was_acknowledged(site: Site) -> None:
    pbx, desk = await site.connect("pbx"), await site.connect("desk")
    await site.say(pbx, incoming())
    await many(site, pbx, 9)
    await desk.heard(10)
    for request in desk.pushed[:4]:
        desk.answer(request)
    await site.settled()

    await site.kill()
    again = FakeLink(site.core, "desk")
    response = await site.core.register(again, site.registration("desk"))
    assert response.last_seq == 4
    assert again.pushed == [], "nothing before the registration was answered"
    site.core.begin(again)
    await again.heard(6)

    assert again.seqs == list(range(5, 11))
    assert all(request.resend for request in again.pushed)
    first = {request.seq: request for request in desk.pushed}
    assert all(first[r.seq].message == r.message and first[r.seq].id == r.id for r in again.pushed)


async def test_delivery_goes_on_after_what_the_receiver_says_it_has(site: Site) -> None:
    pbx, desk = await site.connect("pbx"), await site.connect("desk")
    await site.say(pbx, incoming())
    await many(site, pbx, 9)
    await desk.heard(10)
    for request in desk.pushed:
        desk.answer(request)
    await site.settled()

    again = await site.connect("desk", last_seq=7)
    await again.heard(3)
    assert again.seqs == [8, 9, 10]
    assert all(request.resend for request in again.pushed)

    later = await site.connect("desk", last_seq=10)
    await site.say(pbx, hangup())
    await later.heard(1)
    assert later.seqs == [11]


async def test_a_session_that_is_being_replaced_settles_nothing_that_the_newer_one_lacks(
    site: Site,
) -> None:
    pbx, older = await site.connect("pbx"), await site.connect("desk")
    for number in range(3):
        await site.say(pbx, incoming(f"C{number}"))
    pushed = await older.heard(3)
    older.answer(pushed[0])

    newer = FakeLink(site.core, "desk")
    async with asyncio.TaskGroup() as group:
        group.create_task(site.core.register(newer, site.registration("desk", last_seq=1)))
        await asyncio.sleep(0)
        older.answer(pushed[1])  # while the registration waits for the disk
    site.core.begin(newer)

    assert [request.seq for request in await newer.heard(2)] == [2, 3]


async def test_a_link_that_is_taken_over_from_an_earlier_core_gives_way_to_one_that_is_anew(
    site: Site,
) -> None:
    kept, newer = FakeLink(site.core, "desk"), FakeLink(site.core, "desk")

    response, taken = await asyncio.gather(
        site.core.register(newer, site.registration("desk")),
        site.core.resume(kept, "desk", ()),
    )

    assert response.result == 0
    assert not taken
    assert newer.reasons == []


async def answered_on_a_full_disk(site: Site) -> None:
    """Two notices that a session has answered, which is not on disk yet."""
    pbx, desk = await site.connect("pbx"), await site.connect("desk")
    for call in ("C1", "C2"):
        await site.say(pbx, incoming(call))
    await desk.heard(2)
    await site.write_protect()
    assert (await site.say(pbx, hangup())).result == 404
    for request in desk.pushed[:2]:
        desk.answer(request)
    await site.settled()
    await site.write_protect(on=False)


async def test_a_registration_in_the_turn_of_the_next_attempt_at_the_disk_misses_nothing(
    site: Site,
) -> None:
    await answered_on_a_full_disk(site)

    link = FakeLink(site.core, "desk")
    async with asyncio.TaskGroup() as group:
        early = group.create_task(site.core.register(link, site.registration("desk", last_seq=0)))
        await asyncio.sleep(0)
        await site.sweep()
    again = link
    if early.result().accepted:
        site.core.begin(link)
    else:
        again = await site.connect("desk", last_seq=0)

    await again.until(lambda: {1, 2} <= set(again.seqs))


@pytest.mark.parametrize("accepted", [True, False])
async def test_answers_that_wait_for_the_disk_settle_nothing_that_a_newer_session_lacks(
    site: Site, accepted: bool
) -> None:
    await answered_on_a_full_disk(site)
    site.core._writer.put(Sweep(frozenset(), site.core._steady_us()))
    await site.settled()
    assert not site.core.store_failing

    again = FakeLink(site.core, "desk")
    secret = SECRET if accepted else "a guess"
    asked = site.registration("desk", last_seq=0, secret=secret)
    assert (await site.core.register(again, asked)).accepted is accepted
    await site.sweep()

    open_ = "SELECT count(*) FROM delivery WHERE receiver = 'desk' AND state = 'open' AND seq < 3"
    assert await site.sql(open_) == (2 if accepted else 0)


async def test_a_registration_that_is_refused_costs_no_answer_of_the_session_that_stays(
    site: Site,
) -> None:
    pbx, older = await site.connect("pbx"), await site.connect("desk")
    await site.say(pbx, incoming())
    (pushed,) = await older.heard(1)

    stranger = site.registration("desk", secret="a guess of nobody", last_seq=0)
    async with asyncio.TaskGroup() as group:
        group.create_task(site.core.register(FakeLink(site.core, "desk"), stranger))
        await asyncio.sleep(0)
        older.answer(pushed)
    await site.settled()

    assert await site.sql("SELECT state FROM delivery WHERE receiver = 'desk'") == "done"


async def test_who_has_everything_is_told_how_far_that_is(site: Site) -> None:
    pbx, desk = await site.connect("pbx"), await site.connect("desk")
    desk.answers = accept
    await site.say(pbx, incoming())
    await many(site, pbx, 2)
    await desk.heard(3)
    await site.settled()

    again = FakeLink(site.core, "desk")
    welcome = await site.core.register(again, site.registration("desk"))
    assert welcome.last_seq == 3


async def test_a_queue_that_could_not_be_read_is_read_again_but_not_for_an_older_session(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "LOAD_AGAIN_S", 0.0)
    await site.connect("desk")
    outbox = site.core._queues.of("desk")
    outbox.restart(0)
    outbox.loading = True
    failed: Done[Loaded] = Done(error=OSError("disk I/O error"))
    site.core._queues._loaded(outbox, outbox.generation - 1, failed)
    await site.settled()
    assert (outbox.loading, outbox.behind) == (True, True), "its own is under way"

    site.core._queues._loaded(outbox, outbox.generation, failed)
    async with asyncio.timeout(30):
        while outbox.behind:  # noqa: ASYNC110 - a queue has no event
            await asyncio.sleep(0.01)


async def test_while_too_much_waits_for_the_disk_no_more_is_read_from_queues(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    pbx = await site.connect("pbx")
    await site.say(pbx, incoming())
    monkeypatch.setattr(admission, "KEPT_MAX", 0)
    desk = await site.connect("desk")
    await site.settled()
    assert desk.pushed == []
    monkeypatch.setattr(admission, "KEPT_MAX", 1)
    site.core._queues.load_all()
    await desk.heard(1)


async def test_who_knows_another_store_is_told_of_the_gap(site: Site) -> None:
    pbx = await site.connect("pbx")
    await site.say(pbx, incoming())

    desk = await site.connect("desk", last_seq=900)
    await desk.heard(2)

    assert desk.types == [100, 195]
    gap = desk.pushed[1].message
    assert isinstance(gap, m.GapNotice)
    assert (gap.from_seq, gap.to_seq, gap.cause) == (2, 900, m.GapCause.RESTART)


async def test_an_acknowledgement_of_a_notice_is_on_disk_before_the_next_session(
    site: Site,
) -> None:
    pbx, desk = await site.connect("pbx"), await site.connect("desk")
    await site.say(pbx, incoming())
    await desk.heard(1)

    desk.answer(desk.pushed[0])
    again = await site.connect("desk")
    await site.say(pbx, hangup())
    await again.heard(1)

    assert again.types == [102]
    assert EntryKind.SESSION_CLOSED in {row.kind for row in site.journal()}


async def test_what_a_receiver_could_not_take_stays_due_on_disk_and_comes_again(
    site: Site,
) -> None:
    pbx, desk = await site.connect("pbx"), await site.connect("desk")
    await site.say(pbx, incoming())
    await desk.heard(1)
    desk.answer(desk.pushed[0], 404)
    await site.settled()
    assert await site.sql("SELECT state FROM delivery WHERE receiver = 'desk'") == "open"
    await site.sweep()
    assert desk.types == [100]
    site.clock.advance(6)
    await site.sweep()
    await desk.heard(2)
    assert desk.pushed[1].resend
    desk.answer(desk.pushed[1])
    await site.settled()
    assert await site.sql("SELECT state FROM delivery WHERE receiver = 'desk'") == "done"
