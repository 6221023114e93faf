"""What a message costs the event loop's thread: sessions, connection, codec, and the core's face.

    python -m benchmarks.edge [--json] [--runs N]

No sockets and no load of its own: sessions are fed from memory, so that the figure is linkage's
alone. Microseconds of the loop thread's processor time per message, the median of the runs and the
best of them: the best is nearer to the truth where the machine is busy otherwise.

- request → response: a notice comes, a core that does nothing accepts it, the response is written;
- push → answer: the core pushes a notice, the peer acknowledges it;
- all of the loop: a notice comes, is journalled by the real core in its own thread (not counted),
  answered, pushed to an application and acknowledged.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks.codec import FULL_REQUEST, REQUEST
from benchmarks.comparison.frames import SECRET, FramePeer, answer_to, frame, registration
from benchmarks.machine import describe_machine
from benchmarks.process import BenchmarkError, run
from gateway.connections import Connections
from gateway.context import GatewayContext
from gateway.peers import AddressBook
from gateway.refusal_journal import RefusalJournal
from gateway.session import Session
from gateway.session_factory import SessionFactory
from gateway.settings import GatewaySettings
from gateway.transport import Receiver
from linkage.cli.running import settled_in
from linkage.clock import SystemClock
from linkage.config.load import load_config
from linkage.core import Core
from linkage.ports import CorePort, EntryKind, Link
from linkage.store.sql.unit import UnitOfWork
from linkage.store.sqlite.database import open_store
from protocol.codec import encode
from protocol.envelope import Request, Response
from protocol.roles import Role

RUNS: Final = 7
MESSAGES: Final = 4_096
WINDOW: Final = 64
SETTLES_S: Final = 10.0
SLOWEST_PER_S: Final = 100
"""Messages a second: what takes longer waits for a far end that is gone."""


class NoCore:
    """A core that takes everything and does nothing."""

    def __init__(self) -> None:
        self.answers = 0

    async def register(self, link: Link, request: Request) -> Response:  # noqa: ARG002 - the port
        """Anybody is welcome."""
        return _taken(request)

    async def adopt(self, link: Link, peer_id: str) -> None:  # noqa: ARG002 - the port
        """Nobody is adopted here."""
        raise KeyError(peer_id)

    async def introduce(self, peer_id: str) -> Request:
        """Nobody is dialled here."""
        raise KeyError(peer_id)

    def begin(self, link: Link) -> None:
        """Nothing waits."""

    async def submit(
        self,
        link: Link,  # noqa: ARG002 - the port
        request: Request,
        *,
        reconstructed: bool = False,  # noqa: ARG002 - the port
    ) -> Response:
        """Taken."""
        return _taken(request)

    def post(
        self,
        link: Link,  # noqa: ARG002 - the port
        request: Request,
        answer: Callable[[Response], None],
        *,
        reconstructed: bool = False,  # noqa: ARG002 - the port
    ) -> None:
        """Taken."""
        answer(_taken(request))

    def answered(self, link: Link, response: Response) -> None:  # noqa: ARG002 - the port
        """Count it."""
        self.answers += 1

    async def note(
        self,
        link: Link,
        kind: EntryKind,
        detail: str,
        *,
        raw: bytes = b"",
        result: int | None = None,
    ) -> None:
        """A measurement in which something goes wrong is none."""
        raise AssertionError((link, kind, detail, raw, result))

    def closed(self, link: Link, reason: str) -> None:
        """The end."""


def _taken(request: Request) -> Response:
    return Response(request_id=request.id, type=request.type, result=0)


class Wire:
    """A transport over memory. A `gateway.transport.Transport`."""

    host, address = "127.0.0.1", "127.0.0.1:1"
    encrypted = False
    certificate = None

    def __init__(self, far: Callable[[bytes], None]) -> None:
        self.write = far
        self._closing = False

    def attach(self, receiver: Receiver) -> None:
        """Its methods are called as a loop would."""
        self.feed = receiver.data_received

    def pause_reading(self) -> None:
        """Nobody reads ahead."""

    def resume_reading(self) -> None:
        """The same."""

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self._closing

    def close(self, within_s: float) -> None:  # noqa: ARG002 - nothing is buffered
        """Close it."""
        self._closing = True

    def abort(self) -> None:
        """Close it."""
        self._closing = True


class Far(FramePeer):
    """The other side of a `Wire`: counts what comes, and answers requests where it should."""

    def __init__(self, *, answers: bool) -> None:
        super().__init__()
        self.came = 0
        self.heard = b""
        self._answers = answers
        self._replies: list[bytes] = []
        self.session: Session
        self.feed: Callable[[bytes], None]

    def received(self, payload: bytes) -> None:
        """One message."""
        self.came += 1
        self.heard = payload
        answer = answer_to(payload) if self._answers else None
        if answer is not None:
            self._replies.append(answer)

    def take_replies(self) -> bytes:
        """What it answered since last asked."""
        data = b"".join(self._replies)
        self._replies.clear()
        return data


async def join(context: GatewayContext, role: Role, name: str, *, answers: bool = False) -> Far:
    """A registered session over memory."""
    far = Far(answers=answers)
    session = SessionFactory(context, AddressBook()).make(Wire.host)
    assert isinstance(session, Session)
    wire = Wire(far.data_received)
    session.open(wire)
    far.session, far.feed = session, wire.feed
    far.feed(registration(role, name))
    while not far.came:
        await asyncio.sleep(0)
    assert b'Result="0"' in far.heard, far.heard
    far.came = 0
    return far


def _context(core: CorePort) -> GatewayContext:
    settings = GatewaySettings()
    work: set[asyncio.Task[Any]] = set()
    return GatewayContext(
        core=core,
        clock=SystemClock(),
        settings=settings,
        connections=Connections(settings),
        refusals=RefusalJournal(core, settings.refusals_window_s, work),
        profiles={},
        work=work,
    )


async def requests(messages: int, at_once: int) -> float:
    """Request → response."""
    far = await join(_context(NoCore()), Role.PLATFORM, "pbx")
    data = frame(encode(REQUEST)) * at_once
    began = time.thread_time_ns()
    for wanted in range(at_once, messages + 1, at_once):
        far.feed(data)
        while far.came < wanted:
            await asyncio.sleep(0)
    return (time.thread_time_ns() - began) / messages / 1000


async def pushes(messages: int) -> float:
    """Push → answer."""
    core = NoCore()
    far = await join(_context(core), Role.APPLICATION, "desk", answers=True)
    message = FULL_REQUEST.message
    at = datetime(2026, 11, 22, 8, 15, 30, 125_000, tzinfo=UTC)
    began = time.thread_time_ns()
    for start in range(0, messages, WINDOW):
        for number in range(start, start + WINDOW):
            far.session.push(Request(id=str(number), message=message, seq=number, time=at))
        while far.came < start + WINDOW:
            await asyncio.sleep(0)
        far.feed(far.take_replies())
    spent = time.thread_time_ns() - began
    assert core.answers == messages
    return spent / messages / 1000


async def whole(messages: int, folder: Path) -> float:
    """A notice through the real core and on to an application; only the loop's thread counts."""
    path = folder / "linkage.toml"
    peers = "".join(
        f'[[peer]]\nid = "{name}"\nsecret = "{SECRET}"\nrole = "{role}"\n'
        for name, role in (("pbx", "platform"), ("desk", "application"))
    )
    path.write_text('listen = ["127.0.0.1:0"]\n' + peers, encoding="utf-8")
    config = load_config(path)
    engine = open_store(config.database_path)
    core = Core(config, UnitOfWork(engine), SystemClock(), {})
    await core.start()
    try:
        context = _context(core)
        desk = await join(context, Role.APPLICATION, "desk", answers=True)
        pbx = await join(context, Role.PLATFORM, "pbx")
        text = encode(REQUEST)
        began = time.thread_time_ns()
        for start in range(0, messages, WINDOW):
            frames = [
                frame(text.replace(b'Id="10000"', b'Id="%d"' % number, 1))
                for number in range(start, start + WINDOW)
            ]
            pbx.feed(b"".join(frames))
            while desk.came < start + WINDOW or pbx.came < start + WINDOW:
                await asyncio.sleep(0.001)
                desk.feed(desk.take_replies())
        spent = time.thread_time_ns() - began
        for far in (pbx, desk):
            far.session.close("done")
        await asyncio.sleep(0)
    finally:
        await core.stop()
        engine.dispose()
    return spent / messages / 1000


async def in_time(name: str, measurement: Coroutine[Any, Any, float], messages: int) -> float:
    """A measurement, in bounded time: a session that was dropped never gets what is waited for.

    Raises:
        BenchmarkError: it does not end.
    """
    within_s = SETTLES_S + messages / SLOWEST_PER_S
    try:
        async with asyncio.timeout(within_s):
            return await measurement
    except TimeoutError:
        raise BenchmarkError(
            f"{name}: {messages} messages did not pass within {within_s:g} s; a session was "
            "closed, or the machine is too slow: see what was logged, or take fewer --messages"
        ) from None


def operations(messages: int) -> dict[str, Callable[[], Coroutine[Any, Any, float]]]:
    """Name → what to measure."""

    async def in_a_folder() -> float:
        with tempfile.TemporaryDirectory() as folder:
            return await whole(messages, Path(folder))

    return {
        "request → response, one a read": lambda: requests(messages, 1),
        f"request → response, {WINDOW} a read": lambda: requests(messages, WINDOW),
        "push → answer": lambda: pushes(messages),
        "all of the loop, real core": in_a_folder,
    }


def measure(runs: int, messages: int) -> dict[str, tuple[float, float]]:
    """Median and best by name, in microseconds of the loop thread's processor time.

    Raises:
        BenchmarkError: one of them does not end.
    """
    found = {}
    for name, operation in operations(messages).items():
        costs = [run(in_time(name, operation(), messages)) for _ in range(runs + 1)]
        costs.pop(0)  # the first run fills the tables that are made on first use
        found[name] = (statistics.median(costs), min(costs))
    return found


def main(arguments: list[str]) -> int:
    """Measure and print; 0 however slow it is, a benchmark judges nothing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.edge", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"how many runs ({RUNS})")
    parser.add_argument("--messages", type=int, default=MESSAGES, help=f"in a run ({MESSAGES})")
    chosen = parser.parse_args(arguments)
    try:
        figures = measure(chosen.runs, max(WINDOW, chosen.messages // WINDOW * WINDOW))
    except BenchmarkError as error:
        parser.exit(2, f"{error}\n")
    if chosen.json:
        report = {
            "machine": describe_machine(),
            "median_us": {name: round(median, 2) for name, (median, _) in figures.items()},
            "best_us": {name: round(best, 2) for name, (_, best) in figures.items()},
        }
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
        return 0
    for key, value in describe_machine().items():
        sys.stdout.write(f"{key:>7}: {value}\n")
    sys.stdout.write(f"{'µs of the loop thread a message':34} {'median':>8} {'best':>8}\n")
    for name, (median, best) in figures.items():
        sys.stdout.write(f"{name:34} {median:8.2f} {best:8.2f}\n")
    return 0


if __name__ == "__main__":
    with settled_in():  # as in `linkage serve`
        sys.exit(main(sys.argv[1:]))
