"""What a message costs when the journal is deep: the same with 10 thousand rows and 10 million.

For each depth, in a process of its own: messages through `GroupCommit` (journalled, bound,
delivered, acknowledged, synced), the timeline of one EventID, and the start with a queue of open
deliveries. Stores are made once in the directory given, and kept; ten million rows take 6 GB.

    python -m benchmarks.depth --dir DIR [--rows 10000 1000000] [--open 1000000] [--json]
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks.deep_store import PLATFORMS, event_id, event_numbers, make_store
from benchmarks.machine import describe_machine
from linkage.config.file import Config
from linkage.core.context import Context
from linkage.core.delivery.acknowledge import Acknowledge
from linkage.core.delivery.queues import LoadQueue
from linkage.core.job import Job
from linkage.core.peers import Peers
from linkage.core.requests.submit import Submit
from linkage.core.scope import Now
from linkage.core.writer.group_commit import GroupCommit
from linkage.store.read.reader import StoreReader
from linkage.store.rows import to_us
from linkage.store.sql.unit import UnitOfWork
from linkage.store.sqlite.database import open_store
from protocol.codec import decode
from protocol.envelope import Request, Response

BATCH: Final = 64
SECRET: Final = "benchmark-secret-0"
READS: Final = 1000
SHALLOW: Final = 100_000
"""Rows of a store that is made in a second or two."""


def now() -> Now:
    """The time of a batch."""
    utc = datetime.now(UTC)
    return Now(utc, to_us(utc))


def config(folder: Path) -> Config:
    """One desk, eight platforms."""
    peers = [{"id": "desk", "role": "application", "secret": SECRET}]
    peers += [{"id": f"pbx{n}", "role": "platform", "secret": SECRET} for n in range(PLATFORMS)]
    return Config.model_validate(
        {"source": folder / "linkage.toml", "data": Path(), "peer": peers}
    )


def notices(ids: str) -> Iterator[Submit]:
    """Calls without end; `ids` says how platforms number them: `count` or `random`."""
    start = time.time_ns()
    for number in itertools.count():
        name = f"{start + number:x}" if ids == "count" else f"{random.getrandbits(60):015x}"
        item = decode(
            (
                f'<request Id="{name}" Type="100"><CallId>{name}</CallId>'
                "<ConferenceID>NULL</ConferenceID><LoginId>23</LoginId><Type>1</Type>"
                "<PhoneNum>139123444444</PhoneNum><ToNum>2222</ToNum></request>"
            ).encode()
        )
        assert isinstance(item, Request)
        yield Submit(f"pbx{number % PLATFORMS}", item)


def measure_messages(folder: Path, messages: int, ids: str) -> dict[str, float]:
    """Microseconds of one message, by the processor and by the clock on the wall."""
    settings = config(folder)
    engine = open_store(settings.database_path)
    core = GroupCommit(Context(UnitOfWork(engine), Peers.of(settings, {}), 30), time.monotonic)
    source = notices(ids)
    acknowledged: list[Job[Any]] = []
    took: list[tuple[float, float]] = []
    for round_ in range(messages // BATCH * 2):
        batch: list[Job[Any]] = [*acknowledged, *itertools.islice(source, BATCH)]
        cpu, wall = time.process_time(), time.perf_counter()
        done = core.process(batch, now())
        if round_ >= messages // BATCH:  # what came before warmed the caches
            took.append((time.process_time() - cpu, time.perf_counter() - wall))
        acknowledged = [
            Acknowledge(
                "desk",
                item.row.seq,
                item.row.journal_seq,
                Response(request_id=item.request.id, type=100, result=0),
            )
            for one in done
            for item in one.deliveries
        ]
    engine.dispose()
    cpus, walls = ([item[n] / BATCH * 1e6 for item in took] for n in (0, 1))
    return {
        "cpu_us": statistics.median(cpus),
        "wall_us": statistics.median(walls),
        "wall_p99_us": statistics.quantiles(walls, n=100)[98],
    }


def measure_timelines(folder: Path, rows: int) -> dict[str, float]:
    """Milliseconds to read all that belongs to one EventID, each of another place."""
    chosen = random.Random(1).sample(event_numbers(rows), min(READS, len(event_numbers(rows))))
    walls = []
    with StoreReader.open(config(folder).database_path) as reader:
        for number in chosen:
            began = time.perf_counter()
            found = reader.history(event_id(number))
            walls.append((time.perf_counter() - began) * 1000)
            assert len(found.operations) == 5
    cuts = statistics.quantiles(walls, n=100)
    return {"timeline_p50_ms": cuts[49], "timeline_p99_ms": cuts[98]}


def measure_start(folder: Path) -> dict[str, float]:
    """Seconds from opening the store to the first messages of a queue."""
    settings = config(folder)
    began = time.perf_counter()
    engine = open_store(settings.database_path)
    core = GroupCommit(Context(UnitOfWork(engine), Peers.of(settings, {}), 30), time.monotonic)
    (done,) = core.process([LoadQueue("desk", 0, 256)], now())
    took = time.perf_counter() - began
    assert len(done.result().deliveries) == 256
    engine.dispose()
    return {"start_s": took}


def measure(folder: Path, rows: int, options: argparse.Namespace) -> dict[str, Any]:
    """Everything for one depth; makes the store where it is not there yet.

    A shallow one is made anew: what was measured in it has deepened it.
    """
    if rows <= SHALLOW:
        for old in folder.glob("linkage.*"):
            old.unlink()
    began = time.perf_counter()
    make_store(folder / "linkage.db", rows, 0, to_us(datetime.now(UTC)))
    made_s = time.perf_counter() - began
    size = (folder / "linkage.db").stat().st_size
    figures: dict[str, Any] = {"rows": rows, "made_s": made_s, "gigabytes": size / 1e9}
    for ids in ("count", "random"):
        found = measure_messages(folder, options.messages, ids)
        figures |= {f"{ids}_{name}": value for name, value in found.items()}
    return figures | measure_timelines(folder, rows)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--dir", type=Path, required=True, help="where the stores are kept")
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--open", type=int, default=1_000_000, help="deliveries that wait")
    parser.add_argument("--messages", type=int, default=6_400)
    parser.add_argument("--rounds", type=int, default=3, help="the depths in turn; medians (3)")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", choices=["depth", "start"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one == "start":
        folder = options.dir / f"open-{options.open}"
        folder.mkdir(parents=True, exist_ok=True)
        make_store(folder / "linkage.db", 10_000, options.open, to_us(datetime.now(UTC)))
        print(json.dumps(measure_start(folder)))
        return
    if options.one == "depth":
        (rows,) = options.rows
        folder = options.dir / f"depth-{rows}"
        folder.mkdir(parents=True, exist_ok=True)
        print(json.dumps(measure(folder, rows, options)))
        return
    turns = [
        [_apart("depth", options, rows) for rows in options.rows] for _ in range(options.rounds)
    ]
    found = [_medians(figures) for figures in zip(*turns, strict=True)]
    start = _apart("start", options, options.rows[0])
    machine = describe_machine()
    if options.json:
        print(json.dumps({"machine": machine, "depths": found, "start": start}))
        return
    print(", ".join(machine.values()))
    for figures in found:
        print("  ".join(f"{name} {value:,.4g}" for name, value in figures.items()))
    for ids in ("count", "random"):
        ratio = found[-1][f"{ids}_cpu_us"] / found[0][f"{ids}_cpu_us"]
        print(f"ids by {ids}: the deepest costs {ratio:.2f} × the processor time of the first")
    print(f"start with {options.open:,} open deliveries: {start['start_s']:.2f} s")


def _medians(turns: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One depth in all rounds. A machine that drifts from round to round hits every depth."""
    first = turns[0]
    return first | {
        name: statistics.median(turn[name] for turn in turns)
        for name in first
        if name.endswith(("_us", "_ms"))
    }


def _apart(what: str, options: argparse.Namespace, rows: int) -> dict[str, Any]:
    """In a process of its own, so that no cache is shared."""
    command = [sys.executable, "-m", "benchmarks.depth", "--one", what, "--dir", str(options.dir)]
    command += ["--rows", str(rows), "--open", str(options.open)]
    command += ["--messages", str(options.messages)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


if __name__ == "__main__":
    main()
