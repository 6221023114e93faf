"""The campaign: a linkage, workers that attack it, a canary that must not notice, the verdict."""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy import func, select

from benchmarks.process import LOAD_CORE, SERVER_CORE, Child, run
from linkage.client import Application, Platform
from linkage.config.load import load_config
from linkage.store.sql import tables
from linkage.store.sql.rebuild import differences, rebuild
from linkage.store.sqlite.database import CACHE_KIB, open_for_reading
from protocol.messages import CallDirection, IncomingCallNotice
from tests.load.fuzz.target import CANARY_SECRET, Target, peer_names

SAMPLE_S: Final = 1.0
SERVED_WITHIN_S: Final = 30.0
MiB: Final = 1024 * 1024
GROWTH_MAX: Final = 16 * MiB
"""Memory may grow by so much over the second half of a campaign: caches that are filled late, and
the allocator. What leaks with a million streams leaks more."""
PAGE_CACHE: Final = CACHE_KIB * 1024
"""What the store keeps of its file in memory; as long as the file is smaller, it grows with it."""
FLAT_FROM: Final = 20
"""Samples of which a slope says something."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Sample:
    """Bytes: resident memory, and the store's file."""

    rss: int
    store: int

    @property
    def beside_the_store(self) -> int:
        """What is not the store's page cache."""
        return self.rss - min(self.store, PAGE_CACHE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fuzz:
    """What to do: how many streams, from which seed, over how many connections at a time."""

    streams: int = 1_000_000
    seed: int = 1
    first: int = 0
    workers: int = 2
    width: int = 32


@dataclass(slots=True, kw_only=True)
class Report:
    """The verdict: `failures` in words (none: it passed), and the figures."""

    plan: Fuzz
    streams: int = 0
    connections: int = 0
    megabytes: float = 0
    took_s: float = 0
    server_cpu_s: float = 0
    rss_start_mib: float = 0
    rss_end_mib: float = 0
    rss_most_mib: float = 0
    growth_mib: float | None = None
    """Of memory beside the store's page cache, by the slope of the second half, over that half;
    None: too short to say."""
    journal_rows: int = 0
    store_mib: float = 0
    canary: int = 0
    canary_ms: dict[str, float] = field(default_factory=dict)
    ways: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {"ok": not self.failures, **asdict(self)}

    def lines(self) -> Iterator[str]:
        """For people."""
        plan = self.plan
        yield f"{self.streams} damaged streams, {self.megabytes:.0f} MB, seed {plan.seed}"
        yield f"  connections   {self.connections}, {plan.workers * plan.width} at a time"
        yield f"  took          {self.took_s:.0f} s ({self.streams / self.took_s:.0f}/s), "
        yield f"                linkage {self.server_cpu_s:.0f} s of CPU"
        yield (
            f"  memory        {self.rss_start_mib:.0f} MiB, then {self.rss_end_mib:.0f}, "
            f"at most {self.rss_most_mib:.0f}"
        )
        if self.growth_mib is not None:
            yield f"                {self.growth_mib:+.1f} MiB over the second half, by the slope,"
            yield "                beside the store's page cache (at most 64 MiB of its file)"
        yield f"  journal       {self.journal_rows} rows; store {self.store_mib:.0f} MiB"
        told = ", ".join(f"{name} {value:.0f} ms" for name, value in self.canary_ms.items())
        yield f"  meanwhile     {self.canary} honest notices delivered ({told})"
        for failure in self.failures:
            yield f"FAILED: {failure}"
        if not self.failures:
            yield "it served throughout: no traceback, nothing hangs, journal and tables hold"
        yield (
            f"again: python -m tests.load.fuzz --streams {plan.streams} --seed {plan.seed} "
            f"--first {plan.first} --workers {plan.workers} --width {plan.width}"
        )


def run_fuzz(plan: Fuzz, folder: Path, say: Say = lambda _line: None) -> Report:
    """Run a campaign in `folder`; the store and the log stay there."""
    return run(_campaign(plan, folder, say))


async def _campaign(plan: Fuzz, folder: Path, say: Say) -> Report:
    report = Report(plan=plan)
    target = Target(folder)
    try:
        await target.child.listens(target.port)
        report.rss_start_mib = target.rss() / MiB
        before = target.descriptors()
        samples: list[Sample] = []
        latencies: list[float] = []
        watching = asyncio.get_running_loop().create_task(
            _watch(target, samples, latencies, report, say)
        )
        began = time.monotonic()
        try:
            _count(report, await _attack(plan, target, folder))
        finally:
            report.took_s = time.monotonic() - began
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
        await _settled(target, before, report)
        report.server_cpu_s = target.child.cpu_s()
        _weigh(report, target, samples, latencies)
    finally:
        target.child.stop()
    _judge_store(report, target)
    report.failures += [f"the log says: {line}" for line in target.complaints()]
    return report


async def _attack(plan: Fuzz, target: Target, folder: Path) -> list[dict[str, Any]]:
    """The workers, each with its share of the numbers and of the peers."""
    names = peer_names()
    workers = []
    for at in range(plan.workers):
        share = [plan.first + at, plan.first + plan.streams, plan.workers, plan.width]
        command = [sys.executable, "-m", "tests.load.fuzz.attack", str(target.port)]
        numbers = [str(plan.seed), *map(str, share), *names[at :: plan.workers]]
        log = folder / f"attack-{at}.log"
        # Both cores: linkage has one, what attacks it the other and what linkage leaves.
        core = LOAD_CORE if at % 2 == 0 else SERVER_CORE
        workers.append((Child([*command, *numbers], log, core=core), log))
    try:
        return [await _result(worker, target) for worker, _ in workers]
    finally:
        for worker, _ in workers:
            worker.stop()


async def _result(worker: Child, target: Target) -> dict[str, Any]:
    while True:
        target.child.check()
        lines = worker.output.splitlines()
        if lines and lines[-1].startswith("{"):
            found: dict[str, Any] = json.loads(lines[-1])
            return found
        worker.check()
        await asyncio.sleep(0.1)


def _count(report: Report, tallies: Sequence[dict[str, Any]]) -> None:
    ways: Counter[str] = Counter()
    for tally in tallies:
        report.streams += tally["streams"]
        report.connections += tally["connections"]
        report.megabytes += tally["bytes"] / 1e6
        ways.update(tally["ways"])
        for number in tally["hung"]:
            report.failures.append(f"the connection of stream {number} was never closed")
        if tally["refused"]:
            report.failures.append(f"{tally['refused']} honest registrations were refused")
    report.ways = dict(ways)


# --- what must hold meanwhile --------------------------------------------------------------------
async def _watch(
    target: Target, samples: list[Sample], latencies: list[float], report: Report, say: Say
) -> None:
    """Sample the memory, and see that a well-behaved pair is served."""
    address = ("127.0.0.1", target.port)
    async with (
        Platform(*address, "canary-pbx", secret=CANARY_SECRET) as pbx,
        Application(*address, "canary-desk", secret=CANARY_SECRET) as desk,
    ):
        while True:
            samples.append(Sample(target.rss(), target.store_bytes()))
            call_id = f"canary{len(samples)}"
            call = IncomingCallNotice(
                call_id=call_id, direction=CallDirection.IN, phone_num="139", to_num="2222"
            )
            began = time.monotonic()
            try:
                async with asyncio.timeout(SERVED_WITHIN_S):
                    await pbx.notify(call, check=True)
                    while True:
                        received = await desk.next_notice()
                        await received.acknowledge()
                        if received.message.call_id == call_id:
                            break
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
                report.failures.append(f"notice {call_id} was not served: {error!r}")
                return
            latencies.append(time.monotonic() - began)
            if len(samples) % 15 == 0:
                say(f"{len(samples)} notices served, {samples[-1].rss / MiB:.0f} MiB")
            await asyncio.sleep(SAMPLE_S)


async def _settled(target: Target, before: int, report: Report) -> None:
    """Every connection is given back: as many descriptors as before the attack."""
    for _ in range(100):
        left = target.descriptors() - before
        if left <= 2:  # the store's own files
            return
        await asyncio.sleep(0.1)
    report.failures.append(f"{left} descriptors were not given back")


def _weigh(
    report: Report, target: Target, samples: Sequence[Sample], latencies: Sequence[float]
) -> None:
    report.rss_end_mib = target.rss() / MiB
    report.rss_most_mib = max((sample.rss for sample in samples), default=0) / MiB
    report.canary = len(latencies)
    if latencies:
        ordered = sorted(latencies)
        report.canary_ms = {
            "median": statistics.median(ordered) * 1e3,
            "p99": ordered[int(len(ordered) * 0.99)] * 1e3,
            "worst": ordered[-1] * 1e3,
        }
    half = [sample.beside_the_store for sample in samples[len(samples) // 2 :]]
    if len(half) >= FLAT_FROM:
        slope = statistics.linear_regression(range(len(half)), half).slope
        report.growth_mib = slope * len(half) / MiB
        if report.growth_mib * MiB > GROWTH_MAX:
            report.failures.append(f"memory grows: {report.growth_mib:.0f} MiB in the second half")


# --- what must hold afterwards -------------------------------------------------------------------
def _judge_store(report: Report, target: Target) -> None:
    config = load_config(target.config)
    report.store_mib = config.database_path.stat().st_size / MiB
    command = [sys.executable, "-m", "linkage", "journal", "verify", "-c", str(target.config)]
    verified = subprocess.run(command, capture_output=True, text=True, check=False)
    if verified.returncode:
        report.failures.append(f"journal verify: {verified.stdout}{verified.stderr}"[:500])
    engine = open_for_reading(config.database_path)
    try:
        with engine.connect() as connection:
            rows = connection.execute(select(func.count()).select_from(tables.journal))
            report.journal_rows = rows.scalar() or 0
            broken = connection.execute(
                select(tables.journal.c.seq, tables.journal.c.body)
                .where(tables.journal.c.result == 500)
                .limit(5)
            )
            report.failures += [
                f"journal {row.seq}: result 500 for {row.body!r}" for row in broken
            ]
        again = rebuild(engine)
        report.failures += differences(engine, again)[:5]
        again.dispose()
    finally:
        engine.dispose()
