"""A disk that takes nothing is tried by what must be written, and by nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from linkage.core.alarms import Alarm
from linkage.core.delivery.queue_reader import Loaded
from linkage.core.delivery.queues import LoadQueue
from linkage.core.job import Job
from linkage.core.own_entries import TellAlarm
from linkage.core.scope import Done
from linkage.core.sweeper import Sweep
from protocol import messages as m
from tests.fakes.core_bench import Bench, answer_of
from tests.fakes.said import incoming

ALARM = TellAlarm(Alarm("store", "linkage", "the store cannot be written"))
READ = LoadQueue("desk", 0, 10)


class Broken:
    """A real store, whose disk can be taken away."""

    def __init__(self, folder: Path) -> None:
        self.bench = Bench(folder)

    def disk(self, *, takes: bool) -> None:
        with self.bench.engine.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA query_only={int(not takes)}")

    def do(self, *works: Job[Any]) -> list[Done[Any]]:
        return self.bench.core.process(works, self.bench.now())

    def say(self, *sources: str) -> list[int]:
        """Each says something; the results."""
        works = [self.bench.submit(source, m.MuteNotice()) for source in sources]
        done = self.do(*works)
        return [answer_of(work, one).result for work, one in zip(works, done, strict=True)]

    @property
    def failing(self) -> bool:
        return self.bench.core.store_failing


def loaded_of(done: Done[Any]) -> Loaded:
    assert isinstance(done.value, Loaded)
    return done.value


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[Broken]:
    """Its disk has failed while `pbx` said something."""
    broken = Broken(tmp_path)
    broken.do(broken.bench.submit("pbx", incoming()))
    broken.disk(takes=False)
    assert broken.say("pbx") == [404]
    yield broken
    broken.bench.close()


def test_reading_goes_on_and_ends_nothing(broken: Broken) -> None:
    read, refused = broken.do(READ, broken.bench.submit("pbx2", m.MuteNotice()))
    assert [delivery.row.seq for delivery in loaded_of(read).deliveries] == [1]
    assert isinstance(refused.error, OSError)
    assert broken.failing


def test_a_request_does_not_try_the_disk(broken: Broken) -> None:
    broken.disk(takes=True)
    assert broken.say("pbx2") == [404]
    assert broken.failing


def test_a_probe_that_is_not_taken_ends_nothing(broken: Broken) -> None:
    (alarm, _) = broken.do(ALARM, Sweep(frozenset(), 0))
    assert isinstance(alarm.error, OSError)
    assert broken.failing


def test_a_probe_that_is_taken_ends_it_but_not_for_who_was_refused(broken: Broken) -> None:
    broken.disk(takes=True)
    (alarm, _) = broken.do(ALARM, Sweep(frozenset(), 0))
    assert alarm.value is True
    assert not broken.failing

    assert broken.say("pbx", "pbx2", "pbx") == [404, 0, 404], "it was told to wait 5 s"
    broken.bench.clock.advance(5)
    assert broken.say("pbx") == [0]


def test_who_asks_again_while_it_is_to_wait_does_not_wait_longer(broken: Broken) -> None:
    broken.bench.clock.advance(3)
    assert broken.say("pbx") == [404]
    broken.disk(takes=True)
    broken.do(ALARM)
    broken.bench.clock.advance(2)
    assert broken.say("pbx") == [0]
