"""What a stopped reader, a storm, a slow disk and a full one cost, and whom.

    python -m tests.load.pressure [reader] [storm] [slow] [full] [--queued 200000] [--json]

Linkage has one core, the load another. A full disk needs root: it is a small file system that is
mounted for it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final

from benchmarks.machine import describe_machine
from benchmarks.process import LOAD_CORE, BenchmarkError, die_orderly, pin, run
from tests.load.pressure.disks import full_disk, show_full_disk, show_slow_disk, slow_disk
from tests.load.pressure.peers import (
    MEMORY_MIB,
    SLOWER,
    show_stopped_reader,
    show_storm,
    stopped_reader,
    storm,
)

Scenario = Callable[[argparse.Namespace], Coroutine[Any, Any, dict[str, Any]]]

SCENARIOS: Final[dict[str, tuple[Scenario, Callable[[dict[str, Any]], str]]]] = {
    "reader": (stopped_reader, show_stopped_reader),
    "storm": (storm, show_storm),
    "slow": (slow_disk, show_slow_disk),
    "full": (full_disk, show_full_disk),
}


def main(arguments: list[str]) -> int:
    """Exit status 1 where a target is missed, or something was lost."""
    options = _options(arguments)
    die_orderly()
    pin(LOAD_CORE)
    report: dict[str, Any] = {}
    for name in options.scenario or list(SCENARIOS):
        measure, show = SCENARIOS[name]
        try:
            found = run(measure(options))
        except BenchmarkError as error:
            found = {"ok": False, "problem": str(error)}
        report[name] = found
        if not options.json:
            print(show(found) if "problem" not in found else f"{name}: {found['problem']}")
            print("  ok" if found["ok"] else "  MISSED", flush=True)
    if options.json:
        told = {"machine": describe_machine(), "budgets": list(_budgets(report)), **report}
        print(json.dumps(told))
    return 0 if all(found["ok"] for found in report.values()) else 1


def _budgets(report: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What was promised, and what was found, for the page about performance."""
    reader, full = report.get("reader", {}), report.get("full", {})
    if "grew_mib" in reader:
        grew, ratio = reader["grew_beside_mib"], reader["p99_ratio"]
        yield _budget(
            f"a stopped reader with {reader['queued']:,} queued notices: memory beside the "
            "store's page cache",
            f"< {MEMORY_MIB} MiB",
            f"{grew:.1f} MiB",
            met=grew < MEMORY_MIB,
        )
        found = f"{(ratio - 1) * 100:+.1f} %"
        yield _budget("the same: p99 of the others", "< +10 %", found, met=ratio < SLOWER)
    if "accepted_and_lost" in full:
        lost = full["accepted_and_lost"]
        yield _budget("a full disk: taken and lost", "0", str(lost), met=not lost)


def _budget(what: str, target: str, found: str, *, met: bool) -> dict[str, Any]:
    return {"what": what, "target": target, "found": found, "met": met}


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("scenario", nargs="*", choices=[[], *SCENARIOS], help="none: all")
    parser.add_argument("--queued", type=int, default=200_000, help="notices for the stopped one")
    parser.add_argument("--rate", type=float, default=500.0, help="notices a second for others")
    parser.add_argument("--calm-rate", type=float, default=50.0)
    parser.add_argument("--storm-rate", type=float, default=20_000.0)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="of the stopped reader")
    parser.add_argument("--monitor", action="store_true", help="the stopped one is a monitor")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
