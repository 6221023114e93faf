"""What the core's thread spends on a message: correlation, journal, queue, commit.

Batches go through `CoreEngine.process` as the event loop hands them over: what came in, and the
acknowledgements of what went out before, on a real store on disk with `synchronous=FULL`. Mixes:
`status` (115 of known calls), `calls` (100, each a new call: what `benchmarks.durable` sends),
`sms` (120, each a new operation) and `lives` (whole calls with an event, a transfer and a
recording).

    python -m benchmarks.engine [--batches 64,512] [--messages 8192] [--runs 5] [--mix calls]
                                [--json] [--profile]

Prints microseconds of the thread's processor time per message with its acknowledgement, the median
of the runs: `handling` (Python), `writing` (the statements of the flush) and `commit` (what
writing the log costs the processor). `fsync_ms` is how long a commit takes by the wall clock.
Budget: 45 µs.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Final

from benchmarks.machine import describe_machine
from linkage.cli.running import settled_in
from linkage.config.file import Config
from linkage.core.engine import CoreEngine
from linkage.core.jobs import Acknowledge, Delivery, Job, Now, Submit
from linkage.core.peers import Peers
from linkage.store.rows import to_us
from linkage.store.sql.unit import UnitOfWork
from linkage.store.sqlite.database import open_store
from protocol import messages as m
from protocol.codec import decode, encode
from protocol.envelope import Request, Response
from protocol.message import Message

BUDGET_US: Final = 45.0
PLATFORMS: Final = 8
KNOWN_CALLS: Final = 2_000
Said = tuple[str, Message]


@dataclass(slots=True)
class Spent:
    """Per message and its acknowledgement, in microseconds of processor time; the fsync apart."""

    total: float
    handling: float
    writing: float
    commit: float
    fsync_ms: float


class TimedUnit(UnitOfWork):
    """Knows how long its flushes and its commits took, in nanoseconds."""

    writing = commits = waited = batches = 0

    def flush(self) -> None:
        """Count the processor's time."""
        began = time.thread_time_ns()
        super().flush()
        self.writing += time.thread_time_ns() - began

    def commit(self) -> None:
        """Count the processor's time and the disk's."""
        self.flush()
        began, waits = time.thread_time_ns(), time.perf_counter_ns()
        before = self.writing
        super().commit()
        self.commits += time.thread_time_ns() - began - (self.writing - before)
        self.waited += time.perf_counter_ns() - waits
        self.batches += 1


# --- what is said --------------------------------------------------------------------------------
def incoming(call_id: str) -> Message:
    """A new call."""
    return m.IncomingCallNotice(
        call_id=call_id, login_id="23", direction=m.CallDirection.IN,
        phone_num="139123444444", to_num="2222",
    )  # fmt: skip


def status() -> Iterator[Said]:
    """Known calls, each alerting, connected and so on in turn; they are made first."""
    names = [(f"pbx{number % PLATFORMS}", f"C{number}") for number in range(KNOWN_CALLS)]
    for source, call_id in names:
        yield source, incoming(call_id)
    for state in _in_turn(m.CallState.ALERTING, m.CallState.ANSWERED):
        for source, call_id in names:
            yield source, m.CallStateNotice(call_id=call_id, state=state, login_id="23")


def _in_turn(*states: m.CallState) -> Iterator[m.CallState]:
    for number in count():
        yield states[number % len(states)]


def calls() -> Iterator[Said]:
    """Nothing but new calls."""
    for number in count():
        yield f"pbx{number % PLATFORMS}", incoming(f"C{number}")


def sms() -> Iterator[Said]:
    """Nothing but messages received."""
    for number in count():
        yield (
            f"pbx{number % PLATFORMS}",
            m.SmsReceivedNotice(
                sms_id=f"S{number}",
                phone_num="139123444444",
                to_num="2222",
                content="好的，马上到",
            ),
        )


def lives() -> Iterator[Said]:
    """Whole calls, the steps of `KNOWN_CALLS // 8` of them side by side."""
    for first in count(step=KNOWN_CALLS // 8):
        for step in range(len(_life("", "", ""))):
            for number in range(first, first + KNOWN_CALLS // 8):
                yield _life(f"pbx{number % PLATFORMS}", f"C{number}", f"E{number}")[step]


def _life(source: str, call: str, event: str) -> list[Said]:
    call, event = call or "C", event or "E"
    leg, record = f"{call}t", f"{call}r"
    return [
        (source, incoming(call)),
        (source, m.CallStateNotice(call_id=call, state=m.CallState.ALERTING, login_id="23")),
        (source, m.CallStateNotice(call_id=call, state=m.CallState.ANSWERED, login_id="23")),
        ("desk", m.CreateEvent(event_id=event, call_id=call)),
        (source, m.RecordingNotice(
            record_id=record, call_id=call, action=m.RecordingNoticeAction.START)),
        (source, m.TransferNotice(
            call_id=call, to_num="8001", phase=m.CallPhase.DONE, new_call_id=leg)),
        (source, m.HangupNotice(call_id=leg, reason=100)),
        (source, m.HangupNotice(call_id=call, reason=100)),
    ]  # fmt: skip


MIXES: Final[dict[str, Callable[[], Iterator[Said]]]] = {
    "status": status,
    "calls": calls,
    "sms": sms,
    "lives": lives,
}


# --- how it is measured --------------------------------------------------------------------------
class Bench:
    """An engine on a store of its own; says what comes next and answers what goes out."""

    def __init__(
        self, folder: Path, mix: str, batch: int, profile: cProfile.Profile | None = None
    ) -> None:
        peers = [_peer("desk", "application")]
        peers += [_peer(f"pbx{number}", "platform") for number in range(PLATFORMS)]
        config = Config.model_validate({"source": folder / "linkage.toml", "peer": peers})
        self._database = open_store(config.database_path)
        self.unit = TimedUnit(self._database)
        known = Peers.of(config, {})
        for peer in known.by_id.values():
            peer.connected = True
        self._engine = CoreEngine(self.unit, known, 30)
        self._said = MIXES[mix]()
        self._ids = count(10_000)
        self._batch = batch
        self._profile = profile or nullcontext()
        self._sent: list[Delivery] = []

    def close(self) -> None:
        """Let go of the store."""
        self._database.dispose()

    def next_batch(self) -> list[Job]:
        """Acknowledgements of what went out, and as many messages as a batch has."""
        works: list[Job] = [_acknowledge(delivery) for delivery in self._sent]
        for _ in range(self._batch):
            source, message = next(self._said)
            received = decode(encode(Request(id=str(next(self._ids)), message=message)))
            assert isinstance(received, Request)
            works.append(Submit(source, received))
        return works

    def process(self, works: Sequence[Job]) -> int:
        """One batch; the nanoseconds of the processor that it took."""
        utc = datetime.now(UTC)
        now = Now(utc, to_us(utc))
        began = time.thread_time_ns()
        with self._profile:
            done = self._engine.process(works, now)
        took = time.thread_time_ns() - began
        for one in done:
            assert one.response is None or one.response.accepted, one.response
        self._sent = [delivery for one in done for delivery in one.deliveries]
        return took

    def warm(self) -> None:
        """What a fresh process does once, and the calls that the mix speaks of."""
        for _ in range(KNOWN_CALLS // self._batch + 2):
            self.process(self.next_batch())
        self.unit.writing = self.unit.commits = self.unit.waited = self.unit.batches = 0

    def run(self, messages: int) -> Spent:
        """That many messages, in batches."""
        self.warm()
        batches = max(1, messages // self._batch)
        total = sum(self.process(self.next_batch()) for _ in range(batches))
        unit, each = self.unit, batches * self._batch * 1000
        return Spent(
            total=total / each,
            handling=(total - unit.writing - unit.commits) / each,
            writing=unit.writing / each,
            commit=unit.commits / each,
            fsync_ms=unit.waited / unit.batches / 1e6,
        )


def _peer(id_: str, role: str) -> dict[str, str]:
    return {"id": id_, "role": role, "secret": "a secret of the benchmark"}


def _acknowledge(delivery: Delivery) -> Acknowledge:
    row = delivery.row
    response = Response(request_id=delivery.request.id, type=row.type, result=0)
    return Acknowledge(row.receiver, row.seq, response)


def once(mix: str, batch: int, messages: int, profile: cProfile.Profile | None = None) -> Spent:
    """One run on a new store."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), mix, batch, profile)
        try:
            return bench.run(messages)
        finally:
            bench.close()


def median(runs: Sequence[Spent]) -> Spent:
    """Of each figure."""
    rows = [asdict(run) for run in runs]
    return Spent(**{name: statistics.median(row[name] for row in rows) for name in rows[0]})


def main(arguments: list[str]) -> int:
    """Measure and print; always 0, a benchmark judges nothing."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.engine", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--batches", default="64,512", help="messages of a batch (64,512)")
    parser.add_argument("--messages", type=int, default=8_192, help="messages of a run (8192)")
    parser.add_argument("--runs", type=int, default=5, help="how many runs (5)")
    parser.add_argument("--mix", choices=sorted(MIXES), action="append", help="which (all)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--profile", action="store_true", help="one run under cProfile instead")
    chosen = parser.parse_args(arguments)
    mixes = chosen.mix or list(MIXES)
    batches = [int(batch) for batch in chosen.batches.split(",")]
    if chosen.profile:
        profile = cProfile.Profile(time.thread_time)
        once(mixes[0], batches[-1], chosen.messages, profile)
        pstats.Stats(profile).sort_stats("tottime").print_stats(45)
        return 0
    found = {
        (mix, batch): median([once(mix, batch, chosen.messages) for _ in range(chosen.runs)])
        for mix in mixes
        for batch in batches
    }
    machine = describe_machine()
    if chosen.json:
        rows = [{"mix": mix, "batch": batch, **asdict(row)} for (mix, batch), row in found.items()]
        report = {"machine": machine, "budget_us": BUDGET_US, "median_us": rows}
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
        return 0
    sys.stdout.write(", ".join(machine.values()) + "\n")
    sys.stdout.write(f"µs of processor time per message and acknowledgement, budget {BUDGET_US}\n")
    names = list(asdict(next(iter(found.values()))))
    sys.stdout.write(f"{'mix':8}{'batch':>6}" + "".join(f"{name:>10}" for name in names) + "\n")
    for (mix, batch), spent in found.items():
        figures = "".join(f"{value:10.2f}" for value in asdict(spent).values())
        sys.stdout.write(f"{mix:8}{batch:6d}{figures}\n")
    return 0


if __name__ == "__main__":
    with settled_in():  # as in `linkage serve`
        sys.exit(main(sys.argv[1:]))
