"""The crowd: connections that register, beat, and notice when they are dropped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from benchmarks.comparison.frames import HEARTBEAT, RegisteringPeer, answer_to
from protocol.roles import Role
from simulators.load.histogram import Histogram

TOGETHER: Final = 100
"""Registrations that are under way at a time: what a restart of linkage looks like."""
SLOT_S: Final = 0.02
"""Guests whose turn falls into one slot beat together."""
PER_ADDRESS: Final = 2_000
"""Connections from one loopback address: each has ports enough, and is no flood."""


class Guest(RegisteringPeer):
    """One connection. What it is asked it answers; it asks nothing."""

    def __init__(self, role: Role, peer_id: str, crowd: Crowd) -> None:
        super().__init__(role, peer_id)
        self._crowd = crowd
        self._beaten_at: float | None = None

    def received(self, payload: bytes) -> None:
        """A request, or the answer to the registration."""
        self._beaten_at = time.perf_counter()  # linkage counts from what it sent last
        answer = answer_to(payload)
        if answer is not None:
            self.transport.write(answer)

    def beaten(self) -> None:
        """Linkage's heartbeat."""
        now = time.perf_counter()
        if self._beaten_at is not None:
            self._crowd.beaten(now - self._beaten_at)
        self._beaten_at = now

    def connection_lost(self, exc: Exception | None) -> None:
        """The end; before we have ended it, it is a drop."""
        super().connection_lost(exc)
        self._crowd.lost(self)


class Crowd:
    """All of them.

    Args:
        port: where linkage listens on the loopback.
        heartbeat_s: how often each beats, and how often linkage is to.
    """

    def __init__(self, port: int, heartbeat_s: float) -> None:
        self._port = port
        self._heartbeat_s = heartbeat_s
        self._guests: list[Guest] = []
        self._leaving = False
        self.dropped: list[str] = []
        self.beats = 0
        """Heartbeats that linkage sent."""
        self.late = Histogram()
        """How long after they were due they came."""

    def __len__(self) -> int:
        return sum(not guest.transport.is_closing() for guest in self._guests)

    def beaten(self, after_s: float) -> None:
        """A guest got a heartbeat, so long after the last thing that linkage sent it."""
        self.beats += 1
        self.late.record(after_s - self._heartbeat_s)

    def lost(self, guest: Guest) -> None:
        """A guest's connection is gone."""
        if not self._leaving:
            self.dropped.append(guest.peer_id)

    async def enter(self, guests: Sequence[tuple[Role, str]]) -> None:
        """Connect and register all, so many at a time."""
        waiting = iter(list(enumerate(guests)))

        async def usher() -> None:
            for number, (role, peer_id) in waiting:
                await self._admit(number, Guest(role, peer_id, self))

        async with asyncio.TaskGroup() as tasks:
            for _ in range(TOGETHER):
                tasks.create_task(usher())

    async def _admit(self, number: int, guest: Guest) -> None:
        source = f"127.0.0.{1 + number // PER_ADDRESS}"
        await asyncio.get_running_loop().create_connection(
            lambda: guest, "127.0.0.1", self._port, local_addr=(source, 0)
        )
        await guest.registered
        self._guests.append(guest)

    async def beat(self) -> None:
        """Beat for every guest once in the interval, evenly spread, until cancelled."""
        slots = max(1, round(self._heartbeat_s / SLOT_S))
        turn, due = 0, time.perf_counter()
        while True:
            for guest in self._guests[turn % slots :: slots]:
                if not guest.transport.is_closing():
                    guest.transport.write(HEARTBEAT)
            turn += 1
            due += self._heartbeat_s / slots
            await asyncio.sleep(max(0.0, due - time.perf_counter()))

    def leave(self) -> None:
        """End all connections."""
        self._leaving = True
        for guest in self._guests:
            guest.transport.close()
