"""How many notices a second go all the way: journalled (fsync), answered, delivered, acknowledged.

Linkage, in one process and split in two, side by side in one run with a bare uvloop echo of the
same frames, RabbitMQ and NATS JetStream. The same notice, as many connections with the same
window, the same load; the servers have one core, the load with the receiver another. Where there
are three cores, linkage is measured on two of them, too. Rounds go in turn, so that a drifting
machine hits all; look at the medians and the ratios.

    benchmarks/provision.sh          # once: RabbitMQ and NATS, unpacked into a cache folder
    python -m benchmarks.durable [--only linkage,echo] [--rounds 3] [--seconds 5] [--json]
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

from benchmarks.comparison.jetstream import JetStreamRig
from benchmarks.comparison.linkage_rig import EchoRig, LinkageRig, SplitRig, TwoCoresRig
from benchmarks.comparison.load import Flow, Load, latencies
from benchmarks.comparison.rabbitmq import RabbitRig
from benchmarks.comparison.rig import Rig
from benchmarks.comparison.rounds import Figures, choose, median_of, ratios
from benchmarks.machine import data_folder, describe_conditions
from benchmarks.picture import bars
from benchmarks.process import CORES, LOAD_CORE, BenchmarkError, die_orderly, pin, run

RIGS: Final[Mapping[str, type[Rig]]] = {
    rig.name: rig
    for rig in (
        LinkageRig,
        SplitRig,
        TwoCoresRig,
        EchoRig,
        RabbitRig,
        JetStreamRig,
    )
    if rig is not TwoCoresRig or len(CORES) > TwoCoresRig.core
}


async def measure(kind: type[Rig], options: argparse.Namespace) -> Figures:
    """One round of one system, from its start to its end."""
    with tempfile.TemporaryDirectory(prefix="linkage-bench-", dir=data_folder()) as folder:
        rig = kind(Path(folder), options.connections)
        try:
            await rig.start()
            flow = Flow()
            load = Load(flow, await rig.connect(flow), rig.delivers)
            try:
                await load.keep_full(options.warm_up)
                figures = await _throughput(rig, load, options.seconds)
                if options.rate:
                    figures["paced"] = await _pace(rig, load, options)
            finally:
                flow.on_answer = None  # where it was interrupted, nothing more is sent
                await rig.disconnect()
        finally:
            rig.stop()
    return figures


async def _throughput(rig: Rig, load: Load, seconds: float) -> Figures:
    flow = load.flow
    server, loop, client = rig.server_cpu_s(), rig.loop_cpu_s(), time.process_time()
    took = await load.keep_full(seconds)
    server, client = rig.server_cpu_s() - server, time.process_time() - client
    loop = rig.loop_cpu_s() - loop
    done = flow.delivered if rig.delivers else flow.accepted
    return {
        "per_s": round(done / took, 1),
        "done": done,
        "refused": flow.refused,
        "lost": _lost(flow),
        "repeated": flow.repeated,
        "server_us": round(server / done * 1e6, 1) if done else 0.0,
        "server_loop_us": round(loop / done * 1e6, 1) if done else 0.0,
        "load_us": round(client / done * 1e6, 1) if done else 0.0,
        "server_core": round(server / took, 3),
        "load_core": round(client / took, 3),
        "answer": latencies(flow.answers),
        "delivery": latencies(flow.deliveries),
    }


async def _pace(rig: Rig, load: Load, options: argparse.Namespace) -> Figures:
    flow = load.flow
    server = rig.server_cpu_s()
    took = await load.keep_pace(options.rate, options.seconds)
    return {
        "rate": options.rate,
        "took_s": round(took, 3),
        "refused": flow.refused,
        "lost": _lost(flow),
        "server_core": round((rig.server_cpu_s() - server) / took, 3),
        "answer": latencies(flow.answers),
        "delivery": latencies(flow.deliveries),
    }


def _lost(flow: Flow) -> int:
    """What was not answered, or not delivered, within the time given to drain."""
    return len(flow.due.keys() | flow.unanswered.keys())


def compare(rigs: Sequence[type[Rig]], options: argparse.Namespace) -> dict[str, Any]:
    """All rounds of all systems, in turn; those that are complete where somebody interrupts."""
    conditions = describe_conditions()
    found: dict[str, list[Figures]] = {rig.name: [] for rig in rigs}
    try:
        for number in range(options.rounds):
            for rig in rigs:
                print(f"round {number + 1} of {options.rounds}: {rig.title}", file=sys.stderr)
                found[rig.name].append(run(measure(rig, options)))
    except KeyboardInterrupt:
        if not any(found.values()):
            raise
        print("interrupted: these are the rounds that are complete", file=sys.stderr)
    medians = {name: median_of(rounds) for name, rounds in found.items() if rounds}
    return {
        "machine": conditions,
        "connections": options.connections,
        "seconds": options.seconds,
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
            f"{report['rounds_of']} rounds of {report['seconds']:g} s, {report['connections']} "
            "connections with a window of 64 each; medians"
        ),
        "",
        (
            f"{'':27}{'all the':>10}{'server':>10}{'server':>8}{'load':>7}"
            f"{'delivered at a fixed rate':>30}"
        ),
        f"{'':27}{'way /s':>10}{'µs each':>10}{'core':>8}{'core':>7}{'p50 ms':>14}{'p99 ms':>8}",
    ]
    for name, figures in medians.items():
        paced = figures.get("paced", {})
        late = paced.get("delivery") or paced.get("answer") or {}
        lines.append(
            f"{titles[name]:27}{figures['per_s']:10,.0f}{figures['server_us']:10.0f}"
            f"{figures['server_core']:8.0%}{figures['load_core']:7.0%}"
            f"{late.get('p50_ms', float('nan')):14.2f}{late.get('p99_ms', float('nan')):8.2f}"
        )
    lines += ["", bars({titles[name]: item["per_s"] for name, item in medians.items()}), ""]
    lines += [
        f"linkage is {ratio:.2f} × {titles[name]}" for name, ratio in report["ratios"].items()
    ]
    if "linkage" in medians:
        ours = medians["linkage"]
        lines.append(
            f"of linkage's {ours['server_us']:.0f} µs the event loop's thread has "
            f"{ours['server_loop_us']:.0f}, the core's the rest"
        )
    lines += [f"{titles[name]}: {words}" for name, words in report["promises"].items()]
    lines += [
        f"{titles[name]}: {figures['lost']:.0f} of {figures['done']:.0f} never came out"
        for name, figures in medians.items()
        if figures["lost"]
    ]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """The command line; 0, or 1 where nothing could be measured."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.durable",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", help=f"some of {','.join(RIGS)}")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement (5)")
    parser.add_argument("--warm-up", type=float, default=1.0, help="seconds before that (1)")
    parser.add_argument("--connections", type=int, default=8, help="that send (8)")
    parser.add_argument("--rounds", type=int, default=3, help="of each system (3)")
    parser.add_argument(
        "--rate", type=float, default=1000.0, help="of the open loop; 0: none (1000)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    die_orderly()
    pin(LOAD_CORE)
    try:
        rigs = choose(RIGS, options.only)
        report = compare(rigs, options)
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
