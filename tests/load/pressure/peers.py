"""One peer that does not read, and one that sends a storm: what the others feel of it."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.load.pressure.stand import Stand, milliseconds, show

DESK_LINES: Final = 10
WARM_UP: Final = 3000
SETTLE_S: Final = 2.0
"""Between filling and measuring: what the filling left behind is over."""
SLOW_PER_S: Final = 50
"""Notices for the slow one that go on while the others are measured."""
MEMORY_MIB: Final = 64
SLOWER: Final = 1.10

Figures = dict[str, Any]


async def _measure(stand: Stand, options: Namespace) -> dict[str, float]:
    """What notices for the desk take, while a few for the slow one go on."""
    aside = asyncio.get_running_loop().create_task(
        stand.load("slow", delivers=False).keep_pace(SLOW_PER_S, options.seconds)
    )
    await stand.load("desk").keep_pace(options.rate, options.seconds)
    await aside
    flow = stand.flows["desk"]
    return {**milliseconds(flow.deliveries), "refused": flow.refused, "lost": len(flow.due)}


async def _reader(options: Namespace, *, stopped: bool) -> Figures:
    senders = {"desk": DESK_LINES, "slow": DESK_LINES}
    role = "monitor" if options.monitor else "application"
    with tempfile.TemporaryDirectory() as folder:
        async with Stand(Path(folder), senders, role) as stand:
            if stopped:
                stand.receivers["slow"].stop()
            await stand.send("desk", WARM_UP)
            before, beside = stand.rss_mib, stand.beside_mib
            filled_s = await stand.send("slow", options.queued)
            if not stopped:
                await stand.arrive("slow")
            await asyncio.sleep(SETTLE_S)
            found = await _measure(stand, options)
            return {
                "grew_mib": round(stand.rss_mib - before, 1),
                "grew_beside_mib": round(stand.beside_mib - beside, 1),
                "filled_s": round(filled_s, 1),
                **found,
            }


async def stopped_reader(options: Namespace) -> Figures:
    """The same with a peer that reads and with one that has stopped, in turn."""
    rounds: dict[str, list[Figures]] = {"reading": [], "stopped": []}
    for _ in range(options.rounds):
        for kind, found in rounds.items():
            found.append(await _reader(options, stopped=kind == "stopped"))
    middle = {
        kind: {key: statistics.median(item[key] for item in found) for key in found[0]}
        for kind, found in rounds.items()
    }
    grew, beside = (middle["stopped"][key] for key in ("grew_mib", "grew_beside_mib"))
    slower = statistics.median(
        after["p99_ms"] / before["p99_ms"]
        for before, after in zip(rounds["reading"], rounds["stopped"], strict=True)
    )
    return {
        "queued": options.queued,
        "rounds": rounds,
        "medians": middle,
        "grew_mib": grew,
        "grew_beside_mib": beside,
        "costs_mib": round(grew - middle["reading"]["grew_mib"], 1),
        "p99_ratio": round(slower, 3),
        "ok": beside < MEMORY_MIB and slower < SLOWER,
    }


def show_stopped_reader(found: Figures) -> str:
    """For people."""

    def rows() -> Iterator[tuple[str, Any]]:
        for kind, figures in found["medians"].items():
            yield kind, ", ".join(f"{name} {value:g}" for name, value in figures.items())
        yield "memory grew by", f"{found['grew_mib']} MiB"
        yield "beside the page cache (< 64 MiB)", f"{found['grew_beside_mib']} MiB"
        yield "more than with a reading peer", f"{found['costs_mib']} MiB"
        yield "p99 of the others (< 1.10)", f"{found['p99_ratio']} times"

    return show(f"a stopped reader with {found['queued']} queued notices", rows())


async def storm(options: Namespace) -> Figures:
    """One peer keeps far more than a window under way; another sends a little."""
    with tempfile.TemporaryDirectory() as folder:
        async with Stand(Path(folder), {"desk": 1, "slow": 1}, "application") as stand:
            await stand.send("desk", WARM_UP)
            calm = stand.load("desk")
            await calm.keep_pace(options.calm_rate, options.seconds)
            alone = milliseconds(stand.flows["desk"].answers)
            flow = stand.flows["slow"]
            storming = asyncio.get_running_loop().create_task(
                stand.load("slow").keep_pace(options.storm_rate, options.seconds + SETTLE_S)
            )
            await asyncio.sleep(SETTLE_S)
            await calm.keep_pace(options.calm_rate, options.seconds)
            beside = milliseconds(stand.flows["desk"].answers)
            await storming
            await stand.arrive("slow")
            return {
                "alone": alone,
                "beside": beside,
                "storm": {
                    "sent": flow.sent,
                    "accepted": flow.accepted,
                    "refused": flow.refused,
                    "unanswered": len(flow.unanswered),
                    "not_delivered": len(flow.due),
                    **milliseconds(flow.answers),
                },
                "refused": stand.flows["desk"].refused,
                "ok": not flow.unanswered and not flow.due and not stand.flows["desk"].refused,
            }


def show_storm(found: Figures) -> str:
    """For people."""
    return show(
        "a storm from one peer, and another's few notices",
        [
            ("the other, alone", found["alone"]),
            ("the other, beside the storm", found["beside"]),
            ("the storm", found["storm"]),
            ("the other's notices refused", found["refused"]),
        ],
    )
