"""How many texts a second go all the way: accepted, submitted, receipted, told and acknowledged.

Linkage and Kannel in one run, towards the same SMS centre: the servers have one core, the load
with the applications and the centre another. Rounds go in turn, so that a drifting machine hits
all; look at the medians and the ratios.

    tests/real/provision-sms.sh      # once: Kannel, unpacked into a cache folder
    python -m benchmarks.sms [--only linkage] [--texts 100000] [--rounds 3] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.comparison.load import latencies
from benchmarks.comparison.rounds import Figures, choose, median_of, ratios
from benchmarks.machine import data_folder, describe_conditions
from benchmarks.picture import bars
from benchmarks.process import LOAD_CORE, BenchmarkError, die_orderly, pin, run
from benchmarks.sms.centre import SmsCentre
from benchmarks.sms.kannel_rig import BriefKannelRig, KannelRig
from benchmarks.sms.linkage_rig import LinkageRig
from benchmarks.sms.rig import SmsRig
from benchmarks.sms.traffic import OPEN, Traffic

RIGS: Final[Mapping[str, type[SmsRig]]] = {
    rig.name: rig for rig in (LinkageRig, KannelRig, BriefKannelRig)
}

NEVER: Final = frozenset({"unmatched", "refused", "repeated", "doubled"})
"""Figures of which the worst counts."""


async def measure(kind: type[SmsRig], options: argparse.Namespace) -> Figures:
    """One round of one system, from its start to its end."""
    with tempfile.TemporaryDirectory(prefix="linkage-bench-", dir=data_folder()) as folder:
        centre = SmsCentre()
        await centre.start()
        rig = kind(Path(folder), options.lines, centre.port)
        try:
            await rig.start()
            traffic = Traffic()
            lines = await rig.connect(traffic)
            try:
                await traffic.run(lines, options.warm_up)
                return await _measured(rig, traffic, lines, centre, options.texts)
            finally:
                await rig.disconnect()
        finally:
            rig.stop()
            centre.stop()


async def _measured(
    rig: SmsRig, traffic: Traffic, lines: Sequence[Any], centre: SmsCentre, texts: int
) -> Figures:
    centre.restart()
    server, loop, client = rig.server_cpu_s(), rig.loop_cpu_s(), time.process_time()
    took = await traffic.run(lines, texts)
    server, client = rig.server_cpu_s() - server, time.process_time() - client
    loop = rig.loop_cpu_s() - loop
    done = traffic.delivered
    return {
        "per_s": round(done / took, 1),
        "texts": texts,
        "delivered": done,
        "submitted": traffic.submitted,
        "unmatched": len(traffic.open),
        "refused": len(traffic.refused),
        "first_refusals": traffic.refused[:3],
        "repeated": traffic.repeated,
        "doubled": sum(count > 1 for count in centre.texts.values()),
        "receipts": centre.receipts,
        "server_us": round(server / done * 1e6, 1) if done else 0.0,
        "server_loop_us": round(loop / done * 1e6, 1) if done else 0.0,
        "load_us": round(client / done * 1e6, 1) if done else 0.0,
        "server_core": round(server / took, 3),
        "load_core": round(client / took, 3),
        "delivery": latencies(traffic.took),
    }


def compare(rigs: Sequence[type[SmsRig]], options: argparse.Namespace) -> dict[str, Any]:
    """All rounds of all systems, in turn."""
    conditions = describe_conditions()
    found: dict[str, list[Figures]] = {rig.name: [] for rig in rigs}
    for number in range(options.rounds):
        for rig in rigs:
            print(f"round {number + 1} of {options.rounds}: {rig.title}", file=sys.stderr)
            found[rig.name].append(run(measure(rig, options)))
    medians = {name: median_of(rounds, NEVER) for name, rounds in found.items()}
    return {
        "machine": conditions,
        "lines": options.lines,
        "texts": options.texts,
        "rounds_of": options.rounds,
        "titles": {rig.name: rig.title for rig in rigs},
        "promises": {rig.name: rig.promise for rig in rigs},
        "medians": medians,
        "ratios": ratios(medians),
        "rounds": found,
    }


def show(report: Mapping[str, Any]) -> str:
    """The report for people."""
    medians, titles = report["medians"], report["titles"]
    lines = [f"{key:>7}: {value}" for key, value in report["machine"].items()]
    lines += [
        "",
        (
            f"{report['rounds_of']} rounds of {report['texts']:,} texts, {report['lines']} "
            f"applications with {OPEN} on their way each; medians"
        ),
        "",
        (
            f"{'':38}{'all the':>9}{'server':>9}{'server':>8}{'load':>6}"
            f"{'told as delivered':>19}{'not':>8}{'sent':>7}"
        ),
        (
            f"{'':38}{'way /s':>9}{'µs each':>9}{'core':>8}{'core':>6}"
            f"{'p50 ms':>10}{'p99 ms':>9}{'told':>8}{'twice':>7}"
        ),
    ]
    for name, figures in medians.items():
        late = figures["delivery"]
        lines.append(
            f"{titles[name]:38}{figures['per_s']:9,.0f}{figures['server_us']:9.0f}"
            f"{figures['server_core']:8.0%}{figures['load_core']:6.0%}"
            f"{late.get('p50_ms', float('nan')):10.1f}{late.get('p99_ms', float('nan')):9.1f}"
            f"{figures['unmatched']:8,.0f}{figures['doubled']:7,.0f}"
        )
    lines += ["", bars({titles[name]: item["per_s"] for name, item in medians.items()}), ""]
    lines += [
        f"linkage is {ratio:.2f} × {titles[name]}" for name, ratio in report["ratios"].items()
    ]
    lines += [f"{titles[name]}: {words}" for name, words in report["promises"].items()]
    lines += [
        f"{titles[name]}: refused {figures['refused']:.0f}, such as {figures['first_refusals'][0]}"
        for name, figures in medians.items()
        if figures["refused"]
    ]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """The command line; 0, or 1 where nothing could be measured."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sms",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", help=f"some of {','.join(RIGS)}")
    parser.add_argument("--texts", type=int, default=100_000, help="of each round (100000)")
    parser.add_argument("--warm-up", type=int, default=2_000, help="texts before that (2000)")
    parser.add_argument("--lines", type=int, default=8, help="applications that send (8)")
    parser.add_argument("--rounds", type=int, default=3, help="of each system (3)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    die_orderly()
    pin(LOAD_CORE)
    try:
        report = compare(choose(RIGS, options.only), options)
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
