"""What the core promises about the disk, duplicates, bounds and what it observes."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from linkage.core import Core
from linkage.core.message_log import REFUSALS_PER_S
from linkage.ports import EntryKind, NoticeRequest
from linkage.store.sql.rebuild import differences, rebuild
from linkage.store.sql.unit import UnitOfWork
from protocol import messages as m
from protocol.codec import decode
from protocol.dialect import Dialect
from protocol.envelope import Request
from tests.fakes.core_bench import PEERS, peer
from tests.fakes.core_links import WAIT_S, FakeLink, Site, StuckUnit, accept, messages_of
from tests.fakes.said import create, hangup, incoming, transfer


# --- on disk -------------------------------------------------------------------------------------
async def test_what_is_answered_with_0_is_on_disk(site: Site) -> None:
    pbx = await site.connect("pbx")

    assert (await site.say(pbx, incoming())).result == 0

    with sqlite3.connect(site.config.database_path) as other:
        (count,) = other.execute("SELECT count(*) FROM journal WHERE type = 100").fetchone()
        (queued,) = other.execute("SELECT count(*) FROM delivery WHERE state = 'open'").fetchone()
    other.close()
    assert (count, queued) == (1, 1)


async def test_a_full_disk_refuses_changes_nothing_and_recovers(site: Site) -> None:
    pbx, desk = await site.connect("pbx"), await site.connect("desk")
    await site.say(pbx, incoming())
    await desk.heard(1)
    await site.limit_pages()

    big = "长" * 60_000
    refused = await site.say(pbx, hangup(content=big), "h1")
    also = await asyncio.gather(
        *(site.say(pbx, m.CallDataNotice(call_id="C1", data=(kv(big),))) for _ in range(3))
    )

    assert (refused.result, refused.retry_after_s) == (404, 5)
    assert {response.result for response in also} == {404}
    assert [row.type for row in messages_of(site)] == [100]
    await site.limit_pages(1_000_000)
    site.clock.advance(5)
    again = await site.say(pbx, hangup(content=big), "h1", resend=True)
    assert (again.result, again.detail) == (0, None)
    # There was room for the alarm of it.
    assert [request.type for request in await desk.heard(3)] == [100, 197, 102]


def kv(value: str) -> m.KeyValue:
    return m.KeyValue(key="k", value=value)


async def test_who_was_turned_away_at_the_door_is_held_to_the_time_that_it_was_told(
    site: Site,
) -> None:
    pbx, pbx2 = await site.connect("pbx"), await site.connect("pbx2")
    await site.write_protect()
    await site.say(pbx2, incoming("D1"))
    refused = await site.say(pbx, incoming("C1"))
    assert (refused.result, refused.retry_after_s) == (404, 5)
    await site.write_protect(on=False)
    await site.sweep()
    assert not site.core.store_failing

    assert (await site.say(pbx, incoming("C2"))).result == 404, "it would overtake C1"
    site.clock.advance(5)
    assert (await site.say(pbx, incoming("C1"))).result == 0


async def test_a_full_disk_does_not_lose_what_was_answered_meanwhile(site: Site) -> None:
    pbx, desk = await site.connect("pbx"), await site.connect("desk")
    await site.say(pbx, incoming())
    for number in range(1, 300):
        await site.say(pbx, m.CallDataNotice(call_id="C1", data=(kv("x" * 500),), version=number))
    await desk.heard(64)
    await site.write_protect()
    assert (await site.say(pbx, hangup())).result == 404

    # What was acknowledged while nothing could be written is written when it can be.
    desk.answer(desk.pushed[0])
    await site.sweep()
    assert await open_deliveries(site, "desk") == 300
    await site.write_protect(on=False)
    await site.sweep()
    assert await open_deliveries(site, "desk") == 300, "one is answered, the alarm is one more"
    desk.answers = accept
    for request in desk.pushed[1:64]:
        desk.answer(request)
    await desk.heard(302)

    queued = [request.seq for request in desk.pushed if request.seq is not None]
    assert queued == list(range(1, 302))


async def open_deliveries(site: Site, receiver: str) -> int:
    mine = f"receiver = '{receiver}' AND state = 'open'"
    return int(await site.sql(f"SELECT count(*) FROM delivery WHERE {mine}"))


# --- duplicates ----------------------------------------------------------------------------------
async def test_a_repeated_message_is_answered_as_before_and_does_nothing(site: Site) -> None:
    pbx, desk = await site.connect("pbx"), await site.connect("desk")
    await site.say(pbx, incoming(), "7")
    await desk.heard(1)
    entries = len(site.journal())

    plain = await site.say(pbx, incoming(), "7")
    marked = await site.say(pbx, incoming(), "7", resend=True)
    await site.settled()

    assert (plain.result, plain.detail) == (marked.result, marked.detail) == (0, "duplicate")
    assert len(site.journal()) == entries
    assert desk.types == [100]


async def test_a_repetition_is_known_after_a_restart(site: Site) -> None:
    pbx, desk = await site.connect("pbx"), await site.connect("desk")
    await site.say(pbx, incoming(), "7")
    await site.say(desk, create(), "1")
    await site.say(desk, transfer("C9"), "2")

    await site.kill()
    pbx, desk = await site.connect("pbx"), await site.connect("desk")

    assert (await site.say(pbx, incoming(), "7", resend=True)).detail == "duplicate"
    assert (await site.say(desk, create(), "1")).detail == "duplicate"
    refused = await site.say(desk, transfer("C9"), "2")
    assert (refused.result, refused.detail) == (301, "duplicate")
    assert len(messages_of(site)) == 2


async def test_repetitions_within_one_commit_count_once(site: Site) -> None:
    pbx = await site.connect("pbx")

    answers = await asyncio.gather(*(site.say(pbx, incoming(), "7") for _ in range(5)))

    assert [answer.result for answer in answers] == [0] * 5
    assert [answer.detail for answer in answers] == [None] + ["duplicate"] * 4
    assert len(messages_of(site)) == 1


async def test_another_type_body_or_sender_is_no_repetition(site: Site) -> None:
    pbx, pbx2 = await site.connect("pbx"), await site.connect("pbx2")
    for link in (pbx, pbx2):
        for message in (incoming(), incoming(phone_num="110"), hangup()):
            assert (await site.say(link, message, "7")).detail is None

    assert len(messages_of(site)) == 6


async def test_an_id_is_forgotten_after_two_days_but_for_what_is_sent_again(site: Site) -> None:
    desk = await site.connect("desk")
    await site.say(desk, m.SnapshotRequest(), "1")
    site.clock.advance(23 * 3600)
    assert (await site.say(desk, m.SnapshotRequest(), "1")).detail == "duplicate"

    site.clock.advance(48 * 3600)

    assert (await site.say(desk, m.SnapshotRequest(), "1", resend=True)).detail == "duplicate"
    assert (await site.say(desk, m.SnapshotRequest(), "1")).detail is None


async def test_a_peer_that_uses_one_id_for_everything_is_served(site: Site) -> None:
    pbx = await site.connect("pbx")
    for number in range(5):
        wave = [
            site.say(pbx, m.CallDataNotice(call_id="C", version=600 * number + n), "1")
            for n in range(600)
        ]
        assert {answer.detail for answer in await asyncio.gather(*wave)} == {None}

    latest = m.CallDataNotice(call_id="C", version=2999)
    assert (await site.say(pbx, latest, "1")).detail == "duplicate"


# --- bounds --------------------------------------------------------------------------------------
async def test_work_that_waits_for_the_disk_is_bounded(
    tmp_path: Path,
) -> None:
    StuckUnit.gate.set()
    async with Site(tmp_path, unit=StuckUnit, limits={"inbox": 10}) as site:
        pbx = await site.connect("pbx")
        StuckUnit.gate.clear()
        StuckUnit.entered.clear()
        loop = asyncio.get_running_loop()
        under_way = loop.create_task(site.say(pbx, incoming("C0")))
        assert await asyncio.to_thread(StuckUnit.entered.wait, 10)

        waiting = [loop.create_task(site.say(pbx, incoming(f"C{n}"))) for n in range(1, 31)]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        await site.core.note(pbx, EntryKind.MALFORMED, "dropped, for the same reason")
        StuckUnit.gate.set()
        answers = await asyncio.gather(under_way, *waiting)

        assert [answer.result for answer in answers] == [0] * 10 + [404] * 21
        assert answers[-1].retry_after_s == 1
        assert len(messages_of(site)) == 10
        assert EntryKind.MALFORMED not in {row.kind for row in site.journal()}


async def test_after_the_end_nothing_is_taken_and_nobody_waits_for_ever(tmp_path: Path) -> None:
    site = Site(tmp_path)
    async with site:
        pbx = await site.connect("pbx")
        last = asyncio.get_running_loop().create_task(site.say(pbx, incoming()))
        await asyncio.sleep(0)

    assert (await last).result == 0, "what was handed in before is still done"
    assert (await site.say(pbx, hangup())).result == 404


# --- encodings and adapters ----------------------------------------------------------------------
async def test_the_journal_is_in_utf_8_whatever_a_peer_speaks(tmp_path: Path) -> None:
    gbk = peer("gbk", "platform", dialect={"encoding": "gbk"})
    async with Site(tmp_path, (*PEERS, gbk)) as site:
        link = FakeLink(site.core, "gbk")
        await site.core.adopt(link, "gbk")
        site.core.begin(link)
        payload = (
            '<?xml version="1.0" encoding="gbk"?><request Id="1" Type="102">'
            "<CallId>C1</CallId><Content>火灾</Content><Unknown>词</Unknown></request>"
        ).encode("gbk")
        item = decode(payload, Dialect(encoding="gbk"))
        assert isinstance(item, Request)

        first = await site.core.submit(link, item)
        second = await site.core.submit(link, item)

        assert (first.result, second.detail) == (0, "duplicate")
        (row,) = messages_of(site)
        assert "火灾" in row.body.decode()
        assert "<Unknown>词</Unknown>" in row.body.decode(), "what is not understood is kept"
        again = rebuild(site.engine)
        assert differences(site.engine, again) == []
        again.dispose()


async def test_what_an_adapter_says_is_taken_as_it_will_be_read_again(site: Site) -> None:
    link = FakeLink(site.core, "pbx")
    await site.core.adopt(link, "pbx")
    exact = site.clock.utc() + timedelta(microseconds=123_456)

    message = m.HangupNotice(call_id="C1", content=" fire\n", start_time=exact, end_time=exact)
    request = Request(id="a1", message=message, time=exact)
    done = await site.core.record(link, [NoticeRequest(request, reconstructed=True)], {})

    # The fixture rebuilds: a digit that the journal does not keep would show there.
    assert [response.result for response in done.responses] == [0]
    assert messages_of(site)[0].reconstructed


# --- observations --------------------------------------------------------------------------------
async def test_what_links_observe_stands_in_the_journal(site: Site) -> None:
    pbx = await site.connect("pbx")
    stranger = FakeLink(site.core, "?")

    await site.core.note(pbx, EntryKind.MALFORMED, "not XML", raw=b"<", result=100)
    await site.core.note(stranger, EntryKind.STRANGER, "knocked")
    site.core.closed(pbx, "gone")
    site.core.closed(pbx, "gone again")
    await site.settled()

    rows = [(row.kind, row.source, row.detail, row.body) for row in site.journal()]
    assert (EntryKind.MALFORMED, "pbx", "not XML", b"<") in rows
    assert (EntryKind.STRANGER, stranger.address, "knocked", b"") in rows
    assert [row[2] for row in rows if row[0] == EntryKind.SESSION_CLOSED] == ["gone"]


async def test_begin_and_end_stand_in_the_journal(site: Site) -> None:
    await site.restart()

    kinds = [row.kind for row in site.journal()]
    assert kinds == [EntryKind.STARTED, EntryKind.STOPPED, EntryKind.STARTED]


async def test_a_farewell_concerns_no_call(site: Site) -> None:
    pbx, desk = await site.connect("pbx"), await site.connect("desk")
    await site.say(pbx, incoming())

    assert (await site.say(pbx, m.PlatformLeave(call_id="C1", event_id="E9"))).result == 0
    assert (await site.say(desk, m.AppLeave(reason="done"))).result == 0

    assert desk.types == [100]


async def test_who_watches_and_fails_costs_nobody_an_answer_or_a_delivery(tmp_path: Path) -> None:
    def break_(_span: object) -> None:
        raise RuntimeError("a bug of the watcher")

    site = Site(tmp_path)
    site.core = Core(site.config, UnitOfWork(site.engine), site.clock, {}, spans=break_)
    async with site:
        pbx, desk = await site.connect("pbx"), await site.connect("desk")
        desk.answers = accept
        for number in range(2):
            response = await asyncio.wait_for(site.say(pbx, incoming(f"C{number}")), WAIT_S)
            assert response.result == 0
        await desk.heard(2)
        await site.settled()

        assert desk.reasons == []
        assert await site.sql("SELECT count(*) FROM delivery WHERE state = 'open'") == 0


async def test_a_receiver_that_makes_results_up_fills_neither_the_figures_nor_the_log(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "linkage.messages")
    pbx, desk = await site.connect("pbx"), await site.connect("desk", window=REFUSALS_PER_S * 2)
    await site.say(pbx, incoming())
    await asyncio.gather(
        *(site.say(pbx, m.HoldNotice(call_id="C1")) for _ in range(REFUSALS_PER_S + 5))
    )
    for number, request in enumerate(await desk.heard(REFUSALS_PER_S + 6)):
        desk.answer(request, 1_000_000 + number)
    await site.settled()

    assert list(site.core.figures.deliveries) == [999]
    lines = [line for line in caplog.messages if "refused by desk" in line]
    assert len(lines) == REFUSALS_PER_S


async def test_what_a_receiver_accepts_in_one_turn_is_one_piece_of_work(site: Site) -> None:
    pbx, desk = await site.connect("pbx"), await site.connect("desk")
    for number in range(5):
        await site.say(pbx, incoming(f"C{number}"))
    pushed = list(await desk.heard(5))
    await site.settled()

    for request, result in zip(pushed, (0, 0, 300, 0, 1), strict=True):
        desk.answer(request, result)
    assert site.core.inbox == 3, "three accepted alike, a refusal, and one accepted otherwise"
    await site.settled()

    states = "SELECT group_concat(state || result) FROM (SELECT * FROM delivery ORDER BY seq)"
    assert await site.sql(states) == "done0,done0,refused300,done0,done1"
    assert site.core.figures.deliveries == {0: 3, 300: 1, 1: 1}


async def test_what_was_accepted_in_another_turn_is_another_piece_of_work(site: Site) -> None:
    pbx, desk = await site.connect("pbx"), await site.connect("desk")
    for number in range(2):
        await site.say(pbx, incoming(f"C{number}"))
        desk.answer((await desk.heard(number + 1))[number])
        await site.settled()

    assert await site.sql("SELECT count(*) FROM delivery WHERE state = 'done'") == 2


async def test_an_acceptance_beside_a_registration_joins_none_from_before_it(site: Site) -> None:
    pbx, old = await site.connect("pbx"), await site.connect("desk")
    for number in range(2):
        await site.say(pbx, incoming(f"C{number}"))
    first, second = await old.heard(2)
    await site.settled()

    old.answer(first)
    newer = FakeLink(site.core, "desk")
    registering = asyncio.ensure_future(  # noqa: TID251 - awaited below
        site.core.register(newer, site.registration("desk", last_seq=first.seq))
    )
    await asyncio.sleep(0)
    old.answer(second)
    assert (await registering).result == 0
    site.core.begin(newer)
    await site.settled()

    assert newer.seqs == [second.seq], "the newer session has not got it"
