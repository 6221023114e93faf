"""197 is told to everybody whom it concerns, once when it is raised and once when it is over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from linkage.core.alarms import Alarm
from linkage.core.own_entries import Observe, TellAlarm
from linkage.ports import EntryKind
from protocol import messages as m
from tests.fakes.core_bench import PEERS, Bench, config, peer
from tests.fakes.core_links import Site
from tests.fakes.said import incoming

EVERYBODY = (
    *PEERS,
    peer("watch", "monitor"),
    peer("seat", "communication-screen"),
    peer("form", "business-screen"),
)
FULL = TellAlarm(Alarm("disk", "linkage", "the disk is full", level="critical"))
OVER = TellAlarm(Alarm("disk", "linkage", "there is room again", raised=False))


def alarms_of(site: Site) -> list[str]:
    """The entries about alarms, in order."""
    return [row.kind for row in site.journal() if row.kind in {"Alarm", "AlarmCleared"}]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path, EVERYBODY)
    yield bench
    bench.check()
    bench.close()


def test_an_alarm_reaches_applications_monitors_and_screens(bench: Bench) -> None:
    bench.do(FULL)
    told = {id_: [item.type for item in bench.heard(id_)] for id_ in bench.peers.by_id}
    assert told == {
        "desk": [197],
        "other": [197],
        "pbx": [],
        "pbx2": [],
        "watch": [197],
        "seat": [397],
        "form": [597],
    }


def test_an_alarm_says_what_is_the_matter_and_with_whom(bench: Bench) -> None:
    bench.do(FULL)
    (heard,) = bench.heard("desk")
    assert heard.message == m.AlarmNotice(
        alarm_id="disk",
        level="critical",
        source="linkage",
        text="the disk is full",
        action=m.AlarmAction.RAISE,
    )
    (row,) = [row for row in bench.journal() if row.kind == EntryKind.ALARM]
    assert (row.source, row.detail, row.type) == ("linkage", "the disk is full", 197)


def test_it_is_told_once_however_often_it_is_said_and_its_end_once(bench: Bench) -> None:
    bench.do(FULL, FULL)
    bench.do(FULL)
    bench.do(OVER, OVER)
    bench.do(OVER)
    actions = [getattr(item.message, "action", None) for item in bench.heard("desk")]
    assert actions == [m.AlarmAction.RAISE, m.AlarmAction.CLEAR]
    kinds = [row.kind for row in bench.journal()]
    assert kinds == [EntryKind.ALARM, EntryKind.ALARM_CLEARED]


def test_the_end_of_what_was_never_raised_is_no_news(bench: Bench) -> None:
    bench.do(OVER)
    assert bench.heard("desk") == []
    assert bench.journal() == []


def test_a_restart_neither_repeats_an_alarm_nor_forgets_that_it_is_raised(bench: Bench) -> None:
    bench.do(FULL)
    bench.restart()
    bench.do(FULL)
    bench.do(OVER)
    actions = [getattr(item.message, "action", None) for item in bench.heard("desk")]
    assert actions == [m.AlarmAction.RAISE, m.AlarmAction.CLEAR]


def test_what_a_link_notes_as_an_alarm_is_told_as_its_peers(bench: Bench) -> None:
    bench.do(Observe("pbx", EntryKind.ALARM, "pbx is down:\x07 no route\nto it"))
    (heard,) = bench.heard("desk")
    assert isinstance(heard.message, m.AlarmNotice)
    assert (heard.message.alarm_id, heard.message.source) == ("pbx", "pbx")
    assert heard.message.text == "pbx is down:  no route to it"
    bench.do(Observe("pbx", EntryKind.ALARM_CLEARED, "pbx is up again"))
    assert bench.types("desk") == [197]


async def test_what_reached_nobody_is_over_when_the_applications_are_configured_anew(
    site: Site,
) -> None:
    pbx = await site.connect("pbx")
    await site.say(pbx, incoming(to_num="9999", login_id=None))
    assert alarms_of(site) == ["Alarm"]

    await site.restart()

    assert alarms_of(site) == ["Alarm", "AlarmCleared"]
    pbx = await site.connect("pbx")
    await site.say(pbx, incoming("C2", to_num="9999", login_id=None))
    newcomer = peer("night", "application", numbers=["9*"])
    changed = config(site.config.source.parent, (*PEERS, newcomer))
    await site.core.take_up(changed, ())
    await site.settled()
    assert alarms_of(site) == ["Alarm", "AlarmCleared"] * 2
