"""The projections made anew from the journal."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import delete, update

from linkage.store.sql import tables
from linkage.store.sql.rebuild import differences, rebuild
from protocol import messages as m
from tests.fakes.core_bench import Bench
from tests.fakes.said import call_out, create, hangup, incoming, transfer


def test_a_rebuild_finds_what_was_lost_changed_or_invented(bench: Bench) -> None:
    bench.say("pbx", incoming())
    bench.say("desk", create())
    again = rebuild(bench.engine)
    assert differences(bench.engine, again) == []

    with again.begin() as connection:
        connection.execute(update(tables.operation).values(content="invented"))
        connection.execute(delete(tables.event))
    found = differences(bench.engine, again)

    assert [line.partition(" (")[0] for line in found] == [
        "event: only left",
        "operation: only left",
        "operation: only right",
    ]
    again.dispose()


def test_refusals_observations_and_own_messages_make_no_rows(bench: Bench) -> None:
    bench.say("pbx", incoming())
    bench.say("other", create("X1"))  # refused: another's call
    bench.say("desk", create())  # brings 101 of linkage's own
    bench.say("desk", m.CloseEvent(event_id="E1", action=m.CloseAction.CLOSE))
    bench.say("desk", m.CloseEvent(event_id="E1", action=m.CloseAction.CLOSE))
    bench.say("pbx", m.PlatformLeave(event_id="E7", call_id="C1"))

    again = rebuild(bench.engine)
    assert differences(bench.engine, again) == []
    again.dispose()
    assert set(bench.events()) == {"E1"}


def test_times_outside_all_sense_are_played_alike(bench: Bench) -> None:
    for number, year in enumerate((1, 1969, 1970, 9999)):
        moment = datetime(year, 1, 1, tzinfo=UTC)
        bench.say("pbx", incoming(f"C{number}"), time=moment)
        bench.say("pbx", hangup(f"C{number}", start_time=moment, end_time=moment), time=moment)
    assert {bench.operations()[0].started_at < 0} == {True}


def test_a_rebuild_works_in_portions(bench: Bench) -> None:
    for number in range(600):
        bench.do(
            bench.submit("pbx", incoming(f"C{number}")),
            bench.submit("pbx", hangup(f"C{number % 7}")),
        )
    bench.say("desk", create("E1", "C5"))
    bench.say("desk", call_out("E2"))
    bench.say("desk", transfer("C6"))
