"""The core's thread takes what has come together, does it in order, and gives it back in order."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import pytest

from linkage.clock import SystemClock
from linkage.core.clock_steps import steady_us_of
from linkage.core.job import Job
from linkage.core.requests.adapter_record import LoadMemory
from linkage.core.scope import Done, Now
from linkage.core.writer.group_commit import GroupCommit
from linkage.core.writer.writer import BATCH_MAX, Batch, Writer


class Gated:
    """Does batches, each after a gate is open, and remembers them."""

    store_failing = False
    journal_seq = 0

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.entered = threading.Event()
        self.batches: list[list[str]] = []

    def process(self, jobs: Sequence[Job[Any]], _now: Now) -> list[Done[str]]:
        self.entered.set()
        assert self.gate.wait(20)
        names = [job.adapter for job in jobs if isinstance(job, LoadMemory)]
        self.batches.append(names)
        return [Done(name) for name in names]


class Bench:
    """A writer whose batches wait at a gate, and what came of them."""

    def __init__(self) -> None:
        self.commits = Gated()
        self.gate, self.entered = self.commits.gate, self.commits.entered
        self.batches = self.commits.batches
        self.settled: list[str] = []
        self.threads: set[int] = set()
        clock = SystemClock()
        commits = cast("GroupCommit", self.commits)
        self.writer = Writer(commits, clock, steady_us_of(clock), self._settle)

    def _settle(self, batch: Batch) -> None:
        self.threads.add(threading.get_ident())
        self.settled += [str(done.value) for done in batch.done]

    async def hand_over(self, *names: str) -> None:
        """In one turn of the loop."""
        for name in names:
            self.writer.put(LoadMemory(name))
        await asyncio.sleep(0)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    bench.writer.start()
    yield bench
    bench.gate.set()
    await bench.writer.stop()


async def test_what_comes_while_a_batch_is_done_is_the_next_one(bench: Bench) -> None:
    await bench.hand_over("a")
    assert await asyncio.to_thread(bench.entered.wait, 10)
    await bench.hand_over("b")
    await bench.hand_over("c", "d")
    bench.gate.set()
    await bench.writer.stop()

    assert bench.batches == [["a"], ["b", "c", "d"]]
    assert bench.settled == ["a", "b", "c", "d"]
    assert bench.threads == {threading.get_ident()}


async def test_no_batch_is_longer_than_the_bound(bench: Bench) -> None:
    names = [str(number) for number in range(2 * BATCH_MAX + 1)]
    bench.gate.set()
    await bench.hand_over(*names)
    await bench.writer.stop()

    assert [len(batch) for batch in bench.batches] == [BATCH_MAX, BATCH_MAX, 1]
    assert bench.settled == names


async def test_something_else_is_done_after_what_was_handed_over_and_before_what_comes(
    bench: Bench,
) -> None:
    await bench.hand_over("a")
    assert await asyncio.to_thread(bench.entered.wait, 10)
    await bench.hand_over("b")
    seen = asyncio.ensure_future(bench.writer.between(lambda: list(bench.batches)))  # noqa: TID251 - awaited below
    await asyncio.sleep(0)
    await bench.hand_over("c")
    bench.gate.set()

    assert await seen == [["a"], ["b"]]
    await bench.writer.stop()
    assert bench.batches == [["a"], ["b"], ["c"]]


async def test_what_else_fails_is_its_callers_trouble(bench: Bench) -> None:
    bench.gate.set()
    with pytest.raises(ZeroDivisionError):
        await bench.writer.between(lambda: 1 // 0)
    await bench.hand_over("a")
    await bench.writer.stop()
    assert bench.settled == ["a"]
