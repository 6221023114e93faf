"""How soon a telephone rings: from an application's command to the first INVITE at the target.

A real Asterisk, telephones that speak SIP by plain UDP, `linkage serve`, and an application: a 205
transfers a call that speaks, a 210 rings a dispatcher's telephone. Beside linkage, in turn and in
one run, another build of it (a clone with its `.venv`), and what Asterisk takes by itself: its own
REST interface is asked to ring the same telephone, and nothing is written to any disk.

    sudo tests/real/provision.sh         # once: Asterisk, unpacked into a cache folder
    python -m benchmarks.ringing [--against CLONE] [--calls 100] [--json]

Ends with 3 where Asterisk is not provisioned.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from benchmarks.machine import data_folder, describe_conditions
from benchmarks.process import REPOSITORY, BenchmarkError, die_orderly, run
from benchmarks.telephone_desk import Bare, desk
from tests.real.peers.asterisk import missing_peers

NOT_PROVISIONED: Final = 3
WARM_UP: Final = 5
"""Calls that are not counted: a build has to be compiled and its caches filled."""
BARE: Final = "asterisk"
RING: Final = "ring"
NOW: Final = "linkage"
BEFORE: Final = "before"
TITLES: Final = {
    NOW: "linkage",
    BEFORE: "the build before",
    BARE: "Asterisk alone, by its REST interface",
}
Samples = dict[str, dict[str, list[float]]]


async def measure(options: argparse.Namespace) -> Samples:
    """All calls of all builds, in turn."""
    builds = {NOW: REPOSITORY, **({BEFORE: options.against} if options.against else {})}
    found: Samples = {name: {"205": [], "210": []} for name in builds}
    found[BARE] = {RING: []}
    async with AsyncExitStack() as stack:
        desks = {}
        for name, build in builds.items():
            temporary = tempfile.TemporaryDirectory(prefix="linkage-bench-", dir=data_folder())
            folder = Path(stack.enter_context(temporary))
            desks[name] = await stack.enter_async_context(desk(build, folder))
        now = desks[NOW]
        bare = Bare(now.asterisk, now.target)
        for number in range(options.calls + WARM_UP):
            took = {BARE: {RING: await bare.ring()}}
            for name, each in desks.items():
                took[name] = {"205": await each.transfer(), "210": await each.call_out()}
            if number >= WARM_UP:
                for name, figures in took.items():
                    for what, seconds in figures.items():
                        found[name][what].append(seconds * 1000)
    return found


def summary(samples: Sequence[float]) -> dict[str, float]:
    """Of milliseconds; the best tenth is what a busy machine disturbed least."""
    cuts = statistics.quantiles(samples, n=20)
    return {
        "p50_ms": round(statistics.median(samples), 2),
        "p10_ms": round(cuts[1], 2),
        "p95_ms": round(cuts[-1], 2),
    }


def report_of(found: Samples, options: argparse.Namespace) -> dict[str, Any]:
    """What was found."""
    medians = {
        name: {what: summary(samples) for what, samples in figures.items()}
        for name, figures in found.items()
    }
    report: dict[str, Any] = {"calls": options.calls, "medians": medians}
    if BEFORE in medians:
        report["ratios"] = {
            what: round(medians[BEFORE][what]["p50_ms"] / figures["p50_ms"], 2)
            for what, figures in medians[NOW].items()
        }
    return report


def show(report: Mapping[str, Any]) -> str:
    """The report for people."""
    lines = [f"{key:>7}: {value}" for key, value in report["machine"].items()]
    lines += ["", f"{report['calls']} calls of each, in turn; ms to the first INVITE", ""]
    for name, figures in report["medians"].items():
        for what, item in figures.items():
            lines.append(
                f"{TITLES[name]:40}{what:>6}{item['p50_ms']:10.2f}"
                f" (p10 {item['p10_ms']:.2f}, p95 {item['p95_ms']:.2f})"
            )
    lines += [
        f"{what}: {ratio:.2f} × as fast as before"
        for what, ratio in report.get("ratios", {}).items()
    ]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """0; 1 where nothing could be measured, 3 where Asterisk is not provisioned."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ringing",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--against", type=Path, help="a clone of another build, with its .venv")
    parser.add_argument("--calls", type=int, default=100, help="of each build (100)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    missing = missing_peers()
    if missing is not None:
        print(f"not measured: {missing}", file=sys.stderr)
        return 1 if os.environ.get("LINKAGE_REQUIRE_REAL") == "1" else NOT_PROVISIONED
    die_orderly()
    conditions = describe_conditions()
    try:
        report = {"machine": conditions, **report_of(run(measure(options)), options)}
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
