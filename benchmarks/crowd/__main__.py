"""The command line of the crowd."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import benchmarks.crowd
from benchmarks.crowd.run import SPARE, Plan, allow_descriptors, measure
from benchmarks.machine import data_folder, describe_conditions
from benchmarks.process import LOAD_CORE, BenchmarkError, die_orderly, pin, run


def show(report: Mapping[str, Any]) -> str:
    """The report for people."""
    held, notices, late = report["memory"], report["notices"], report["heartbeats_late"]
    lines = [f"{key:>7}: {value}" for key, value in report["machine"].items()]
    before, settled, at_end = (held[when]["pss_kib"] / 1024 for when in held)
    lines += [
        "",
        f"started in {report['started_s']} s with {report['connections']} peers configured",
        f"registered in {report['entered_s']} s ({report['entered_cpu_s']} s of processor time)",
        f"there after {report['minutes']:g} min: {report['present']}",
        f"dropped: {report['dropped']}",
        f"memory: {before:.0f} MiB before, {settled:.0f} with them, {at_end:.0f} at the end",
        f"of each: {report['pss_kib_each']} KiB PSS, {report['rss_kib_each']} KiB RSS",
        f"share of the core with heartbeats alone: {report['idle_core']:.1%}",
        f"share of the core with the notices: {report['busy_core']:.1%}",
        f"heartbeats: {report['heartbeats']}, late by {_percentiles(late)}",
        f"notices: {notices['delivered']} of {notices['sent']} delivered, "
        + _percentiles(notices["delivery"]),
    ]
    return "\n".join(lines)


def _percentiles(figures: Mapping[str, float]) -> str:
    return f"p50 {figures.get('p50_ms')} ms, p99 {figures.get('p99_ms')} ms"


def main(arguments: list[str]) -> int:
    """0; 1 where a connection or a notice was lost, or nothing could be measured."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.crowd",
        description=benchmarks.crowd.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--connections", type=int, default=10_000, help="(10000)")
    parser.add_argument("--minutes", type=float, default=10.0, help="that they stay (10)")
    parser.add_argument("--rate", type=float, default=100.0, help="notices a second (100)")
    parser.add_argument("--heartbeat", type=float, default=10.0, help="interval in seconds (10)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    plan = Plan(
        connections=options.connections,
        minutes=options.minutes,
        rate=options.rate,
        heartbeat_s=options.heartbeat,
    )
    die_orderly()
    conditions = describe_conditions()
    pin(LOAD_CORE)
    try:
        allow_descriptors(options.connections + SPARE)
        with tempfile.TemporaryDirectory(prefix="linkage-bench-", dir=data_folder()) as folder:
            figures = run(measure(plan, Path(folder)))
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    report = {
        "machine": conditions,
        "connections": options.connections,
        "minutes": options.minutes,
        **figures,
    }
    print(json.dumps(report) if options.json else show(report))
    notices = figures["notices"]
    return int(bool(figures["dropped"]) or notices["delivered"] != notices["sent"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
