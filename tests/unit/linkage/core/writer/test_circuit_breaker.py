"""A disk that takes nothing is tried by what must be written, and by nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from linkage.core.jobs import Alarm, Done, Job, LoadQueue, Sweep
from linkage.core.writer.circuit_breaker import CircuitBreaker
from protocol import messages as m
from tests.fakes.core_bench import Bench
from tests.fakes.said import incoming

ALARM = Alarm("store", "linkage", "the store cannot be written")
READ = LoadQueue("desk", 0, 10, 0)


class Broken:
    """A breaker before a real engine, whose disk can be taken away."""

    def __init__(self, folder: Path) -> None:
        self.bench = Bench(folder)
        self.breaker = CircuitBreaker(self.bench.core, self.bench.clock.now)

    def disk(self, *, takes: bool) -> None:
        with self.bench.engine.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA query_only={int(not takes)}")

    def do(self, *works: Job) -> list[Done]:
        return self.breaker.process(works, self.bench.now())

    def say(self, *sources: str) -> list[int]:
        """Each says something; the results."""
        done = self.do(*(self.bench.submit(source, m.MuteNotice()) for source in sources))
        return [one.response.result for one in done if one.response is not None]

    @property
    def failing(self) -> bool:
        return self.bench.core.store_failing


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
    assert [delivery.row.seq for delivery in read.deliveries] == [1]
    assert refused.response is not None
    assert refused.response.result == 404
    assert broken.failing


def test_a_request_does_not_try_the_disk(broken: Broken) -> None:
    broken.disk(takes=True)
    assert broken.say("pbx2") == [404]
    assert broken.failing


def test_a_probe_that_is_not_taken_ends_nothing(broken: Broken) -> None:
    (alarm, _) = broken.do(ALARM, Sweep(frozenset(), 0))
    assert isinstance(alarm.value, OSError)
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
