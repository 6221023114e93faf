"""Which machine a benchmark ran on: figures are worth nothing without it."""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

SYNCS: Final = 200
SYNC_BYTES: Final = 4096


def describe_machine() -> dict[str, str]:
    """CPU model, number of cores, Python and operating system."""
    return {
        "cpu": _cpu_model(),
        "cores": str(os.cpu_count() or "unknown"),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "os": platform.platform(terse=True),
    }


def describe_conditions() -> dict[str, str]:
    """The machine, and what else decides about figures: memory, disk, load, day."""
    folder = data_folder()
    busy = os.getloadavg()[0]
    return {
        **describe_machine(),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "disk": f"{_file_system(folder)}, fdatasync of 4 KiB {fdatasync_us(folder):.0f} µs",
        "load": f"{busy:.1f} before the start",
        "day": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


@cache
def data_folder() -> Path:
    """Where benchmarks put what must be on a disk.

    The folder for temporary files, unless that is memory: an fsync there costs nothing.
    """
    folder = Path(tempfile.gettempdir())
    return Path("/var/tmp") if _file_system(folder) in {"tmpfs", "ramfs"} else folder  # noqa: S108 - asked for a disk


def fdatasync_us(folder: Path) -> float:
    """Median time of an append of 4 KiB and its fdatasync, in microseconds."""
    with tempfile.TemporaryFile(dir=folder) as file:
        times = []
        for _ in range(SYNCS):
            began = time.perf_counter()
            os.write(file.fileno(), bytes(SYNC_BYTES))
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e6


def _file_system(folder: Path) -> str:
    """The type of the file system that a folder is on."""
    try:
        lines = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return "unknown"
    mounts = {fields[1]: fields[2] for fields in map(str.split, lines)}
    resolved = folder.resolve()
    where = next(path for path in (resolved, *resolved.parents) if str(path) in mounts)
    return mounts[str(where)]


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
