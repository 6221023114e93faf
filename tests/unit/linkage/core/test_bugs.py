"""Our own bugs, and rows that cannot be read: each costs what it is about, and nothing else."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from linkage.core.context import Context
from linkage.core.delivery.acknowledge import Acknowledge
from linkage.core.delivery.queue_reader import READS_MAX
from linkage.core.delivery.queues import LoadQueue
from linkage.core.job import Job
from linkage.core.own_entries import Observe
from linkage.core.scope import Done
from linkage.ports import EntryKind
from linkage.ports.store import StoreFailedError
from linkage.store.sql import journal
from linkage.store.sql.driver import Row
from linkage.store.sql.unit import UnitOfWork
from linkage.tracing.context import Conversations
from protocol import messages as m
from protocol.envelope import Request, Response
from tests.fakes.core_bench import Bench
from tests.fakes.core_links import WAIT_S, Site, accept
from tests.fakes.faulty_stores import OnRead, OnWrite, watch_look_ups
from tests.fakes.said import call_out, incoming, transfer


class FaultyUnit(UnitOfWork):
    """Has a bug that one call meets."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        watch_look_ups(self, self.looked_up)

    def looked_up(self, native: str) -> None:
        if native == "call:BUG":
            raise ZeroDivisionError


async def test_a_bug_costs_one_message_of_a_batch(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Site(tmp_path, unit=FaultyUnit) as site:
        pbx, desk = await site.connect("pbx"), await site.connect("desk")

        answers = await asyncio.gather(
            *(site.say(pbx, incoming(call)) for call in ("C1", "BUG", "C2"))
        )
        repeated = await site.say(pbx, incoming("BUG"), answers[1].request_id)
        await desk.heard(2)

        assert [answer.result for answer in answers] == [0, 500, 0]
        assert [request.message.call_id for request in desk.pushed] == ["C1", "C2"]
        assert "internal error" in caplog.text
        # It stands in the journal for who looks for the bug, and is not met by a repetition.
        assert (repeated.result, repeated.detail) == (500, "duplicate")
        (entry,) = [row for row in site.journal() if row.result == 500]
        assert (entry.kind, entry.call_id) == ("Refused", "BUG")


class FaultyAndFullUnit(FaultyUnit):
    """The disk takes nothing of what the bug leaves to be written, the first time."""

    def __init__(self, engine: Engine) -> None:
        self.is_full = self.was_full = False
        super().__init__(engine)
        OnWrite(self._tx, self.written)

    def looked_up(self, native: str) -> None:
        self.is_full = native == "call:BUG" and not self.was_full
        super().looked_up(native)

    def written(self) -> None:
        if self.is_full:
            self.is_full, self.was_full = False, True
            raise sqlite3.OperationalError("database or disk is full")


async def test_a_bug_that_no_disk_takes_is_not_answered_for_good(tmp_path: Path) -> None:
    async with Site(tmp_path, unit=FaultyAndFullUnit) as site:
        pbx = await site.connect("pbx")
        refused = await site.say(pbx, incoming("BUG"), "bug")
        assert (refused.result, refused.retry_after_s) == (404, 5)
        assert site.core.store_failing
        site.clock.advance(6)
        await site.sweep()
        assert (await site.say(pbx, incoming("C1"))).result == 0
        assert (await site.say(pbx, incoming("BUG"), "bug")).result == 500


async def test_data_answers_do_not_get_an_id_of_before(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("linkage.core.delivery.queues.ANSWERS_OF_A_PREFIX", 3)
    ids = [site.core._queues._answer_ids.take() for _ in range(20)]
    assert len(set(ids)) == 20
    assert max(map(len, ids)) <= 16


async def test_what_cannot_even_be_written_down_is_refused_and_the_core_goes_on(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    pbx = await site.connect("pbx")

    # As an adapter with a bug might: nothing from a wire has such an Id.
    refused = await site.core.submit(pbx, Request(id="x" * 17, message=incoming()))

    assert refused.result == 500
    assert "nor can it be journalled" in caplog.text
    assert (await site.say(pbx, incoming())).result == 0


async def test_a_link_that_fails_is_closed_and_nobody_else_notices(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    pbx, desk, other = [await site.connect(name) for name in ("pbx", "desk", "other")]
    desk.fails = True

    await site.say(pbx, m.PlatformStatusNotice(load=1))
    await other.heard(1)

    assert desk.reasons == ["internal error"]
    assert "queue of desk failed" in caplog.text
    again = await site.connect("desk")
    assert (await again.heard(1))[0].type == 191


@asynccontextmanager
async def damaged(site: Site, type_: int, call_id: str) -> AsyncIterator[None]:
    """An entry of the journal that cannot be read for a while."""
    which = f"WHERE type = {type_} AND call_id = '{call_id}'"
    written = await site.sql(f"SELECT hex(body) FROM journal {which}")
    await site.sql(f"UPDATE journal SET body = x'00' {which}")
    yield
    await site.sql(f"UPDATE journal SET body = x'{written}' {which}")


async def test_a_notice_that_cannot_be_read_is_told_as_a_gap_and_blocks_nothing(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    pbx = await site.connect("pbx")
    for number in range(3):
        await site.say(pbx, incoming(f"C{number}"))
    caplog.set_level(logging.CRITICAL, "linkage.core")

    async with damaged(site, 100, "C1"):
        desk = await site.connect("desk")
        await desk.heard(3)

    assert list(zip(desk.seqs, desk.types, strict=True)) == [(1, 100), (2, 195), (3, 100)]
    gap = desk.pushed[1].message
    assert isinstance(gap, m.GapNotice)
    assert (gap.from_seq, gap.to_seq) == (2, 2)


async def test_a_command_that_cannot_be_read_holds_up_nobody_else_s(
    site: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "COMMANDS_MAX", 0)  # as of those that are not the latest
    pbx, desk = await site.connect("pbx", window=1), await site.connect("desk")
    desk.answers = accept
    for call in ("C0", "C1", "C2"):
        await site.say(pbx, incoming(call))
    for call in ("C0", "C1", "C2"):  # the first takes the window, the others wait
        await site.say(desk, transfer(call))
    caplog.set_level(logging.CRITICAL, "linkage.core")

    async with damaged(site, 205, "C1"):
        site.clock.advance(31)
        await site.sweep()
        await desk.until(lambda: 105 in desk.types)

    outcomes = [request.message for request in desk.pushed if request.type == 105]
    assert [(outcome.call_id, outcome.result) for outcome in outcomes] == [("C2", 309)]


class BadDisk(UnitOfWork):
    """Fails at reading one entry, so many times."""

    at = 0
    times = 0

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        OnRead(self._tx, self.read)

    def read(self, order: tuple[str, ...], values: Row) -> None:
        if (order, values) == (("key",), (self.at,)) and self.times:
            self.times -= 1
            raise sqlite3.OperationalError("disk I/O error")


@pytest.mark.parametrize(("fails", "types"), [(1, [100, 100]), (READS_MAX, [100, 195])])
def test_a_disk_that_fails_for_a_moment_costs_nobody_a_notice(
    bench: Bench, fails: int, types: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "linkage.core")
    for call in ("C1", "C2"):
        bench.say("pbx", incoming(call))
    unit = BadDisk(bench.engine)
    unit.at = next(row.seq for row in bench.journal() if row.call_id == "C2")
    unit.times = fails
    bench.write_with(unit)
    bench.heard("desk")

    tries = 1
    while isinstance(bench.do(LoadQueue("desk", 0, 10))[0].error, OSError):
        tries += 1

    assert tries == min(fails + 1, READS_MAX)
    assert [(item.seq, item.type) for item in bench.heard("desk")] == list(enumerate(types, 1))


def test_the_trace_of_a_call_that_the_disk_did_not_take_is_no_other_call_s(bench: Bench) -> None:
    bench.write_with(UnitOfWork(bench.engine), conversations=Conversations("linkage", 1.0))
    of_another = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    for refused in (1, 0):
        bench.disk(takes=not refused)
        trace = of_another if refused else None
        said = bench.say("pbx", incoming(f"C{refused}"), trace=trace)
        assert said.result == (404 if refused else 0)
    told = [row.trace for row in bench.journal() if row.call_id == "C0"]
    assert told
    assert not any("a" * 32 in str(trace) for trace in told)


class Broken:
    """What does a batch has a bug, and does none."""

    store_failing = False
    journal_seq = 0

    def process(self, *_: object) -> list[Done[Any]]:
        raise ZeroDivisionError


async def test_a_batch_that_fails_as_a_whole_is_answered_all_the_same(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "linkage.core")
    pbx = await site.connect("pbx")
    whole, site.core._writer._commits = site.core._writer._commits, Broken()  # type: ignore[assignment]  # that is the bug
    async with asyncio.timeout(WAIT_S):
        answers = await asyncio.gather(*(site.say(pbx, incoming(f"C{n}")) for n in range(3)))
    site.core._writer._commits = whole

    assert {answer.result for answer in answers} == {500}
    assert (await site.say(pbx, incoming("C4"))).result == 0


def test_the_sender_of_a_command_that_cannot_be_read_is_told_in_its_own_queue(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "linkage.core")
    bench.say("desk", call_out(), id_="mine")
    (sent,) = bench.heard("pbx")
    accepted = Response(request_id=sent.request.id, type=210, result=1)
    bench.do(Acknowledge("pbx", sent.seq, int(sent.request.id), accepted))
    bench.say("desk", m.CancelCallOut(request_id="mine"))
    unit = BadDisk(bench.engine)
    unit.at, unit.times = int(sent.request.id), READS_MAX
    bench.write_with(unit)

    while (done := bench.do(LoadQueue("pbx", 0, 10))[0]).error is not None:
        pass

    assert done.result().deliveries == [], "nothing of it is for the platform"
    assert [item.row.receiver for item in done.deliveries] == ["desk"]
    assert done.deliveries[0].request.message.result == 500


class Breaks(Job[None]):
    """Has a bug, so that its batch is done again one by one."""

    def run(self, _context: Context) -> None:
        raise ZeroDivisionError


class MeetsAFullDisk(Job[None]):
    """Nobody will say it again; the disk does not take it when it is alone for the first time."""

    is_kept = True

    def __init__(self) -> None:
        self.runs = 0

    def run(self, _context: Context) -> None:
        self.runs += 1
        if self.runs == 1:
            raise StoreFailedError("the disk is full")


async def test_what_is_kept_for_a_disk_is_kept_also_where_the_disk_takes_the_rest_of_its_batch(
    site: Site,
) -> None:
    kept = MeetsAFullDisk()
    works: list[Job[Any]] = [Breaks(), kept, Observe("linkage", EntryKind.STRANGER, "knocked")]
    await asyncio.gather(*(site.core.keep(work) for work in works), return_exceptions=True)
    assert kept.runs == 1

    await site.sweep()

    assert kept.runs == 2
