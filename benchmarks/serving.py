"""A `linkage serve` under test."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from benchmarks.process import Child


def serve_command(
    config: Path, *options: str, log_level: str = "error", python: str = sys.executable
) -> list[str]:
    """What starts it; it tells in JSON where it listens, see `port_of`."""
    serve = ("linkage", "serve", "--json", "--log-level", log_level, "-c", str(config))
    return [python, "-m", *serve, *options]


async def port_of(server: Child, within_s: float = 60.0) -> int:
    """The port of its first listener, once it listens.

    Raises:
        BenchmarkError: it has ended, or does not listen in time.
    """
    said = json.loads(await server.says('"listening"', within_s))
    return int(said["addresses"][0].rpartition(":")[2])
