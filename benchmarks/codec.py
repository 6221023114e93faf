"""The cost of the protocol itself: framing, decoding and encoding one request and its response.

    python -m benchmarks.codec [--json] [--runs N]

Prints microseconds of processor time per operation: the median of the runs and the best of them.
The median is what is seen; on a machine that is busy otherwise the best is nearer to the truth.
What was promised of them says `benchmarks.budgets`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from benchmarks.machine import describe_machine
from protocol.codec import decode, encode
from protocol.envelope import Request, Response
from protocol.frames import Framer, encode_message
from protocol.messages import IncomingCallNotice
from protocol.messages.call import CallDirection

RUNS: Final = 15
OPERATIONS_PER_RUN: Final = 4_000

REQUEST: Final = Request(
    id="10000",
    message=IncomingCallNotice(
        call_id="200901",
        conference_id="300901",
        login_id="13",
        direction=CallDirection.IN,
        phone_num="13912344444",
        to_num="110",
        event_id="1213243",
    ),
)
FULL_REQUEST: Final = Request(
    id="10000",
    message=REQUEST.message,
    seq=104_729,
    time=datetime(2026, 11, 22, 8, 15, 30, 125_000, tzinfo=UTC),
)
RESPONSE: Final = Response(request_id="10000", type=100, result=0)
# The same request as people write it: the way through the hardened parser.
INDENTED: Final = encode(REQUEST).replace(b"><", b">\n  <")


def operations() -> dict[str, Callable[[], object]]:
    """Name → what to measure."""
    request, full, response = encode(REQUEST), encode(FULL_REQUEST), encode(RESPONSE)
    frames = encode_message(request), encode_message(response)

    def framing() -> None:
        _framed_and_cut(request)
        _framed_and_cut(response)

    def pair() -> None:
        """What one message costs one process: in, decoded, answered; passed on, answered."""
        for frame in frames:
            item = decode(_cut(frame))
            encode_message(encode(item))

    return {
        "framing, request and response": framing,
        "decode request": lambda: decode(request),
        "encode request": lambda: encode(REQUEST),
        "decode response": lambda: decode(response),
        "encode response": lambda: encode(RESPONSE),
        "decode request with Seq and Time": lambda: decode(full),
        "encode request with Seq and Time": lambda: encode(FULL_REQUEST),
        "decode request, not canonical": lambda: decode(INDENTED),
        "whole pair": pair,
    }


def _cut(frame: bytes, framer: Framer = Framer()) -> bytes:  # noqa: B008 - one for all, as a session has
    framer.receive_data(frame)
    payload = framer.next_event()
    assert isinstance(payload, bytes)
    framer.next_event()  # as a session does: until there is no more
    return payload


def _framed_and_cut(payload: bytes) -> None:
    _cut(encode_message(payload))


def measure(operation: Callable[[], object], runs: int) -> tuple[float, float]:
    """Median and best of the runs, in microseconds of processor time per operation."""
    costs = [_run(operation) for _ in range(runs + 1)]
    costs.pop(0)  # the first run fills the tables that are made on first use
    return statistics.median(costs), min(costs)


def _run(operation: Callable[[], object]) -> float:
    start = time.process_time_ns()
    for _ in range(OPERATIONS_PER_RUN):
        operation()
    return (time.process_time_ns() - start) / OPERATIONS_PER_RUN / 1000


def main(arguments: list[str]) -> int:
    """Measure and print; always 0, a benchmark judges nothing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.codec", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"how many runs ({RUNS})")
    chosen = parser.parse_args(arguments)
    figures = {name: measure(what, chosen.runs) for name, what in operations().items()}
    report = {
        "machine": describe_machine(),
        "request_bytes": len(encode(REQUEST)),
        "response_bytes": len(encode(RESPONSE)),
        "median_us": {name: round(median, 2) for name, (median, _) in figures.items()},
        "best_us": {name: round(best, 2) for name, (_, best) in figures.items()},
    }
    if chosen.json:
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
        return 0
    for key, value in describe_machine().items():
        sys.stdout.write(f"{key:>7}: {value}\n")
    sys.stdout.write(f"request {len(encode(REQUEST))} bytes, ")
    sys.stdout.write(f"response {len(encode(RESPONSE))} bytes; µs of processor time\n\n")
    sys.stdout.write(f"{'':34} {'median':>8} {'best':>8}\n")
    for name, (median, best) in figures.items():
        sys.stdout.write(f"{name:34} {median:8.2f} {best:8.2f}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
