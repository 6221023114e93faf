"""How many notices a second go all the way: journalled (fsync), answered, delivered, acknowledged.

Side by side in one run with a bare uvloop server that only answers the same frames: what asyncio,
the kernel and the load itself cost. The server has one core, the load another; the figures to look
at are the medians and the ratio.

    python -m benchmarks.durable [--seconds 5] [--connections 8] [--rounds 3] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, cast

from benchmarks.machine import describe_machine
from protocol.codec import encode
from protocol.envelope import Request
from protocol.registration import make_registration
from protocol.roles import Role

SECRET: Final = "benchmark-secret-0"
WINDOW: Final = 64
HEAD: Final = 4
ID: Final = re.compile(rb'<request Id="([^"]+)" Type="(\d+)"')


@dataclass(slots=True)
class Tally:
    """What one side counted, and the seconds that each answer took."""

    done: int = 0
    refused: int = 0
    waits: list[float] = field(default_factory=list)


def frame(payload: bytes) -> bytes:
    """A message in its frame (PROTOCOL.md section 1)."""
    return b"\x01\x00" + len(payload).to_bytes(2, "big") + payload


class Peer(asyncio.Protocol):
    """Cuts frames; subclasses say what to do with a payload."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self._buffer = b""
        self.ready = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Cut."""
        data = self._buffer + data
        at = 0
        while len(data) - at >= HEAD:
            end = at + HEAD + int.from_bytes(data[at + 2 : at + HEAD], "big")
            if len(data) < end:
                break
            if data[at] == 1:
                self.received(data[at + HEAD : end])
            at = end
        self._buffer = data[at:]

    def received(self, payload: bytes) -> None:
        """One message."""
        raise AssertionError(payload)


class Caller(Peer):
    """A platform that keeps its window full of incoming-call notices."""

    def __init__(self, tally: Tally, number: int) -> None:
        super().__init__()
        self._tally = tally
        self._name = f"{number:x}{secrets.token_hex(2)}"
        self._next = 0
        self._sent: dict[bytes, float] = {}
        self._going = False
        self.idle = asyncio.Event()

    def go(self) -> None:
        """Fill the window."""
        self._going = True
        self.transport.write(b"".join(self._make() for _ in range(WINDOW)))

    def halt(self) -> None:
        """Send no more; `idle` is set when everything was answered."""
        self._going = False

    def _make(self) -> bytes:
        self._next += 1
        name = f"{self._name}{self._next}"
        self._sent[name.encode()] = time.perf_counter()
        return frame(
            f'<request Id="{name}" Type="100"><CallId>{name}</CallId>'
            f"<ConferenceID>NULL</ConferenceID><LoginId>23</LoginId><Type>1</Type>"
            f"<PhoneNum>139123444444</PhoneNum>"
            f"<ToNum>2222</ToNum></request>".encode()
        )

    def received(self, payload: bytes) -> None:
        """An answer: count it, send the next."""
        if not self.ready.done():
            self.ready.set_result(payload)
            return
        name = payload.split(b'"', 2)[1]
        began = self._sent.pop(name, None)
        if began is None:
            return
        self._tally.waits.append(time.perf_counter() - began)
        self._tally.done += 1
        self._tally.refused += b'Result="0"' not in payload
        if self._going:
            self.transport.write(self._make())
        elif not self._sent:
            self.idle.set()


class Desk(Peer):
    """An application that answers whatever it gets."""

    def __init__(self, tally: Tally) -> None:
        super().__init__()
        self._tally = tally

    def received(self, payload: bytes) -> None:
        """A notice: acknowledge it."""
        if not self.ready.done():
            self.ready.set_result(payload)
            return
        found = ID.match(payload)
        if found is None:
            return
        self._tally.done += 1
        self.transport.write(
            frame(b'<response RequestId="%b" Type="%b" Result="0"/>' % found.groups())
        )


def registration(role: Role, peer_id: str) -> bytes:
    """The first frame of a peer."""
    message = make_registration(role, peer_id, SECRET, datetime.now(UTC), secrets.token_hex(8))
    return frame(encode(Request(id="hello", message=message)))


async def drive(port: int, connections: int, seconds: float, *, desk: bool) -> dict[str, float]:
    """One round of load; returns rates per second and waits in milliseconds."""
    loop = asyncio.get_running_loop()
    calls, taken = Tally(), Tally()
    desks = []
    if desk:
        _, receiver = await loop.create_connection(partial(Desk, taken), "127.0.0.1", port)
        receiver.transport.write(registration(Role.APPLICATION, "desk"))
        await receiver.ready
        desks.append(receiver)
    callers = []
    for number in range(connections):
        _, caller = await loop.create_connection(partial(Caller, calls, number), "127.0.0.1", port)
        caller.transport.write(registration(Role.PLATFORM, f"pbx{number}"))
        await caller.ready
        callers.append(caller)
    began = time.perf_counter()
    for caller in callers:
        caller.go()
    await asyncio.sleep(seconds)
    for caller in callers:
        caller.halt()
    await asyncio.gather(*(caller.idle.wait() for caller in callers))
    answered_s = time.perf_counter() - began
    while desk and taken.done < calls.done - calls.refused and time.perf_counter() - began < 60:
        await asyncio.sleep(0.005)
    delivered_s = time.perf_counter() - began
    for peer in (*callers, *desks):
        peer.transport.close()
    waits = statistics.quantiles(calls.waits, n=100)
    return {
        "answered_per_s": calls.done / answered_s,
        "delivered_per_s": taken.done / delivered_s,
        "refused": calls.refused,
        "p50_ms": waits[49] * 1000,
        "p99_ms": waits[98] * 1000,
    }


class Server:
    """A server process of this module, on one core of its own."""

    def __init__(self, kind: str, folder: Path, connections: int) -> None:
        command = [sys.executable, "-m", "benchmarks.durable", "--serve", kind, str(folder)]
        self._process = subprocess.Popen(
            [*command, "--connections", str(connections)], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(20)


async def serve(kind: str, folder: Path, connections: int) -> None:
    """What the server process does until it is terminated."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(15, stopped.set)
    if kind == "echo":
        server = await asyncio.get_running_loop().create_server(_Echo, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await stopped.wait()
        return
    from linkage.app import Server as Linkage
    from linkage.config import load_config

    path = folder / "linkage.toml"
    peers = ["desk"] + [f"pbx{number}" for number in range(connections)]
    tables = [
        f'[[peer]]\nid = "{peer}"\nsecret = "{SECRET}"\n'
        f'role = "{"application" if peer == "desk" else "platform"}"\n'
        for peer in peers
    ]
    path.write_text('listen = ["127.0.0.1:0"]\n' + "".join(tables), encoding="utf-8")
    async with Linkage(load_config(path)) as linkage:
        print(linkage.addresses[0][1], flush=True)
        await stopped.wait()


class _Echo(Peer):
    """Answers each request with Result 0, and that is all."""

    def received(self, payload: bytes) -> None:
        found = ID.match(payload)
        if found is not None:
            self.transport.write(
                frame(b'<response RequestId="%b" Type="%b" Result="0"/>' % found.groups())
            )


def pin(core: int) -> None:
    """Keep this process on one core where there are several."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[core % len(cores)]})


def run(coroutine: object) -> object:
    """Run on uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(coroutine)  # type: ignore[arg-type]  # one of two coroutines of ours
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(coroutine)  # type: ignore[arg-type]  # the same


def measure(connections: int, seconds: float, rounds: int) -> dict[str, list[dict[str, float]]]:
    """Linkage and the bare echo in turn, so that a drifting machine hits both."""
    found: dict[str, list[dict[str, float]]] = {"linkage": [], "echo": []}
    for _ in range(rounds):
        for kind, figures in found.items():
            with tempfile.TemporaryDirectory() as folder:
                server = Server(kind, Path(folder), connections)
                try:
                    load = drive(server.port, connections, seconds, desk=kind == "linkage")
                    figures.append(run(load))  # type: ignore[arg-type]  # what drive returns
                finally:
                    server.stop()
    return found


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve", nargs=2, metavar=("KIND", "DIR"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        pin(0)
        kind, folder = options.serve
        run(serve(kind, Path(folder), options.connections))
        return
    pin(1)
    found = measure(options.connections, options.seconds, options.rounds)
    medians = {
        kind: {name: statistics.median(item[name] for item in rounds) for name in rounds[0]}
        for kind, rounds in found.items()
    }
    ratio = medians["linkage"]["delivered_per_s"] / medians["echo"]["answered_per_s"]
    machine = describe_machine()
    if options.json:
        result = {"medians": medians, "rounds": found, "ratio": ratio}
        print(json.dumps({"machine": machine, **result}))
        return
    print(", ".join(machine.values()))
    print(f"{options.rounds} rounds of {options.seconds:g} s, {options.connections} connections")
    for kind, figures in medians.items():
        print(f"{kind:8} " + "  ".join(f"{name} {value:,.1f}" for name, value in figures.items()))
    print(f"linkage delivers {ratio:.1%} of what the bare echo answers")


if __name__ == "__main__":
    main()
