"""What watching costs: processor time of a notice through the core, with counters, lines, spans.

A notice goes from a platform through journal and commit to one application, which acknowledges it;
no sockets, the store in a temporary folder. The variants take turns within one run, so that what
else the machine does falls on all of them; the figures are medians over the rounds.

    python -m benchmarks.observing [--notices 2000] [--rounds 5] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.machine import describe_machine
from linkage.clock import SystemClock
from linkage.config.file import Config
from linkage.core import Core
from linkage.logs.setup import set_up_logging
from linkage.observation.figures import Figures, Histogram, QueueFigures
from linkage.store.sql.unit import UnitOfWork
from linkage.store.sqlite.database import open_store
from linkage.tracing.spans import Span
from protocol.codec import decode, encode
from protocol.envelope import Request, Response
from protocol.messages import CallDirection, IncomingCallNotice

SECRET: Final = "benchmark-secret-0"
IN_WORK: Final = 128
"""Notices under way at a time: what a busy session has."""
BASE: Final = "no counters"
VARIANTS: Final = (BASE, "counters", "counters and lines", "counters and spans")


class Nothing(Histogram):
    """A histogram that does not count."""

    def observe(self, value: float) -> None:
        """Forget it."""


class Uncounted(Figures):
    """Figures of which only the dictionaries are left."""

    def committed(self, works: int, seconds: float, *, failed: bool) -> None:
        """Forget it."""

    def queue_of(self, role: str) -> QueueFigures:  # noqa: ARG002 - as the base class has it
        """Those that do not count."""
        return QueueFigures(Nothing((1.0,)), Nothing((1.0,)))


class Peer:
    """A link in this process; the application acknowledges in the next turn of the loop."""

    window = 64

    def __init__(self, core: Core, address: str) -> None:
        self._core = core
        self.address = address

    def push(self, request: Request) -> None:
        """Acknowledge it."""
        answer = Response(request_id=request.id, type=request.type, result=0)
        asyncio.get_running_loop().call_soon(self._core.answered, self, answer)

    def close(self, reason: str) -> None:
        """Nothing is open."""


def config_of(folder: Path) -> Config:
    """A platform and an application."""
    peers = [
        {"id": "desk", "role": "application", "legacy": True, "address": "127.0.0.1"},
        {"id": "pbx", "role": "platform", "legacy": True, "address": "127.0.0.2"},
    ]
    return Config.model_validate({"source": folder / "linkage.toml", "peer": peers})


def notice(number: int) -> Request:
    """As it is read from a wire."""
    message = IncomingCallNotice(
        call_id=f"C{number}",
        conference_id=None,
        login_id="23",
        direction=CallDirection.IN,
        phone_num="13912344444",
        to_num="2222",
    )
    item = decode(encode(Request(id=str(number), message=message)))
    assert isinstance(item, Request)
    return item


async def run(variant: str, notices: int) -> float:
    """Processor seconds of a notice."""
    with tempfile.TemporaryDirectory() as name:
        config = config_of(Path(name))
        engine = open_store(config.database_path)
        spans: list[Span] = []
        put: Callable[[Span], None] | None = spans.append if "spans" in variant else None
        core = Core(config, UnitOfWork(engine), SystemClock(), {}, spans=put)
        if variant == BASE:
            core.figures = Uncounted(answers=Nothing((1.0,)))
        await core.start()
        pbx, desk = Peer(core, "127.0.0.2:1"), Peer(core, "127.0.0.1:1")
        for link, peer in ((pbx, "pbx"), (desk, "desk")):
            await core.adopt(link, peer)
            core.begin(link)
        requests = [notice(number) for number in range(notices)]
        room = asyncio.Semaphore(IN_WORK)

        async def send(request: Request) -> None:
            async with room:
                response = await core.submit(pbx, request)
                assert response.result == 0, response

        began = time.process_time()
        async with asyncio.TaskGroup() as tasks:
            for request in requests:
                tasks.create_task(send(request))
        await core.recall("nobody")
        took = time.process_time() - began
        await core.stop()
        engine.dispose()
        assert not put or spans, "there are spans"
    return took / notices


@contextmanager
def lines_to_nowhere(variant: str) -> Iterator[None]:
    """The log as JSON, every message a line, written to /dev/null; else warnings only."""
    with Path(os.devnull).open("w") as stream:
        set_up_logging(level="warning", as_json=True, messages="lines" in variant, stream=stream)
        if "lines" not in variant:
            logging.getLogger("linkage.messages").setLevel(logging.WARNING)
        yield


def measure(notices: int, rounds: int) -> dict[str, float]:
    """Median processor microseconds of a notice, by variant."""
    found: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    for _ in range(rounds):
        for variant in VARIANTS:
            with lines_to_nowhere(variant):
                found[variant].append(asyncio.run(run(variant, notices)) * 1e6)
    return {variant: statistics.median(values) for variant, values in found.items()}


def main(arguments: list[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.observing", description=__doc__)
    parser.add_argument("--notices", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", dest="as_json")
    options = parser.parse_args(arguments)
    found = measure(options.notices, options.rounds)
    if options.as_json:
        result: dict[str, Any] = {"machine": describe_machine(), "us_per_notice": found}
        sys.stdout.write(json.dumps(result, indent=2) + "\n")
        return 0
    sys.stdout.write(f"{describe_machine()}\n\n")
    for variant, microseconds in found.items():
        share = microseconds / found[BASE]
        sys.stdout.write(f"{variant:20} {microseconds:8.1f} µs a notice  {share:6.2f}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
