"""The core's thread takes what has come together, does it in order, and gives it back in order."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator

import pytest

from linkage.core.jobs import Done, LoadMemory
from linkage.core.writer.fair_queue import Item
from linkage.core.writer.thread import BATCH_MAX, Batch, WriterThread

ARRIVALS = itertools.count(1)


class Bench:
    """A worker whose batches wait at a gate, and what came of them."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.entered = threading.Event()
        self.batches: list[list[str]] = []
        self.settled: list[str] = []
        self.threads: set[int] = set()
        self.worker = WriterThread(self._process, self._settle)

    def _process(self, items: list[Item]) -> Batch:
        self.entered.set()
        assert self.gate.wait(20)
        names = [work.adapter for _, work, _ in items if isinstance(work, LoadMemory)]
        self.batches.append(names)
        return Batch(items, [Done(value=name) for name in names], 0.0, 0.0)

    def _settle(self, batch: Batch) -> None:
        self.threads.add(threading.get_ident())
        self.settled += [done.value for done in batch.done]

    def hand_over(self, *names: str) -> None:
        self.worker.hand_over([(next(ARRIVALS), LoadMemory(name), None) for name in names])


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    bench.worker.start()
    yield bench
    bench.gate.set()
    await bench.worker.stop()


async def test_what_comes_while_a_batch_is_done_is_the_next_one(bench: Bench) -> None:
    bench.hand_over("a")
    assert await asyncio.to_thread(bench.entered.wait, 10)
    bench.hand_over("b")
    bench.hand_over("c", "d")
    bench.gate.set()
    await bench.worker.stop()

    assert bench.batches == [["a"], ["b", "c", "d"]]
    assert bench.settled == ["a", "b", "c", "d"]
    assert bench.threads == {threading.get_ident()}


async def test_no_batch_is_longer_than_the_bound(bench: Bench) -> None:
    names = [str(number) for number in range(2 * BATCH_MAX + 1)]
    bench.gate.set()
    bench.hand_over(*names)
    await bench.worker.stop()

    assert [len(batch) for batch in bench.batches] == [BATCH_MAX, BATCH_MAX, 1]
    assert bench.settled == names


async def test_something_else_is_done_after_what_was_handed_over_and_before_what_comes(
    bench: Bench,
) -> None:
    bench.hand_over("a")
    assert await asyncio.to_thread(bench.entered.wait, 10)
    bench.hand_over("b")
    seen = asyncio.ensure_future(bench.worker.call(lambda: list(bench.batches)))  # noqa: TID251 - awaited below
    await asyncio.sleep(0)
    bench.hand_over("c")
    bench.gate.set()

    assert await seen == [["a"], ["b"]]
    await bench.worker.stop()
    assert bench.batches == [["a"], ["b"], ["c"]]


async def test_what_else_fails_is_its_callers_trouble(bench: Bench) -> None:
    bench.gate.set()
    with pytest.raises(ZeroDivisionError):
        await bench.worker.call(lambda: 1 // 0)
    bench.hand_over("a")
    await bench.worker.stop()
    assert bench.settled == ["a"]
