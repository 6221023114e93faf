"""What is refused at the door of the core, what it keeps for a disk that takes nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from linkage.core.alarms import Alarm
from linkage.core.delivery.acknowledge import Acknowledge
from linkage.core.job import Job
from linkage.core.overload.admission import KEPT_MAX, Admission
from linkage.core.overload.holds import Holds
from linkage.core.own_entries import Observe, TellAlarm
from linkage.core.sessions.takeover import Takeover
from linkage.ports import EntryKind
from protocol.envelope import Response
from tests.fakes.core_bench import Bench
from tests.fakes.core_links import FakeLink, Site
from tests.fakes.said import incoming

FAILED = OSError("the store cannot be written")
ANSWER = Acknowledge("desk", 1, 1, Response(request_id="1", type=106, result=0))
SEEN = Observe("linkage", EntryKind.STRANGER, "knocked")


class Door:
    """A core's admission; `put` and `told` are what came of it."""

    def __init__(self, bench: Bench) -> None:
        self.put: list[Job[Any]] = []
        self.told: list[Alarm] = []
        self.held: str | None = None
        self.engine = bench.core
        self.holds = Holds()
        self.admission = Admission(
            bench.config,
            bench.core,
            bench.clock,
            put=lambda work, _: self.put.append(work),
            holds=self.holds,
            tell=self.told.append,
            takeover=Takeover(),
            log_held=lambda: self.held,
        )
        self.admission.look(0, 0.0)
        self.put.clear()

    @property
    def alarms(self) -> list[Alarm]:
        return [job.alarm for job in self.put if isinstance(job, TellAlarm)]

    @property
    def raised(self) -> list[str]:
        return [alarm.id for alarm in self.alarms if alarm.raised]


@pytest.fixture
def door(bench: Bench) -> Door:
    return Door(bench)


def test_a_peer_is_refused_for_its_own_share_and_everybody_for_that_of_all(
    door: Door, bench: Bench
) -> None:
    admission, bounds = door.admission, door.admission.conditions.bounds
    admission.waiting["pbx"] = bounds.inbox_per_peer
    assert [admission.refusal(source, 0) for source in ("pbx", "pbx2")] == [1, 0]
    admission.waiting.clear()
    assert admission.refusal("pbx", 0) == 1, "as long as it was told"
    bench.clock.advance(1)
    assert admission.refusal("pbx", 0) == 0

    assert admission.refusal("pbx2", bounds.inbox - 1) == 0
    assert admission.refusal("pbx2", bounds.inbox) == 1


def test_an_overload_refuses_everybody_until_it_is_over(door: Door, bench: Bench) -> None:
    admission = door.admission
    admission.look(0, admission.conditions.bounds.inbox_wait_s)
    assert door.raised == ["overload"]
    assert [alarm.id for alarm in door.told] == ["overload"], "it is long until it is on disk"
    assert admission.refusal("pbx", 0) == 1
    admission.look(0, 0.0)
    bench.clock.advance(1)
    assert admission.refusal("pbx", 0) == 0


def test_who_keeps_the_log_of_the_store_is_told_by_name(door: Door) -> None:
    door.held = "sqlite3 linkage.db (pid 4711) reads the store since 30 s"
    door.admission.look(0, 0.0)
    assert [alarm.text for alarm in door.alarms] == [door.held]
    assert door.admission.refusal("pbx", 0) == 0, "requests are taken"


def test_many_that_wait_shortly_are_told_by_the_journal_alone(door: Door) -> None:
    door.admission.look(door.admission.conditions.bounds.inbox, 0.0)
    assert door.raised == ["overload"]
    assert door.told == []


def test_what_a_failing_disk_makes_wait_is_no_overload(door: Door, bench: Bench) -> None:
    admission = door.admission
    door.engine.store_error = "database or disk is full"
    admission.look(0, admission.conditions.bounds.inbox_wait_s)
    assert door.raised == ["store"]

    assert admission.refusal("pbx", 0) == 5
    door.engine.store_error = None
    bench.clock.advance(4)
    assert [admission.refusal(source, 0) for source in ("pbx", "pbx2")] == [1, 0]


def test_who_heard_from_the_disk_that_it_is_to_wait_is_held_to_it(
    door: Door, bench: Bench
) -> None:
    admission = door.admission
    door.holds.hold_queued("pbx", bench.clock.now())
    admission.failed(bench.submit("pbx", incoming()), FAILED)
    assert [admission.refusal(source, 0) for source in ("pbx", "pbx2")] == [5, 0]
    assert not admission.offer_kept(), "a peer says it again"


def test_what_waits_for_a_disk_is_bounded_and_then_the_least_of_it_is_lost(door: Door) -> None:
    admission = door.admission
    for _ in range(KEPT_MAX - 1):
        admission.failed(ANSWER, FAILED)
    room = [admission.has_room]
    admission.failed(SEEN, FAILED)
    room.append(admission.has_room)
    admission.failed(SEEN, FAILED)
    admission.failed(ANSWER, FAILED)

    assert admission.offer_kept()
    assert door.put == [*[ANSWER] * (KEPT_MAX - 1), SEEN, ANSWER]
    assert [*room, admission.has_room] == [True, False, True]
    assert not admission.offer_kept()


async def test_an_adapter_s_alarm_is_written_also_where_too_much_waits(tmp_path: Path) -> None:
    async with Site(tmp_path, limits={"inbox": 1}) as site:
        link = FakeLink(site.core, "pbx")
        await site.core.adopt(link, "pbx")
        await asyncio.gather(
            site.core.note(link, EntryKind.MALFORMED, "1"),
            site.core.note(link, EntryKind.ALARM, "pbx is down"),
            site.core.note(link, EntryKind.MALFORMED, "2"),
        )

        said = [row.detail for row in site.journal() if row.source == "pbx"]
        assert said[1:] == ["1", "pbx is down"]


def test_an_answer_that_the_disk_did_not_take_waits_for_who_registers_meanwhile(
    door: Door,
) -> None:
    door.admission.hand_over(ANSWER.receiver)
    door.admission.failed(ANSWER, FAILED)
    assert not door.admission.offer_kept(), "what becomes of the registration decides"
    door.admission.failed(Acknowledge("other", 1, 1, ANSWER.response), FAILED)
    assert door.admission.offer_kept()
