"""The fault proxy: stands between a program and linkage, and lets happen what the plan says."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from types import TracebackType
from typing import Any, Final, Self

from simulators.background import Background
from simulators.faults.injector import (
    Action,
    Cut,
    Cutter,
    HalfOpen,
    Happened,
    Injector,
    Send,
    Stall,
)
from simulators.faults.plan import Direction, Fault, FaultError, FaultPlan, Planned

READ_BYTES: Final = 64 * 1024
UNDER_WAY_MAX: Final = 256 * 1024
"""Bytes that one direction holds at most; beyond them it does not read, as a full link."""
OVERTAKE_S: Final = 0.5
"""How long a frame waits for one that is to overtake it."""
CONNECT_WITHIN_S: Final = 10.0


@dataclass(slots=True)
class Flow:
    """What has passed one way."""

    frames: int = 0
    bytes: int = 0
    faults: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Stats:
    """What a proxy has done so far."""

    connections: int = 0
    open: int = 0
    unreachable: int = 0
    up: Flow = field(default_factory=Flow)
    down: Flow = field(default_factory=Flow)

    def flow(self, direction: Direction) -> Flow:
        """One direction's."""
        return self.up if direction is Direction.UP else self.down

    def to_plain(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        plain = asdict(self)
        for direction in Direction:
            plain[direction]["faults"] = dict(self.flow(direction).faults)
        return plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One fault that happened. `frame` 0: it met the connection, not a frame."""

    at_s: float
    connection: int
    direction: Direction | None
    frame: int
    fault: Fault


class FaultProxy:
    """Use as `async with`; `address` is where to connect instead of to the target.

    Args:
        to: host and port of the target.
        plan: what is to go wrong; `set_plan` exchanges it while it runs.
        listen: host and port to listen on; port 0: any free one.
        cutter: how frames are cut out of the stream; by the default dialect.
        on_fault: told of each fault as it happens.
    """

    def __init__(
        self,
        to: tuple[str, int],
        plan: FaultPlan | None = None,
        *,
        listen: tuple[str, int] = ("127.0.0.1", 0),
        cutter: Callable[[], Cutter] = Cutter,
        on_fault: Callable[[Occurrence], None] = lambda _: None,
    ) -> None:
        self.to = to
        self.plan = plan or FaultPlan()
        self.stats = Stats()
        self.make_cutter = cutter
        self._listen = listen
        self._on_fault = on_fault
        self._links: set[ProxyLink] = set()
        self._background = Background()
        self._server: asyncio.Server | None = None
        self._zero = 0.0

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens.

        Raises:
            FaultError: it does not.
        """
        if self._server is None:
            raise FaultError("the proxy is not open: use it inside its `async with`")
        name = self._server.sockets[0].getsockname()
        return str(name[0]), int(name[1])

    async def __aenter__(self) -> Self:
        """Listen.

        Raises:
            FaultError: the address cannot be listened on.
        """
        self._zero = asyncio.get_running_loop().time()
        try:
            self._server = await asyncio.start_server(self._accept, *self._listen)
        except OSError as error:
            host, port = self._listen
            raise FaultError(
                f"cannot listen on {host}:{port}: {error.strerror or error}: name another address"
            ) from error
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        for link in list(self._links):
            link.do(Fault.CUT)
        await self._background.stop()

    def set_plan(self, plan: FaultPlan) -> None:
        """Go on by another plan, from the next frame; the lots of open connections go on."""
        self.plan = plan
        for link in self._links:
            link.set_plan(plan)

    def cut(self) -> None:
        """Reset all connections now."""
        for link in list(self._links):
            link.apply(Fault.CUT)

    def half_open(self) -> None:
        """Let nothing pass any more on the connections that there are."""
        for link in list(self._links):
            link.apply(Fault.HALF_OPEN)

    def note(self, connection: int, direction: Direction | None, frame: int, fault: Fault) -> None:
        """A fault has happened."""
        for each in Direction if direction is None else (direction,):
            self.stats.flow(each).faults[str(fault)] += 1
        at_s = asyncio.get_running_loop().time() - self._zero
        self._on_fault(
            Occurrence(
                at_s=at_s, connection=connection, direction=direction, frame=frame, fault=fault
            )
        )

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.stats.connections += 1
        self._background.start(
            self._serve(self.stats.connections, reader, writer), "fault proxy link"
        )

    async def _serve(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                far_reader, far_writer = await asyncio.open_connection(*self.to)
        except OSError:
            self.stats.unreachable += 1
            writer.transport.abort()
            return
        link = ProxyLink(self, number, (reader, writer), (far_reader, far_writer))
        self._links.add(link)
        self.stats.open += 1
        try:
            await link.run()
        finally:
            self.stats.open -= 1
            self._links.discard(link)


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class ProxyLink:
    """One connection through the proxy: two pumps, and what is scripted for a time."""

    def __init__(self, proxy: FaultProxy, number: int, near: Streams, far: Streams) -> None:
        self._proxy = proxy
        self._number = number
        self._writers = (near[1], far[1])
        self._silent = False
        self._pumps = {
            Direction.UP: Pump(proxy, self, number, Direction.UP, near[0], far[1]),
            Direction.DOWN: Pump(proxy, self, number, Direction.DOWN, far[0], near[1]),
        }

    @property
    def silent(self) -> bool:
        """True once it is half-open: what comes is swallowed."""
        return self._silent

    def set_plan(self, plan: FaultPlan) -> None:
        """Go on by another plan."""
        for pump in self._pumps.values():
            pump.injector.plan = plan

    def apply(self, fault: Fault) -> None:
        """A fault that meets the connection as a whole happens now."""
        self._proxy.note(self._number, None, 0, fault)
        self.do(fault)

    def do(self, fault: Fault) -> None:
        """Reset, or go silent."""
        if fault is Fault.HALF_OPEN:
            self._silent = True
            return
        for writer in self._writers:
            writer.transport.abort()

    async def run(self) -> None:
        """Until one side has gone, or it is cut."""
        try:
            async with asyncio.TaskGroup() as group:
                script = group.create_task(self._follow_script())
                pumps = [group.create_task(pump.run()) for pump in self._pumps.values()]
                await asyncio.wait(pumps)
                script.cancel()
        finally:
            for writer in self._writers:
                writer.transport.abort()
                with suppress(OSError):
                    await writer.wait_closed()

    async def _follow_script(self) -> None:
        timed = [
            (item.at_s, item)
            for item in self._proxy.plan.script
            if item.at_s is not None and item.connection in {None, self._number}
        ]
        passed_s = 0.0
        for at_s, item in sorted(timed, key=lambda pair: pair[0]):
            await asyncio.sleep(at_s - passed_s)
            passed_s = at_s
            self._begin(item)

    def _begin(self, item: Planned) -> None:
        if item.fault in {Fault.CUT, Fault.HALF_OPEN}:
            self.apply(item.fault)
            return
        if item.fault is Fault.STALL:
            self._proxy.note(self._number, item.direction, 0, item.fault)
        for direction, pump in self._pumps.items():
            if not item.concerns(self._number, direction):
                continue
            if item.fault is Fault.STALL:
                pump.stall(item.seconds)
            else:
                pump.injector.force(replace(item, direction=direction))


class Pump:
    """One direction: reads frames, lets them be met by faults, writes what is left of them."""

    def __init__(
        self,
        proxy: FaultProxy,
        link: ProxyLink,
        number: int,
        direction: Direction,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.injector = Injector(proxy.plan, number, direction)
        self._proxy = proxy
        self._link = link
        self._number = number
        self._direction = direction
        self._reader = reader
        self._writer = writer
        self._flow = proxy.stats.flow(direction)
        self._cutter = proxy.make_cutter()
        self._queue: deque[tuple[float, Action]] = deque()
        self._under_way = 0
        self._due = 0.0
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._ended = False
        self._stalled_until = 0.0

    def stall(self, seconds: float | None) -> None:
        """Pass nothing on from now; both directions begin, and so end, together.

        At its next frame each would begin for itself: the answer to a request that was held up
        would be held up once more.
        """
        wanted_s = self.injector.plan.stall_s if seconds is None else seconds
        until = asyncio.get_running_loop().time() + wanted_s
        self._stalled_until = max(self._stalled_until, until)

    async def run(self) -> None:
        """Until the sending side has ended and everything was passed on."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read())
            group.create_task(self._write())

    async def _read(self) -> None:
        try:
            while data := await self._reader.read(READ_BYTES):
                if self._link.silent:
                    continue
                for frame in self._cutter.feed(data):
                    self._flow.frames += 1
                    self._flow.bytes += len(frame)
                    self._plan(self.injector.take(frame))
                await self._wait_for_room()
        except OSError:
            self._link.do(Fault.CUT)
        finally:
            rest: list[Action] = [Send(self._cutter.rest)] if self._cutter.rest else []
            self._plan([*self.injector.release(), *rest])
            self._ended = True
            self._changed.set()

    def _plan(self, actions: list[Action]) -> None:
        now = asyncio.get_running_loop().time()
        for action in actions:
            if isinstance(action, Happened):
                self._proxy.note(self._number, self._direction, action.frame, action.fault)
                continue
            if isinstance(action, Send):
                self._due = max(self._due, now + action.delay_s)
                self._under_way += len(action.data)
            self._queue.append((self._due, action))
        self._changed.set()

    async def _wait_for_room(self) -> None:
        while self._under_way > UNDER_WAY_MAX and not self._writer.is_closing():
            self._room.clear()
            await self._room.wait()

    async def _write(self) -> None:
        while (item := await self._next()) is not None:
            due, action = item
            await self._wait_till(due)
            try:
                await self._do(action)
            except OSError:
                self._link.do(Fault.CUT)
        await self._wait_till(0.0)
        if (
            not self._writer.is_closing()
            and not self._link.silent
            and self._writer.can_write_eof()
        ):
            with suppress(OSError):
                self._writer.write_eof()

    async def _wait_till(self, due: float) -> None:
        """Until it is due and no stall holds it up, also one that begins meanwhile."""
        loop = asyncio.get_running_loop()
        while True:
            wait_s = max(due, self._stalled_until) - loop.time()
            if wait_s <= 0:
                return
            await asyncio.sleep(wait_s)

    async def _next(self) -> tuple[float, Action] | None:
        """The next action; None at the end. What nothing overtakes in time goes on by itself."""
        while not self._queue:
            if self._ended:
                return None
            self._changed.clear()
            try:
                async with asyncio.timeout(OVERTAKE_S if self.injector.holds else None):
                    await self._changed.wait()
            except TimeoutError:
                self._plan(self.injector.release())
        return self._queue.popleft()

    async def _do(self, action: Action) -> None:
        match action:
            case Send(data=data):
                self._under_way -= len(data)
                self._room.set()
                if not self._link.silent and not self._writer.is_closing():
                    self._writer.write(data)
                    await self._writer.drain()
            case Stall(seconds=seconds):
                await asyncio.sleep(seconds)
            case Cut():
                self._link.do(Fault.CUT)
            case HalfOpen():
                self._link.do(Fault.HALF_OPEN)
            case Happened():
                pass
