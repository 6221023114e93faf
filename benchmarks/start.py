"""How soon it is there: `linkage --help`, and serving with a million deliveries that wait.

    python -m benchmarks.start [--open 1000000] [--runs 5] [--dir DIR] [--json]

`--help` is timed as a person does, from the shell's start of it to its end. Serving is timed from
the start of `linkage serve` until it listens, until the receiver of the queue is registered, and
until the first of what waits for it has arrived. The store is made once, with a chain of hashes as
linkage writes it; with `--dir` it is kept there and used again. With an empty store it is timed
until it listens, and its memory (PSS) is read when it has had nothing to do for a second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks.comparison.frames import SECRET, RegisteringPeer
from benchmarks.deep_store import make_store
from benchmarks.machine import data_folder, describe_conditions
from benchmarks.process import (
    LOAD_CORE,
    SERVER_CORE,
    BenchmarkError,
    Child,
    die_orderly,
    memory,
    pin,
    run,
)
from benchmarks.serving import port_of, serve_command
from linkage.store.rows import to_us
from protocol.roles import Role

HELPS: Final = 4
"""Times that the help is asked for in a run."""
IDLE_S: Final = 1.0
JOURNAL_ROWS: Final = 10_000
WITHIN_S: Final = 120.0


class Heir(RegisteringPeer):
    """The receiver of the queue: takes the first of it, and leaves it unanswered."""

    def __init__(self) -> None:
        super().__init__(Role.APPLICATION, "desk")
        self.first: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def received(self, payload: bytes) -> None:
        """A notice of the queue, or the answer to the registration."""
        if payload.startswith(b"<request") and not self.first.done():
            self.first.set_result(None)


def time_help() -> tuple[float, float]:
    """Milliseconds of one `linkage --help`: by the clock on the wall, and of the processor."""
    before, began = os.times(), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "linkage", "--help"], stdout=subprocess.DEVNULL, check=True
    )
    wall, after = time.perf_counter() - began, os.times()
    cpu = (after.children_user + after.children_system) - (
        before.children_user + before.children_system
    )
    return wall * 1000, cpu * 1000


async def time_empty_start() -> dict[str, float]:
    """Seconds until one `linkage serve` listens that has nothing yet; and MiB it then holds."""
    with store_in(None) as folder:
        path = write_config(folder)
        began = time.perf_counter()
        server = Child(serve_command(path), folder / "server.log")
        try:
            await port_of(server, WITHIN_S)
            listening = time.perf_counter()
            await asyncio.sleep(IDLE_S)
            idle = memory(server.pid)
        finally:
            server.stop()
    return {"empty_listening_s": listening - began, "idle_mib": idle.pss_kib / 1024}


def write_config(folder: Path) -> Path:
    """A configuration with one application."""
    path = folder / "linkage.toml"
    path.write_text(
        f'listen = ["127.0.0.1:0"]\n[timers]\nregister_within_s = {WITHIN_S}\n'
        f'[[peer]]\nid = "desk"\nsecret = "{SECRET}"\nrole = "application"\n',
        encoding="utf-8",
    )
    path.chmod(0o600)
    return path


async def time_start(folder: Path) -> dict[str, float]:
    """Seconds from the start of one `linkage serve` until it listens, knows us, and delivers."""
    path = write_config(folder)
    began = time.perf_counter()
    server = Child(serve_command(path), folder / "server.log")
    try:
        port = await port_of(server, WITHIN_S)
        listening = time.perf_counter()
        _, heir = await asyncio.get_running_loop().create_connection(Heir, "127.0.0.1", port)
        async with asyncio.timeout(WITHIN_S):
            await heir.registered
            registered = time.perf_counter()
            await heir.first
        first, cpu_s = time.perf_counter(), server.cpu_s()
        heir.transport.close()
    finally:
        server.stop()
        (folder / "server.log").unlink(missing_ok=True)
    return {
        "listening_s": listening - began,
        "registered_s": registered - began,
        "first_delivery_s": first - began,
        "cpu_s": cpu_s,
    }


@contextmanager
def store_in(directory: Path | None) -> Iterator[Path]:
    """The folder to serve from: the one that was given, or one that is removed again."""
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
        yield directory
        return
    with tempfile.TemporaryDirectory(prefix="linkage-bench-", dir=data_folder()) as folder:
        yield Path(folder)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All runs; the medians."""
    pin(SERVER_CORE)
    helps = [time_help() for _ in range(options.runs * HELPS + 1)][1:]
    pin(LOAD_CORE)
    empty = [run(time_empty_start()) for _ in range(options.runs)]
    with store_in(options.dir) as folder:
        data = folder / "data"
        data.mkdir(exist_ok=True)
        make_store(data / "linkage.db", JOURNAL_ROWS, options.open, to_us(datetime.now(UTC)))
        starts = [run(time_start(folder)) for _ in range(options.runs)]
    return {
        "help_ms": round(statistics.median(wall for wall, _ in helps), 1),
        "help_cpu_ms": round(statistics.median(cpu for _, cpu in helps), 1),
        "open_deliveries": options.open,
        **{
            name: round(statistics.median(start[name] for start in some), 3)
            for some in (empty, starts)
            for name in some[0]
        },
    }


def show(report: Mapping[str, Any]) -> str:
    """The report for people."""
    lines = [f"{key:>7}: {value}" for key, value in report["machine"].items()]
    lines += [
        "",
        f"linkage --help: {report['help_ms']} ms",
        f"  processor time of it: {report['help_cpu_ms']} ms",
        f"with an empty store it listens after {report['empty_listening_s']} s",
        f"  and holds {report['idle_mib']:.1f} MiB when it has nothing to do",
        f"with {report['open_deliveries']:,} deliveries that wait, from the start:",
        f"  listens after {report['listening_s']} s",
        f"  the receiver is registered after {report['registered_s']} s",
        f"  its first message is there after {report['first_delivery_s']} s",
        f"  processor time until then: {report['cpu_s']} s",
    ]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """0; 1 where nothing could be measured."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.start",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--open", type=int, default=1_000_000, help="deliveries (1000000)")
    parser.add_argument("--runs", type=int, default=5, help="of each (5)")
    parser.add_argument("--dir", type=Path, help="where the store is made, and kept")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    die_orderly()
    conditions = describe_conditions()
    try:
        report = {"machine": conditions, **measure(options)}
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    print(json.dumps(report) if options.json else show(report))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
