"""What nobody waits for is written with the next thing that somebody does wait for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from linkage.clock import SystemClock
from linkage.core.clock_steps import steady_us_of
from linkage.core.context import Context
from linkage.core.peers import Peers
from linkage.core.requests.adapter_record import Record
from linkage.core.writer.group_commit import GroupCommit
from linkage.core.writer.writer import Batch, Writer
from linkage.store.sql.unit import UnitOfWork
from linkage.store.sqlite.database import open_store
from tests.fakes.core_bench import config

WITHIN_S = 30.0


class Bench:
    """Writer to a real store, and the keys of each batch in their order."""

    def __init__(self, folder: Path) -> None:
        settings = config(folder)
        clock = SystemClock()
        self.store = open_store(folder / "linkage.db")
        engine = GroupCommit(
            Context(UnitOfWork(self.store), Peers.of(settings, {}), 30), time.monotonic
        )
        self.commits = Writer(engine, clock, steady_us_of(clock), self._settle)
        self.batches: asyncio.Queue[list[str]] = asyncio.Queue()

    def _settle(self, batch: Batch) -> None:
        records = [work for _, work, _ in batch.items if isinstance(work, Record)]
        self.batches.put_nowait([key for record in records for key in record.memory])

    def put(self, key: str, *, patient: bool) -> None:
        self.commits.put(Record("pbx", (), {key: "1"}), patient=patient)

    async def batch(self) -> list[str]:
        return await asyncio.wait_for(self.batches.get(), WITHIN_S)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    found = Bench(tmp_path)
    found.commits.start()
    yield found
    await found.commits.stop()
    found.store.dispose()


async def turn() -> None:
    """Let the loop come round, so that what is put next is of another turn."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_what_is_patient_goes_with_the_next_that_is_not_and_before_it(bench: Bench) -> None:
    bench.put("first", patient=True)
    await turn()
    bench.put("second", patient=True)
    await turn()
    assert bench.batches.empty()
    bench.put("third", patient=False)
    assert await bench.batch() == ["first", "second", "third"]


async def test_what_is_patient_and_stays_alone_is_written_too(bench: Bench) -> None:
    bench.put("only", patient=True)
    assert await bench.batch() == ["only"]


async def test_what_is_patient_does_not_hold_up_what_came_before_in_its_turn(bench: Bench) -> None:
    bench.put("urgent", patient=False)
    bench.put("patient", patient=True)
    assert await bench.batch() == ["urgent", "patient"]


async def test_what_is_patient_is_on_disk_at_the_end(bench: Bench) -> None:
    bench.put("last", patient=True)
    await bench.commits.stop()
    assert await bench.batch() == ["last"]


class Restless(dict[int, float]):
    """Changes whenever another thread looks: one that does stands for it."""

    looks = 0

    def __iter__(self) -> Iterator[int]:
        self.looks += 1
        raise RuntimeError("dictionary changed size during iteration")


async def test_how_long_work_waits_is_told_while_work_comes_and_goes_all_the_time(
    bench: Bench,
) -> None:
    bench.commits.unsettled = restless = Restless()
    assert bench.commits.oldest_s == 0.0
    assert 1 < restless.looks < 100
    bench.commits.unsettled = {1: SystemClock().now() - 5}
    assert bench.commits.oldest_s >= 5
