"""A disk that is slow, and one that is full: what is promised, and how it goes on."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.process import BenchmarkError
from tests.load.pressure.stand import Stand, milliseconds, show

SENDERS: Final = {"desk": 10, "slow": 0}
WARM_UP: Final = 2000
RATE: Final = 200
HELD_S: Final = 0.4
LET_GO_S: Final = 0.1
"""A slow disk: nobody commits for so long, then for so long everybody may."""
SMALL_DISK: Final = "32m"
LOOK_EVERY_S: Final = 0.1
AFTERWARDS_S: Final = 12.0
"""Load after there is room again: more than the 5 s that every sender was told to wait."""

Figures = dict[str, Any]


# --- slow ----------------------------------------------------------------------------------------
def _slow_down(database: Path, seconds: float) -> None:
    """Keep the write lock, with short pauses: a commit waits as it would for a slow disk."""
    other = sqlite3.connect(database, isolation_level=None, timeout=30)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        other.execute("BEGIN IMMEDIATE")
        time.sleep(HELD_S)
        other.execute("ROLLBACK")
        time.sleep(LET_GO_S)
    other.close()


async def slow_disk(options: Namespace) -> Figures:
    """Before, during and after."""
    with tempfile.TemporaryDirectory() as folder:
        async with Stand(Path(folder), SENDERS, "application") as stand:
            await stand.send("desk", WARM_UP)
            load, flow, idle = stand.load("desk"), stand.flows["desk"], stand.receivers["slow"]
            found: Figures = {}
            for phase in ("before", "during", "after"):
                beats = len_of(idle)
                slowing = None
                if phase == "during":
                    slowing = asyncio.get_running_loop().run_in_executor(
                        None, _slow_down, stand.data / "linkage.db", options.seconds
                    )
                await load.keep_pace(RATE, options.seconds)
                found[phase] = {
                    **milliseconds(flow.answers),
                    "refused": flow.refused,
                    "lost": len(flow.due),
                    "beats": len_of(idle) - beats,
                }
                if slowing is not None:
                    await slowing
            found["heartbeat_p99_s"] = round(idle.beats.percentile(99), 2)
            found["ok"] = not any(found[phase]["lost"] for phase in ("before", "during", "after"))
            return found


def len_of(receiver: Any) -> int:
    """Signs of life that an idle peer has had."""
    return int(receiver.beats.count)


def show_slow_disk(found: Figures) -> str:
    """For people."""
    rows = [(phase, found[phase]) for phase in ("before", "during", "after")]
    late = ("an idle session's heartbeats, p99", f"{found['heartbeat_p99_s']} s (each second)")
    return show("a disk that takes nothing for 0.4 s of each 0.5 s", [*rows, late])


# --- full ----------------------------------------------------------------------------------------
@contextmanager
def small_disk() -> Iterator[Path]:
    """A file system of its own.

    Raises:
        BenchmarkError: it cannot be mounted.
    """
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "tmpfs", folder]
        unmount = ["umount", "--lazy", folder]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            raise BenchmarkError("a small disk cannot be mounted: run this as root, on Linux")
        try:
            yield Path(folder)
        finally:
            subprocess.run(unmount, check=True)


def use_up(path: Path) -> None:
    """Write until nothing is left."""
    with path.open("wb", buffering=0) as ballast:
        try:
            while ballast.write(os.urandom(4096)):
                pass
        except OSError:
            return


async def full_disk(options: Namespace) -> Figures:
    """Load all the time, during which the disk fills up and is emptied again."""
    with small_disk() as folder:
        async with Stand(folder, SENDERS, "application") as stand:
            await stand.send("desk", WARM_UP)
            flow, ballast = stand.flows["desk"], folder / "ballast"
            going = asyncio.get_running_loop().create_task(
                stand.load("desk").keep_pace(RATE, options.seconds + AFTERWARDS_S)
            )
            await asyncio.sleep(options.seconds / 2)
            await asyncio.to_thread(use_up, ballast)
            await asyncio.sleep(options.seconds / 2)
            taken_when_full, refused = flow.accepted, flow.refused
            ballast.unlink()
            resumed_s = await _until_more(stand, taken_when_full)
            await going
            arrived = await stand.arrive("desk")
            found: Figures = {
                "sent": flow.sent,
                "accepted": flow.accepted,
                "refused": flow.refused,
                "refused_while_full": refused,
                "resumed_after_s": round(resumed_s, 2),
                "accepted_and_lost": len(flow.due),
                "alarms": stand.receivers["desk"].others,
            }
        verify = [sys.executable, "-m", "linkage", "journal", "verify", "-c", str(stand.config)]
        verified = await asyncio.to_thread(
            subprocess.run, verify, capture_output=True, text=True, check=False
        )
        found["journal"] = (verified.stdout or verified.stderr).strip()
        found["ok"] = arrived and refused > 0 and not verified.returncode
        return found


async def _until_more(stand: Stand, before: int) -> float:
    """Seconds until notices are taken again."""
    began = time.perf_counter()
    while stand.flows["desk"].accepted <= before:
        if time.perf_counter() - began > AFTERWARDS_S:
            raise BenchmarkError(f"not serving again after {AFTERWARDS_S:g} s")
        await asyncio.sleep(LOOK_EVERY_S)
    return time.perf_counter() - began


def show_full_disk(found: Figures) -> str:
    """For people."""
    return show("a full disk", found.items())
