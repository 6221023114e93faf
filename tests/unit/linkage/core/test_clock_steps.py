"""A wall clock that is set ahead and back: nothing is taken twice, nothing goes too early."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from linkage.clock import ManualClock
from linkage.core.retention.schedule import CautiousTime
from linkage.core.retention.trimming import DeleteRows, Rows
from linkage.core.sessions.registration import Admitted, Register
from linkage.core.sweeper import Sweep
from linkage.ports import EntryKind, Role
from linkage.store.clock_history import KEPT_MAX, ClockHistory
from linkage.store.rows import to_us
from linkage.store.sql import tables
from linkage.store.sql.retention import read_steps, seq_at
from protocol import messages as m
from protocol.envelope import Request, Response
from protocol.registration import make_registration
from tests.fakes.core_bench import SECRET, Bench
from tests.fakes.core_links import Site, as_sent
from tests.fakes.said import incoming

WEEK = timedelta(days=7)
DAY_S = 24 * 3600


def jump(bench: Bench, by: timedelta) -> None:
    bench.clock.jump(bench.clock.utc() + by)


def comes_again(bench: Bench, id_: str) -> bool:
    return bench.say("pbx", incoming(id_), id_).detail == "duplicate"


def entries(bench: Bench) -> list[str]:
    kind = EntryKind.CLOCK_SET.value
    return [str(row.detail) for row in bench.journal() if row.kind == kind]


# --- what is a repetition ------------------------------------------------------------------------
def test_a_repetition_is_one_wherever_the_clock_jumps(bench: Bench) -> None:
    assert not comes_again(bench, "before")
    jump(bench, WEEK)
    assert comes_again(bench, "before")
    assert not comes_again(bench, "within")
    jump(bench, -WEEK)
    for id_ in ("before", "within"):
        assert comes_again(bench, id_)
    assert entries(bench) == [
        "the clock was set ahead by 7 days, 0:00:00", "the clock was set back by 7 days, 0:00:00",
    ]  # fmt: skip


def test_what_was_said_while_the_clock_was_ahead_is_news_again_after_two_days(
    bench: Bench,
) -> None:
    jump(bench, WEEK)
    bench.do(Sweep(frozenset(), 0))
    assert not comes_again(bench, "few-ids")
    jump(bench, -WEEK)
    assert comes_again(bench, "few-ids")
    bench.clock.advance(2 * DAY_S)
    assert not comes_again(bench, "few-ids")
    assert comes_again(bench, "few-ids")


def test_a_jump_that_the_disk_did_not_take_counts_once(bench: Bench) -> None:
    bench.say("pbx", incoming("C1"))
    jump(bench, WEEK)
    for refused in (1, 0):
        bench.disk(takes=not refused)
        assert bench.say("pbx", incoming("C2")).result == (404 if refused else 0)
    with bench.engine.connect() as connection:
        (moved_us,) = read_steps(connection).moves.values()
    assert moved_us == WEEK / timedelta(microseconds=1)


def test_a_restart_in_between_forgets_nothing_of_it(bench: Bench) -> None:
    assert not comes_again(bench, "before")
    jump(bench, WEEK)
    bench.restart()
    assert not comes_again(bench, "within"), "how long it did not run is not known to it"
    jump(bench, -WEEK)
    assert comes_again(bench, "before"), "now it is"
    assert comes_again(bench, "within")
    bench.restart()
    assert comes_again(bench, "before")


def test_a_clock_that_is_set_back_while_linkage_is_down_is_noticed_at_the_start(
    bench: Bench,
) -> None:
    assert not comes_again(bench, "before")
    jump(bench, WEEK)
    assert not comes_again(bench, "within")
    jump(bench, -WEEK)
    bench.restart()
    assert comes_again(bench, "before")
    assert comes_again(bench, "within")
    assert len(entries(bench)) == 2


def test_a_machine_that_boots_in_1970_counts_from_then_on(bench: Bench) -> None:
    years = timedelta(days=56 * 365)
    jump(bench, -years)
    assert not comes_again(bench, "early")
    jump(bench, years)
    assert comes_again(bench, "early")
    bench.clock.advance(2 * DAY_S)
    assert not comes_again(bench, "early")


def test_what_ntp_does_every_day_is_no_entry(bench: Bench) -> None:
    bench.say("pbx", incoming("C1"))
    for seconds in (1, -3, 9, -9):
        jump(bench, timedelta(seconds=seconds))
        bench.say("pbx", incoming(f"C{seconds}"))
    assert entries(bench) == []


def test_a_batch_that_fails_leaves_the_leap_to_the_next(bench: Bench) -> None:
    bench.say("pbx", incoming("C1"))
    jump(bench, WEEK)
    with bench.engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER no BEFORE INSERT ON journal BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    assert bench.say("pbx", incoming("C2")).result in {404, 500}
    with bench.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER no")
    bench.say("pbx", incoming("C3"))
    bench.say("pbx", incoming("C4"))
    assert len(entries(bench)) == 1


# --- what may go ---------------------------------------------------------------------------------
def test_the_search_by_age_is_not_led_astray_by_the_clock(bench: Bench) -> None:
    """Entries of five days, of which two were recorded by clocks that were wrong."""
    firsts = []
    for by in (timedelta(), WEEK, timedelta(), -WEEK, timedelta()):
        jump(bench, by)
        firsts.append(bench.journal()[-1].seq + 1 if bench.journal() else 1)
        bench.say("pbx", incoming(f"C{len(firsts)}"))
        jump(bench, -by)
        bench.clock.advance(DAY_S)
    now_us = to_us(bench.clock.utc())
    with bench.engine.connect() as connection:
        steps = read_steps(connection)
        for days, first in zip((5, 4, 3, 2, 1), firsts, strict=True):
            # The clock is right by the second; an entry of its own may stand before the call.
            found = seq_at(connection, now_us - days * DAY_S * 1_000_000 - 2_000_000, steps)
            assert first - 1 <= found <= first + 1, days


def test_of_many_leaps_the_oldest_are_told_together() -> None:
    steps = ClockHistory()
    for number in range(1, 2 * KEPT_MAX + 1):
        steps = steps.moved(10 * number, number)
    assert len(steps.moves) == KEPT_MAX
    assert steps.placed(0, 0) == sum(range(1, 2 * KEPT_MAX + 1))
    assert steps.placed(10 * KEPT_MAX + 15, 0) == sum(range(KEPT_MAX + 2, 2 * KEPT_MAX + 1))
    assert ClockHistory.of_texts(steps.texts()).moves == steps.moves


def test_who_throws_away_does_not_believe_a_clock_that_is_ahead_at_the_start() -> None:
    clock = ManualClock()
    last_us = to_us(clock.utc())
    clock.jump(clock.utc() + timedelta(days=30))
    time = CautiousTime(clock, last_us)
    assert time.now_us() == last_us
    clock.advance(3600)
    assert time.now_us() == last_us + 3600 * 1_000_000
    clock.advance(23 * 3600)
    assert time.now_us() == to_us(clock.utc()), "it has stood for a day"
    behind = ManualClock()
    assert CautiousTime(behind, to_us(behind.utc()) + 1).now_us() == to_us(behind.utc())


def test_nonces_are_kept_by_the_time_that_is_certain(bench: Bench) -> None:
    """Linkage starts under a clock that is ahead: steady time is, too."""
    message = make_registration(
        Role.APPLICATION, "desk", SECRET, bench.clock.utc(), "nonce-00000001"
    )
    work = Register(as_sent(Request(id="r1", message=message)), "10.0.0.1:1")
    certain_us = to_us(bench.clock.utc())
    assert isinstance(bench.do(work)[0].value, Admitted)
    jump(bench, WEEK)
    bench._started_us += round(WEEK.total_seconds() * 1e6)
    bench.restart()
    bench.do(DeleteRows(Rows.NONCES, 100, now_us=certain_us))
    with bench.engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(tables.nonce)).scalar() == 1
    jump(bench, -WEEK)
    assert isinstance(bench.do(work)[0].value, Response), "a repetition"


# --- who is told ---------------------------------------------------------------------------------
@pytest.mark.parametrize("by", [WEEK, -WEEK])
async def test_a_leap_is_an_alarm_until_it_is_undone(tmp_path: Path, by: timedelta) -> None:
    async with Site(tmp_path) as site:
        desk = await site.connect("desk")
        site.clock.jump(site.clock.utc() + by)
        for _ in range(2):
            await site.sweep()
        (told,) = [request.message for request in await desk.heard(1)]
        assert isinstance(told, m.AlarmNotice)
        assert (told.alarm_id, told.action) == ("clock", m.AlarmAction.RAISE)
        assert "7 days" in (told.text or "")
        site.clock.jump(site.clock.utc() - by)
        await site.sweep()
        site.clock.advance(11)
        for _ in range(2):
            await site.sweep()
        over = (await desk.heard(2))[1].message
        assert isinstance(over, m.AlarmNotice)
        assert (over.alarm_id, over.action) == ("clock", m.AlarmAction.CLEAR)


async def test_a_clock_that_stands_for_a_day_where_it_was_set_is_believed(tmp_path: Path) -> None:
    async with Site(tmp_path) as site:
        site.clock.jump(site.clock.utc() + WEEK)
        for _ in range(2):
            await site.sweep()
        assert "clock" in site.core.conditions.raised
        site.clock.advance(DAY_S)
        await site.sweep()
        site.clock.advance(11)
        for _ in range(2):
            await site.sweep()
        assert "clock" not in site.core.conditions.raised
