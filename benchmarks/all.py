"""Every yardstick in turn, into one file of figures.

    python -m benchmarks.all [--only durable,crowd] [--into docs/reference/performance.json]
    python -m benchmarks.report                             # the page of it

Hours on two cores; keep the machine quiet. Each figure is stored with the command that made it,
the build and the day; what was measured before and is not measured now stays. A benchmark that
fails is told and does not stop the others.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from benchmarks.machine import describe_conditions
from benchmarks.process import REPOSITORY

DEFAULT: Final = Path("docs/reference/performance.json")


@dataclass(frozen=True, slots=True)
class Yardstick:
    """A benchmark as it is run for the page."""

    name: str
    module: str
    options: str
    minutes: float
    """How long it takes, about."""

    @property
    def command(self) -> str:
        """As a person types it."""
        return f"python -m {self.module} {self.options}".rstrip()


YARDSTICKS: Final = (
    Yardstick("codec", "benchmarks.codec", "", 0.2),
    Yardstick("durable", "benchmarks.durable", "", 6),
    Yardstick("ringing", "benchmarks.ringing", "", 1),
    Yardstick("start", "benchmarks.start", "", 2),
    Yardstick("crowd", "benchmarks.crowd", "--connections 10000 --minutes 10", 12),
    Yardstick("depth", "benchmarks.depth", "--dir build/depth --rows 10000 10000000", 15),
    Yardstick("campaign", "tests.load.campaign", "--notices 100000 --kills 40 --split", 4),
    Yardstick("pressure", "tests.load.pressure", "", 20),
    Yardstick("sms", "benchmarks.sms", "", 20),
    Yardstick("kills", "tests.load.sms_campaign", "", 2),
    Yardstick("lies", "tests.load.sms_fuzz", "", 1),
    Yardstick("fuzz", "tests.load.fuzz", "--streams 1000000", 20),
)


def measure(yardstick: Yardstick) -> dict[str, Any]:
    """Run one; what it printed, and how it went."""
    command = [sys.executable, *shlex.split(yardstick.command)[1:], "--json"]
    began = time.monotonic()
    done = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=False)
    found: dict[str, Any] = {
        "command": yardstick.command,
        "day": datetime.now(UTC).strftime("%Y-%m-%d"),
        "build": build(),
        "took_s": round(time.monotonic() - began),
        "status": done.returncode,
    }
    try:
        found["figures"] = json.loads(done.stdout)
    except json.JSONDecodeError:
        found["figures"] = None
    else:
        found["figures"].pop("rounds", None)  # the medians are what counts
    return found


def build() -> str:
    """The commit that is measured, with `-dirty` where the tree is not what it says."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],  # noqa: S607 - the developer's own
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    return done.stdout.strip()


def choose(only: str | None) -> Sequence[Yardstick]:
    """The benchmarks that were asked for.

    Raises:
        ValueError: one is not known.
    """
    names = [item.name for item in YARDSTICKS] if only is None else only.split(",")
    unknown = sorted(set(names) - {item.name for item in YARDSTICKS})
    if unknown:
        known = ", ".join(item.name for item in YARDSTICKS)
        raise ValueError(f"{', '.join(unknown)}: there are {known}")
    return [item for item in YARDSTICKS if item.name in names]


def main(arguments: list[str]) -> int:
    """0; 1 where one of them failed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.all",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", help=f"some of {','.join(item.name for item in YARDSTICKS)}")
    parser.add_argument("--into", type=Path, default=DEFAULT, help=f"the file ({DEFAULT})")
    options = parser.parse_args(arguments)
    try:
        chosen = choose(options.only)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    into: Path = options.into
    kept = json.loads(into.read_text(encoding="utf-8")) if into.exists() else {}
    kept["machine"] = describe_conditions()
    failed = []
    for item in chosen:
        if find_spec(item.module) is None:
            print(f"{item.name}: there is no {item.module}", file=sys.stderr)
            continue
        print(f"{item.name}: {item.command} (about {item.minutes:g} min)", file=sys.stderr)
        found = measure(item)
        if found["status"]:
            failed.append(item.name)
            print(f"{item.name}: ended with {found['status']}", file=sys.stderr)
        if found["figures"] is not None:
            kept[item.name] = found
            into.parent.mkdir(parents=True, exist_ok=True)
            into.write_text(
                json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
            )
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
