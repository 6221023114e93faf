"""A serving linkage, and peers of which some behave badly."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from benchmarks.comparison.frames import HEARTBEAT, SECRET, RegisteringPeer, answer_to, frame
from benchmarks.comparison.linkage_rig import Caller
from benchmarks.comparison.load import WINDOW, Flow, Line, Load
from benchmarks.comparison.notice import Names, make_notice, name_of
from benchmarks.process import Child, memory
from benchmarks.serving import port_of, serve_command
from linkage.store.sqlite.database import CACHE_KIB
from protocol.roles import Role
from simulators.load.histogram import Histogram

NUMBERS: Final = {"desk": "2222", "slow": "3333"}
"""The applications, and whose calls they get."""
HEARTBEAT_S: Final = 1.0
"""Of linkage."""
BEAT_EVERY_S: Final = 5.0
"""Of the peers."""
KIB: Final = 1024


class Sender(Caller):
    """A platform whose calls are all for one application."""

    def __init__(self, peer_id: str, flow: Flow, receiver: str) -> None:
        super().__init__(peer_id, flow)
        self._number = b"<ToNum>%b<" % NUMBERS[receiver].encode()

    def send(self, name: str) -> None:
        """At once."""
        notice = make_notice(name).replace(b"<ToNum>2222<", self._number)
        self.transport.write(frame(notice))


class Receiver(RegisteringPeer):
    """Acknowledges what it gets; `stop` makes it read nothing any more."""

    def __init__(self, peer_id: str, flow: Flow) -> None:
        super().__init__(Role.APPLICATION, peer_id)
        self._flow = flow
        self.others = 0
        """Messages that are no notices of a flow, such as alarms."""
        self.beats = Histogram()
        """Seconds between two signs of life."""
        self._alive_at = time.perf_counter()

    def stop(self) -> None:
        """The socket stays open and is not read: its window closes."""
        self.transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        """Any byte is a sign of life."""
        now = time.perf_counter()
        self.beats.record(now - self._alive_at)
        self._alive_at = now
        super().data_received(data)

    def received(self, payload: bytes) -> None:
        """A notice."""
        answer = answer_to(payload)
        if answer is None:
            return
        self.transport.write(answer)
        name = name_of(payload)
        if name is None:
            self.others += 1
        else:
            self._flow.arrived(name)


class Stand:
    """`async with Stand(folder)`: linkage on one core, and who is connected to it."""

    def __init__(self, folder: Path, senders: Mapping[str, int], slow_role: str) -> None:
        self.flows = {name: Flow() for name in NUMBERS}
        self.receivers: dict[str, Receiver] = {}
        self.config = folder / "linkage.toml"
        self.data = folder / "data"
        self._folder = folder
        self._senders = senders
        self._slow_role = slow_role
        self._lines: dict[str, list[Line]] = {name: [] for name in NUMBERS}
        self._peers: list[RegisteringPeer] = []
        self._names = Names()
        self.port = 0

    async def __aenter__(self) -> Self:
        self._write_config()
        self._server = Child(serve_command(self.config), self._folder / "log")
        self.port = await port_of(self._server)
        for name, flow in self.flows.items():
            self.receivers[name] = Receiver(name, flow)
            await self._join(self.receivers[name])
            for number in range(self._senders[name]):
                line = Sender(f"pbx-{name}{number}", flow, name)
                await self._join(line)
                self._lines[name].append(line)
        self._beating = asyncio.get_running_loop().create_task(self._beat())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._beating.cancel()
        for peer in self._peers:
            peer.transport.close()
        await asyncio.to_thread(self._server.stop)

    async def _beat(self) -> None:
        """All are alive, also those that have nothing to say, or read nothing."""
        while True:
            await asyncio.sleep(BEAT_EVERY_S)
            for peer in self._peers:
                if not peer.transport.is_closing():
                    peer.transport.write(HEARTBEAT)

    def _write_config(self) -> None:
        slow_numbers = 'numbers = ["3333"]' if self._slow_role == "application" else ""
        peers = [
            ("desk", 'role = "application"\nnumbers = ["2222"]'),
            ("slow", f'role = "{self._slow_role}"\n{slow_numbers}'),
        ] + [
            (f"pbx-{name}{number}", 'role = "platform"')
            for name, count in self._senders.items()
            for number in range(count)
        ]
        tables = "".join(
            f'[[peer]]\nid = "{name}"\nsecret = "{SECRET}"\n{rest}\n' for name, rest in peers
        )
        head = f'listen = ["127.0.0.1:0"]\n[timers]\nheartbeat_s = {HEARTBEAT_S}\n'
        self.config.write_text(head + tables, encoding="utf-8")
        self.config.chmod(0o600)

    async def _join(self, peer: RegisteringPeer) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: peer, "127.0.0.1", self.port)
        self._peers.append(peer)
        await peer.registered

    # --- what can be done and seen ---------------------------------------------------------------
    @property
    def rss_mib(self) -> float:
        """Memory of the serving process."""
        return memory(self._server.pid).rss_kib / KIB

    @property
    def beside_mib(self) -> float:
        """The same without what the store keeps of its own file, which is bounded."""
        file_mib = (self.data / "linkage.db").stat().st_size / KIB / KIB
        return self.rss_mib - min(file_mib, CACHE_KIB / KIB)

    def load(self, name: str, *, delivers: bool = True) -> Load:
        """The load for one application."""
        return Load(self.flows[name], self._lines[name], delivers, self._names)

    async def send(self, name: str, count: int) -> float:
        """So many notices as fast as they are taken; the seconds until all are answered."""
        flow, left = self.flows[name], count
        flow.restart()

        def send_next(line: Line) -> None:
            nonlocal left
            if left > 0:
                left -= 1
                flow.send(line, self._names.take(), time.perf_counter())

        flow.on_answer = send_next
        began = time.perf_counter()
        for line in self._lines[name]:
            for _ in range(WINDOW):
                send_next(line)
        while flow.unanswered:
            self._server.check()
            await asyncio.sleep(0.02)
        flow.on_answer = None
        return time.perf_counter() - began

    async def arrive(self, name: str, within_s: float = 60.0) -> bool:
        """Wait until everything taken has arrived; False: it has not."""
        until = time.perf_counter() + within_s
        while self.flows[name].due and time.perf_counter() < until:
            await asyncio.sleep(0.02)
        return not self.flows[name].due


def milliseconds(histogram: Histogram) -> dict[str, float]:
    """Median and p99."""
    return {f"p{share:g}_ms": round(histogram.percentile(share) * 1000, 3) for share in (50, 99)}


def show(title: str, rows: Iterable[tuple[str, Any]]) -> str:
    """A block of figures for people."""
    return "\n".join([title, *(f"  {name:<34} {value}" for name, value in rows)])
