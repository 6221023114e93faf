"""A worker: many connections at once, several streams on each for as long as it survives.

`python -m tests.load.fuzz.attack PORT …` is started by the campaign, one for each core; it prints
one JSON object with what it did.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

from protocol.codec import encode
from protocol.envelope import Request
from protocol.registration import make_registration
from protocol.roles import Role
from tests.load.fuzz.corpus import ROLES, payloads
from tests.load.fuzz.damage import frame, insert, make_stream, revalue

SECRET: Final = "the-secret-of-the-fuzz-peers"
STREAMS_EACH: Final = 6
"""Streams of one connection at most; the third bad message within a minute ends it."""
ENDS_WITHIN_S: Final = 60.0
"""A connection whose peer has said all and which is not closed by then hangs."""


@dataclass
class Tally:
    """What was sent and what came of it."""

    streams: int = 0
    connections: int = 0
    bytes: int = 0
    answered: int = 0
    refused: int = 0
    hung: list[int] = field(default_factory=list)
    ways: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**self.__dict__, "ways": dict(self.ways)}


class Attacker(asyncio.Protocol):
    """One connection: counts what it is answered, and says when it is closed."""

    def __init__(self) -> None:
        self.received = 0
        self.first: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        """Something is answered; only the first of it is looked at."""
        self.received += len(data)
        if not self.first.done():
            self.first.set_result(data)

    def eof_received(self) -> bool:
        """The far end has said all: so have we."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the base class's
        """Over, one way or the other."""
        if not self.first.done():
            self.first.set_result(b"")
        self.ended.set_result(None)


class Worker:
    """Sends the streams `numbers` over `width` connections at a time."""

    def __init__(self, port: int, seed: int, numbers: range, peers: Sequence[str]) -> None:
        self._port = port
        self._seed = seed
        self._numbers = iter(numbers)
        self._peers = peers
        self._corpus = {role: payloads(role) for role in ROLES}
        self.tally = Tally()

    async def run(self, width: int) -> Tally:
        """Until all are sent."""
        async with asyncio.TaskGroup() as tasks:
            for slot in range(width):
                tasks.create_task(self._work(slot))
        return self.tally

    def _take(self, count: int) -> Iterator[int]:
        for _ in range(count):
            number = next(self._numbers, None)
            if number is None:
                return
            yield number

    async def _work(self, slot: int) -> None:
        """Every other connection registers first; each slot has peers of its own for that."""
        mine = [peer for at, peer in enumerate(self._peers) if at == slot]
        turn = 0
        while numbers := list(self._take(STREAMS_EACH)):
            turn += 1
            peer = mine[0] if mine and turn % 2 else None
            lot = Random(f"{self._seed}/slot/{numbers[0]}")
            with suppress(OSError):
                await self._one(numbers, peer, lot)

    async def _one(self, numbers: Sequence[int], peer: str | None, lot: Random) -> None:
        loop = asyncio.get_running_loop()
        transport, attacker = await loop.create_connection(Attacker, "127.0.0.1", self._port)
        self.tally.connections += 1
        role = lot.choice(ROLES) if peer is None else Role(peer.rpartition(".")[0])
        try:
            async with asyncio.timeout(ENDS_WITHIN_S):
                await self._begin(attacker, transport, role, peer, lot)
                for number in numbers:
                    await self._send(attacker, transport, number, role)
                if not transport.is_closing():
                    transport.write_eof()
                await attacker.ended
        except TimeoutError:
            self.tally.hung.append(numbers[0])
        finally:
            self.tally.answered += attacker.received
            transport.abort()

    async def _begin(
        self,
        attacker: Attacker,
        transport: asyncio.Transport,
        role: Role,
        peer: str | None,
        lot: Random,
    ) -> None:
        if peer is not None:
            transport.write(frame(_hello(role, peer, lot)))
            first = await attacker.first
            if b'Result="0"' not in first:
                self.tally.refused += 1
        elif lot.random() < 0.3:
            abuse = lot.choice((insert, revalue))
            name = lot.choice((f"{role.value}.0", "nobody", "canary-desk"))
            transport.write(abuse(lot, [_hello(role, name, lot, honest=False)]))

    async def _send(
        self, attacker: Attacker, transport: asyncio.Transport, number: int, role: Role
    ) -> None:
        way, parts = make_stream(self._seed, number, self._corpus[role])
        self.tally.streams += 1
        self.tally.ways[way] += 1
        for part in parts:
            if attacker.ended.done() or transport.is_closing():
                return
            transport.write(part)
            self.tally.bytes += len(part)
            if len(parts) > 1:
                await asyncio.sleep(0)  # each piece a packet of its own


def _hello(role: Role, peer: str, lot: Random, *, honest: bool = True) -> bytes:
    now = datetime.now(UTC)
    if not honest and lot.randrange(2):
        now += timedelta(seconds=lot.choice((-86_400, -301, 301, 86_400 * 365)))
    nonce = f"{lot.getrandbits(120):030x}" if honest else lot.choice(("replayed" * 2, "n" * 64))
    secret = SECRET if honest else "another secret altogether"
    last = {} if honest else {"last_seq": lot.choice((0, 1, 2**53))}
    message = make_registration(role, peer, secret, now, nonce, **last)
    return encode(Request(id="hello", message=message))


def main() -> None:
    """Do what the campaign says."""
    parser = argparse.ArgumentParser()
    for name in ("port", "seed", "first", "last", "step", "width"):
        parser.add_argument(name, type=int)
    parser.add_argument("peers", nargs="*")
    options = parser.parse_args()
    numbers = range(options.first, options.last, options.step)

    async def work() -> Tally:
        worker = Worker(options.port, options.seed, numbers, options.peers)
        return await worker.run(options.width)

    from benchmarks.process import run

    print(json.dumps(run(work()).as_dict()))


if __name__ == "__main__":
    main()
