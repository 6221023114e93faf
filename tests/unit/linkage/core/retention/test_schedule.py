"""Queues that get too old or too long: dropped oldest first, and the gap is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from linkage.clock import ManualClock
from linkage.config.core import RetentionSettings
from linkage.core.retention.schedule import CautiousTime, RetentionSchedule
from linkage.ports import EntryKind
from linkage.store import archive
from linkage.store.chain import breaks
from linkage.store.journal_head import read_head
from linkage.store.read.reader import StoreReader
from linkage.store.rows import MICROSECONDS, to_us
from linkage.store.sql import retention, tables
from linkage.store.sql.maintenance import SqlMaintenance
from linkage.store.sql.rebuild import differences, rebuild
from linkage.store.sql.renumber import notice_older_store, renumber
from linkage.store.sqlite.database import open_for_reading
from linkage.store.verify import verify
from protocol import messages as m
from protocol.envelope import Request
from tests.fakes.core_bench import PEERS, Bench, chain, legacy
from tests.fakes.core_links import FakeLink, Site, accept
from tests.fakes.said import incoming

DAY_S = 24 * 3600.0


class Kept(Site):
    """A site that keeps house when it is told to."""

    def __init__(self, folder: Path, peers: Any = PEERS, **settings: Any) -> None:
        super().__init__(folder, peers)
        self.limit(**settings)
        self.time = CautiousTime(self.clock)

    def limit(self, **settings: Any) -> None:
        changed = {"retention": RetentionSettings(**settings)}
        self.config = self.config.model_copy(update=changed)

    @asynccontextmanager
    async def housekeeper(self) -> AsyncIterator[RetentionSchedule]:
        reading = open_for_reading(self.config.database_path)
        housekeeper = RetentionSchedule(
            self.core, SqlMaintenance(reading, self.config.archive_path), self.config, self.clock
        )
        try:
            yield housekeeper
        finally:
            await housekeeper.stop()
            reading.dispose()

    async def keep(self) -> None:
        """As the housekeeper of a linkage does that has run since the site was made."""
        async with self.housekeeper() as housekeeper:
            housekeeper._time = self.time
            await housekeeper.once()

    async def call(self, pbx: FakeLink, *numbers: int) -> None:
        """Calls for the desk, one notice each."""
        for number in numbers:
            response = await self.say(pbx, incoming(f"C{number}"))
            assert response.result == 0
            self.clock.advance(1)

    def count(self, table: Any) -> int:
        with self.engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(table)).scalar_one()

    def check(self) -> None:
        assert list(breaks(chain(self.engine))) == []
        again = rebuild(self.engine)
        assert differences(self.engine, again) == []
        again.dispose()


@asynccontextmanager
async def kept(folder: Path, **settings: Any) -> AsyncIterator[tuple[Kept, FakeLink]]:
    async with Kept(folder, **settings) as site:
        pbx = await site.connect("pbx")
        yield site, pbx
        await site.settled()
        site.check()


def calls(requests: list[Request]) -> list[str | None]:
    return [request.message.call_id for request in requests if request.type == 100]


def gaps(requests: list[Request]) -> list[tuple[int | None, int | None]]:
    found = [request.message for request in requests if request.type == 195]
    return [(gap.from_seq, gap.to_seq) for gap in found if isinstance(gap, m.GapNotice)]


async def test_what_waited_too_long_is_dropped_and_the_gap_is_told_first(tmp_path: Path) -> None:
    async with kept(tmp_path) as (site, pbx):
        began = site.clock.utc()
        await site.call(pbx, 1, 2, 3)
        site.clock.advance(6 * DAY_S)
        await site.call(pbx, 4, 5)
        site.clock.advance(2 * DAY_S)
        await site.keep()

        desk = await site.connect("desk")
        assert [(request.type, request.seq) for request in await desk.heard(3)] == [
            (195, 3), (100, 4), (100, 5),
        ]  # fmt: skip
        gap = desk.pushed[0].message
        assert isinstance(gap, m.GapNotice)
        assert (gap.from_seq, gap.to_seq, gap.cause) == (1, 3, m.GapCause.OVERFLOW)
        assert gap.since == began
        assert gap.until is not None
        assert (gap.until - began).total_seconds() == 2
        kinds = [row.kind for row in site.journal() if row.source == "desk"]
        assert EntryKind.GAP in kinds


async def test_a_clock_that_is_set_ahead_drops_nothing_before_it_has_stood_for_a_day(
    tmp_path: Path,
) -> None:
    waiting = select(tables.delivery).where(tables.delivery.c.type == 100).subquery()
    async with kept(tmp_path) as (site, pbx), site.housekeeper() as housekeeper:
        await housekeeper.once()
        await site.call(pbx, 1, 2)
        right = site.clock.utc()
        for days in (30, 0, 30):  # by mistake, then set right, then a machine that was far behind
            site.clock.jump(right + timedelta(days=days))
            await housekeeper.once()
            site.clock.advance(DAY_S / 2)
            await housekeeper.once()
            assert site.count(waiting) == 2
        site.clock.advance(DAY_S / 2)
        await housekeeper.once()
        assert site.count(waiting) == 2, "recorded when the clock was behind, not long ago"
        site.clock.advance(6 * DAY_S)
        await housekeeper.once()

        desk = await site.connect("desk")
        await desk.heard(1)
        assert [first for first, _ in gaps(desk.pushed)] == [1]
        assert calls(desk.pushed) == []


def test_the_newest_entry_is_never_archived_for_the_numbers_go_on_from_it(bench: Bench) -> None:
    for _ in range(3):
        bench.say("pbx", m.PlatformLeave(reason="done"))
    newest = bench.journal()[-1]

    limits = RetentionSettings(journal_bytes=1)
    later_us = newest.recorded_at + 10 * archive.DAY_US
    found = retention.find_archivable(bench.engine, limits, later_us)

    assert found is not None
    assert found[1] == newest.seq - 1


def test_no_number_is_given_that_is_known_to_have_been_given(bench: Bench) -> None:
    bench.say("pbx", incoming())
    newest = bench.journal()[-1]
    beyond = newest.seq + 5_000_000

    with bench.engine.begin() as connection:
        renumber(connection, newest.recorded_at, "an older store", "linkage", beyond=beyond)

    assert bench.journal()[-1].seq > beyond
    for call_id in ("C2", "C3"):
        bench.restart()
        bench.say("pbx", incoming(call_id))
    first, second, third = [operation.op_id for operation in bench.operations()]
    assert first + 5_000_000 < second < third


def test_a_clock_that_is_set_back_is_believed_at_once() -> None:
    clock = ManualClock()
    time = CautiousTime(clock)
    began_us = time.now_us()
    clock.jump(clock.utc() - timedelta(days=30))
    assert time.now_us() == began_us - 30 * DAY_S * MICROSECONDS
    clock.jump(clock.utc() + timedelta(days=30))
    assert time.now_us() == began_us - 30 * DAY_S * MICROSECONDS, "and not that it was set right"
    clock.advance(DAY_S)
    assert time.now_us() == began_us + DAY_S * MICROSECONDS


async def test_no_more_wait_than_may(tmp_path: Path) -> None:
    async with kept(tmp_path, queue_messages=4) as (site, pbx):
        await site.call(pbx, *range(10))
        await site.keep()

        desk = await site.connect("desk")
        await desk.heard(5)
        assert gaps(desk.pushed) == [(1, 6)]
        assert calls(desk.pushed) == ["C6", "C7", "C8", "C9"]
        assert site.count(tables.delivery) == 5


async def test_no_more_bytes_wait_than_may(tmp_path: Path) -> None:
    async with kept(tmp_path, queue_bytes=1) as (site, pbx):
        await site.call(pbx, *range(10))
        site.limit(queue_bytes=3 * len(site.journal()[-1].body))
        await site.keep()

        desk = await site.connect("desk")
        await desk.heard(4)
        assert calls(desk.pushed) == ["C7", "C8", "C9"]


async def test_a_second_gap_takes_in_the_first_that_nobody_read(tmp_path: Path) -> None:
    async with kept(tmp_path, queue_messages=3) as (site, pbx):
        await site.call(pbx, *range(6))
        await site.keep()
        await site.call(pbx, *range(6, 12))
        await site.keep()

        desk = await site.connect("desk")
        await desk.heard(4)
        assert gaps(desk.pushed) == [(1, 9)]
        assert calls(desk.pushed) == ["C9", "C10", "C11"]


async def test_a_gap_survives_the_process(tmp_path: Path) -> None:
    async with kept(tmp_path, queue_messages=2) as (site, pbx):
        await site.call(pbx, *range(6))
        await site.keep()
        await site.kill()

        desk = await site.connect("desk")
        await desk.heard(3)
        assert (desk.types, desk.seqs) == ([195, 100, 100], [4, 5, 6])
        site.clock.advance(1)
        await site.call(await site.connect("pbx"), 7)
        assert (await desk.heard(4))[-1].seq == 7


async def test_a_reader_that_has_stopped_is_told_as_soon_as_it_reads(tmp_path: Path) -> None:
    async with kept(tmp_path, queue_messages=5) as (site, pbx):
        desk = await site.connect("desk", window=2)
        await site.call(pbx, *range(20))
        assert calls(desk.pushed) == ["C0", "C1"]
        await site.keep()
        assert len(desk.pushed) == 2

        desk.answers = accept
        for request in list(desk.pushed):
            desk.answer(request)
        await desk.heard(8)
        assert gaps(desk.pushed) == [(1, 15)]
        assert calls(desk.pushed) == ["C0", "C1", *(f"C{number}" for number in range(15, 20))]


async def test_a_queue_that_the_disk_did_not_let_go_of_is_read_on(tmp_path: Path) -> None:
    async with kept(tmp_path, queue_messages=5) as (site, pbx):
        desk = await site.connect("desk", window=2)
        await site.call(pbx, *range(20))
        await site.write_protect()
        with pytest.raises(OSError, match="cannot be written"):
            await site.keep()
        await site.write_protect(on=False)
        await site.sweep()

        desk.answers = accept
        for request in list(desk.pushed):
            desk.answer(request)
        await desk.until(lambda: len(calls(desk.pushed)) == 20)
        assert calls(desk.pushed) == [f"C{number}" for number in range(20)]


async def test_nothing_is_dropped_in_the_place_of_what_is_being_read(tmp_path: Path) -> None:
    async with kept(tmp_path, queue_messages=1) as (site, pbx):
        desk = await site.connect("desk", window=4)
        await site.call(pbx, *range(4))
        await site.keep()  # Seq 3 is out: its answer would be taken for that of the 195
        assert EntryKind.GAP not in [row.kind for row in site.journal()]
        for request in list(desk.pushed):
            desk.answer(request)
        await site.keep()
        await site.call(pbx, 4)
        await desk.heard(5)
        assert gaps(desk.pushed) == []
        assert calls(desk.pushed) == ["C0", "C1", "C2", "C3", "C4"]


async def test_a_legacy_receiver_is_told_nothing_but_the_journal_is(tmp_path: Path) -> None:
    peers = [legacy("desk", "application", "10.0.0.9", numbers=["*"]), PEERS[2]]
    async with Kept(tmp_path, peers, queue_messages=1) as site:
        pbx = await site.connect("pbx")
        await site.call(pbx, 1, 2, 3)
        await site.keep()

        desk = FakeLink(site.core, "desk")
        await site.core.adopt(desk, "desk")
        site.core.begin(desk)
        await desk.heard(1)
        assert calls(desk.pushed) == ["C3"]
        assert [row.kind for row in site.journal()].count(EntryKind.GAP) == 1


@pytest.mark.parametrize(
    ("last_seq", "gone"), [(1, [(2, 3)]), (2, [(3, 3)]), (3, [])], ids=["two", "one", "none"]
)
async def test_what_was_fetched_is_kept_for_a_while_and_then_said_to_be_gone(
    tmp_path: Path, last_seq: int, gone: list[tuple[int, int]]
) -> None:
    async with kept(tmp_path) as (site, pbx):
        desk = await site.connect("desk")
        desk.answers = accept
        await site.call(pbx, 1, 2, 3)
        await desk.heard(3)
        site.clock.advance(2 * DAY_S)
        await site.call(pbx, 4)
        await desk.heard(4)
        await site.settled()
        site.clock.advance(2 * DAY_S)
        await site.keep()
        assert site.count(tables.delivery) == 1

        again = await site.connect("desk", last_seq=last_seq)
        await again.heard(1 + len(gone))
        assert gaps(again.pushed) == gone
        assert calls(again.pushed) == ["C4"]


async def test_a_replay_of_what_is_gone_says_so(tmp_path: Path) -> None:
    async with kept(tmp_path, replay_messages=2) as (site, pbx):
        desk = await site.connect("desk")
        desk.answers = accept
        await site.call(pbx, *range(6))
        await desk.heard(6)
        await site.settled()
        await site.keep()
        desk.pushed.clear()

        response = await site.say(desk, m.ReplayRequest(from_seq=2, to_seq=5))
        assert response.result == 1
        await desk.until(lambda: 194 in desk.types)
        assert gaps(desk.pushed) == [(2, 4)]
        assert calls(desk.pushed) == ["C4"]
        end = desk.pushed[-1].message
        assert isinstance(end, m.ReplayEndNotice)
        assert end.count == 1

        await site.settled()
        await site.say(desk, m.ReplayRequest(from_seq=4, to_seq=4))
        await desk.until(lambda: desk.types.count(194) == 2)
        assert gaps(desk.pushed) == [(2, 4), (4, 4)]


async def test_what_is_gone_is_said_to_its_end_where_less_was_asked_for_before(
    tmp_path: Path,
) -> None:
    async with kept(tmp_path, replay_messages=2) as (site, pbx):
        desk = await site.connect("desk")
        desk.answers = accept
        await site.call(pbx, *range(6))
        await desk.heard(6)
        await site.settled()
        await site.keep()
        desk.answers = None
        await site.say(desk, m.ReplayRequest(from_seq=2, to_seq=3))
        await desk.heard(7)
        await site.say(desk, m.ReplayRequest(from_seq=2, to_seq=4))
        site.core.closed(desk, "gone")

        again = await site.connect("desk")
        await again.heard(1)
        assert gaps(again.pushed)[0] == (2, 4)


async def test_the_answer_to_a_gap_does_not_settle_the_longer_one_that_took_its_place(
    tmp_path: Path,
) -> None:
    async with kept(tmp_path, replay_messages=2) as (site, pbx):
        desk = await site.connect("desk")
        desk.answers = accept
        await site.call(pbx, *range(6))
        await desk.heard(6)
        await site.settled()
        await site.keep()
        desk.answers = None
        await site.say(desk, m.ReplayRequest(from_seq=2, to_seq=3))
        shorter = (await desk.heard(7))[6]
        await site.say(desk, m.ReplayRequest(from_seq=2, to_seq=4))
        desk.answer(shorter)
        await desk.until(lambda: desk.types.count(195) == 2)
        assert gaps(desk.pushed) == [(2, 3), (2, 4)]

        site.core.closed(desk, "gone")
        again = await site.connect("desk")
        await again.heard(1)
        assert gaps(again.pushed)[0] == (2, 4), "nobody has answered it"


async def test_what_was_asked_for_again_meanwhile_is_not_taken_for_fetched(tmp_path: Path) -> None:
    async with kept(tmp_path, replay_messages=1) as (site, pbx):
        desk = await site.connect("desk")
        desk.answers = accept
        await site.call(pbx, *range(4))
        await desk.heard(4)
        await site.settled()
        desk.answers = None
        await site.say(desk, m.ReplayRequest(from_seq=2))
        await desk.heard(7)
        desk.core.closed(desk, "gone")
        await site.keep()

        again = await site.connect("desk")
        await again.heard(4)
        assert calls(again.pushed) == ["C1", "C2", "C3"]
        assert gaps(again.pushed) == []


async def test_an_open_command_is_not_dropped_but_expires(tmp_path: Path) -> None:
    async with kept(tmp_path, queue_messages=1) as (site, pbx):
        desk = await site.connect("desk")
        await site.call(pbx, 1)
        for number in range(3):
            out = m.SendSms(content=f"{number}", receivers=(m.Receiver(phone_num="139"),))
            assert (await site.say(desk, out)).result == 1
        site.core.closed(pbx, "gone")
        await site.keep()
        site.clock.advance(31)
        await site.sweep()
        await desk.until(lambda: desk.types.count(120) == 3)


async def test_nonces_go_when_no_registration_can_repeat_them(tmp_path: Path) -> None:
    async with kept(tmp_path) as (site, _):
        assert site.count(tables.nonce) == 1
        await site.keep()
        assert site.count(tables.nonce) == 1
        site.clock.advance(901)
        await site.keep()
        assert site.count(tables.nonce) == 0


async def test_the_journal_is_archived_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "SEGMENT_MIN", 2)
    monkeypatch.setattr("linkage.core.retention.schedule.SLICE_ROWS", 3)
    async with Kept(tmp_path, journal_days=3, replay_messages=1) as site:
        pbx = await site.connect("pbx")
        desk = await site.connect("desk")
        desk.answers = accept
        await site.call(pbx, *range(20))
        await desk.heard(20)
        site.clock.advance(5 * DAY_S)
        await site.call(pbx, 20, 21)
        await desk.heard(22)
        await site.settled()
        await site.keep()

        assert site.journal()[0].recorded_at > to_us(site.clock.utc()) - 4 * DAY_S * 1e6
        archived = [row for row in site.journal() if row.kind == EntryKind.ARCHIVED]
        assert len(archived) == 1
        with StoreReader.open(site.config.database_path) as reader:
            head = read_head(site.config.head_path)
            assert head is not None
            (*_, (_, verdict)) = verify(reader, site.config.archive_path, head)
        assert verdict.breaks == []
        assert verdict.archived > 20
        again = rebuild(site.engine, site.config.archive_path)
        assert differences(site.engine, again) == []
        again.dispose()

        before = len(desk.pushed)
        await site.restart()
        desk = await site.connect("desk", last_seq=0)
        assert gaps(await desk.heard(2)) == [(1, 21)]
        assert before == 22


async def test_an_older_database_put_in_place_by_hand_gives_no_number_twice(
    tmp_path: Path,
) -> None:
    async with kept(tmp_path) as (site, pbx):
        desk = await site.connect("desk")
        desk.answers = accept
        await site.call(pbx, 1, 2)
        await desk.heard(2)
        await site.core.stop()
        site.engine.dispose()
        older = site.config.database_path.read_bytes()
        site._open()
        await site.core.start()
        desk = await site.connect("desk")
        desk.answers = accept
        await site.call(await site.connect("pbx"), 3, 4, 5)
        await desk.heard(3)
        seen = {request.id for request in desk.pushed}
        operations = {row.op_id for row in site.journal()}
        await site.keep()
        await site.core.stop()
        site.engine.dispose()
        for left in site.config.database_path.parent.glob("linkage.db-*"):
            left.unlink()
        site.config.database_path.write_bytes(older)
        site._open()
        notice_older_store(site.engine, site.config.head_path, site.clock.utc(), site.config.id)
        await site.core.start()

        desk = await site.connect("desk", last_seq=5)
        await site.call(await site.connect("pbx"), 6)
        gap, call = await desk.heard(2)
        assert isinstance(gap.message, m.GapNotice)
        assert gap.message.cause is m.GapCause.RESTART
        assert gap.message.from_seq == 3
        assert gap.message.to_seq is not None
        assert (gap.message.to_seq, call.seq) == ((gap.seq or 0) - 1, (gap.seq or 0) + 1)
        assert gap.message.to_seq > 5
        assert call.id not in seen
        assert int(call.message.op_id or 0) > max(op_id or 0 for op_id in operations)
        assert [row.kind for row in site.journal()].count(EntryKind.RENUMBERED) == 1
        await site.restart()
        desk = await site.connect("desk")
        await site.settled()
        assert 195 not in [request.type for request in desk.pushed if not request.resend]
