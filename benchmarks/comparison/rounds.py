"""Which systems are compared, and what the figures of several rounds come to."""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

from benchmarks.comparison.process_rig import ProcessRig
from benchmarks.process import BenchmarkError

R = TypeVar("R", bound=ProcessRig)
Figures = dict[str, Any]


def choose(rigs: Mapping[str, type[R]], only: str | None) -> list[type[R]]:
    """The systems that this machine can run.

    Raises:
        BenchmarkError: one is not known, or is missing where none may be.
    """
    names = only.split(",") if only else list(rigs)
    unknown = sorted(set(names) - rigs.keys())
    if unknown:
        raise BenchmarkError(f"{', '.join(unknown)}: there are {', '.join(rigs)}")
    chosen = []
    for name in names:
        remedy = rigs[name].missing()
        if remedy is None:
            chosen.append(rigs[name])
        elif os.environ.get("LINKAGE_REQUIRE_REAL") == "1":
            raise BenchmarkError(f"LINKAGE_REQUIRE_REAL=1, but {name}: {remedy}")
        else:
            print(f"without {name}: {remedy}", file=sys.stderr)
    return chosen


def median_of(rounds: Sequence[Figures], worst: Collection[str] = ()) -> Figures:
    """The medians, key by key; of what may not happen at all, the `worst`."""
    result: Figures = {}
    for key, value in rounds[0].items():
        column = [item[key] for item in rounds]
        if isinstance(value, dict):
            result[key] = median_of(column, worst)
        elif isinstance(value, list):
            result[key] = next(filter(None, column), [])
        else:
            result[key] = max(column) if key in worst else statistics.median(column)
    return result


def ratios(medians: Mapping[str, Figures]) -> dict[str, float]:
    """Linkage's throughput against that of each other."""
    if "linkage" not in medians:
        return {}
    ours = medians["linkage"]["per_s"]
    return {
        name: round(ours / figures["per_s"], 2)
        for name, figures in medians.items()
        if name != "linkage" and figures["per_s"]
    }
