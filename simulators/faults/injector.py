"""One direction of one connection without I/O: frames in, what to do with them out.

Faults meet whole frames, not packets: so the same seed gives the same faults however TCP cuts
the stream, and a garbled message stays within its frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final, Literal

from simulators.faults.plan import Direction, Fault, FaultPlan, Planned

HEADER_BYTES: Final = 4
BITS_MAX: Final = 3
"""Bits that a garbled frame has wrong at most: what checksums of links let through."""
BITS_IN_BYTE: Final = 8
# The order in which lots are drawn is part of what a seed means.
_DRAWN: Final = (
    Fault.CUT,
    Fault.HALF_OPEN,
    Fault.STALL,
    Fault.GARBLE,
    Fault.DUPLICATE,
    Fault.REORDER,
    Fault.DELAY,
)


@dataclass(frozen=True, slots=True)
class Send:
    """Pass bytes on, `delay_s` seconds late."""

    data: bytes
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Stall:
    """Pass nothing on for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Cut:
    """Reset the connection, both ways."""


@dataclass(frozen=True, slots=True)
class HalfOpen:
    """Let nothing pass any more, either way."""


@dataclass(frozen=True, slots=True)
class Happened:
    """A fault met a frame; for statistics."""

    fault: Fault
    frame: int


Action = Send | Stall | Cut | HalfOpen | Happened


class Cutter:
    """Bytes in, whole frames out, header and all; holds less than two frames."""

    def __init__(self, byte_order: Literal["big", "little"] = "big", *, own: int = 0) -> None:
        """`own`: bytes of the header that the length counts (0 or 4)."""
        self._order = byte_order
        self._own = own
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The frames that are complete now."""
        data = self._rest + data
        at = 0
        while len(data) - at >= HEADER_BYTES:
            length = int.from_bytes(data[at + 2 : at + HEADER_BYTES], self._order)
            end = at + HEADER_BYTES + max(0, length - self._own)
            if len(data) < end:
                break
            yield data[at:end]
            at = end
        self._rest = data[at:]

    @property
    def rest(self) -> bytes:
        """The beginning of a frame whose end has not come."""
        return self._rest


class Injector:
    """Decides for each frame what happens to it. `plan` may be exchanged at any time."""

    def __init__(self, plan: FaultPlan, connection: int, direction: Direction) -> None:
        self.plan = plan
        self._connection = connection
        self._direction = direction
        self._lots = Random(f"{plan.seed}/{connection}/{direction}")  # noqa: S311 - repeatable, no secret
        self._frame = 0
        self._held: bytes | None = None
        self._forced: list[Planned] = []

    @property
    def frames(self) -> int:
        """How many frames have come."""
        return self._frame

    @property
    def holds(self) -> bool:
        """True while a frame waits for the one that is to overtake it."""
        return self._held is not None

    def force(self, planned: Planned) -> None:
        """Let a fault meet the next frame."""
        self._forced.append(planned)

    def release(self) -> list[Action]:
        """Nothing overtakes it any more: pass on what is held."""
        held, self._held = self._held, None
        return [] if held is None else [Send(held)]

    def take(self, frame: bytes) -> list[Action]:
        """What to do now that a frame has come."""
        self._frame += 1
        drawn, late_s, middle, turned = self._draw(frame)
        planned = self._planned()
        faults = drawn | {item.fault for item in planned}
        seconds = {item.fault: item.seconds for item in planned if item.seconds is not None}
        if Fault.DELAY in seconds:
            late_s = seconds[Fault.DELAY]
        happened: list[Action] = [
            Happened(fault, self._frame)
            for fault in _DRAWN
            if fault in faults and (fault is not Fault.DELAY or late_s)
        ]
        late_s = late_s if Fault.DELAY in faults else 0.0
        if Fault.CUT in faults:
            begun: list[Action] = [Send(frame[: len(frame) // 2])] if middle else []
            return [*happened, *self.release(), *begun, Cut()]
        if Fault.HALF_OPEN in faults:
            return [*happened, HalfOpen()]
        if Fault.GARBLE in faults:
            frame = turned
        stall: list[Action] = []
        if Fault.STALL in faults:
            stall = [Stall(seconds.get(Fault.STALL, self.plan.stall_s))]
        return [*happened, *stall, *self._pass_on(frame, faults, late_s)]

    def _pass_on(self, frame: bytes, faults: set[Fault], late_s: float) -> list[Action]:
        copies = [frame, frame] if Fault.DUPLICATE in faults else [frame]
        sent: list[Action] = [Send(copy, late_s) for copy in copies]
        if self._held is not None:
            return [*sent, *self.release()]
        if Fault.REORDER in faults:
            self._held = b"".join(copies)
            return []
        return sent

    def _draw(self, frame: bytes) -> tuple[set[Fault], float, bool, bytes]:
        """As many lots for each frame, whatever it is and whatever they say."""
        lots, plan = self._lots, self.plan
        chances = plan.chances(self._direction)
        drawn = {fault for fault in _DRAWN if lots.random() < chances.of(fault)}
        late_s = plan.delay_s + plan.jitter_s * lots.random()
        middle = lots.random() < 0.5  # noqa: PLR2004 - half the time
        turned = bytearray(frame)
        begin = HEADER_BYTES if len(frame) > HEADER_BYTES else 0
        size = len(frame) - begin if begin else 1
        for place, bit, whether in [
            (lots.random(), lots.random(), lots.random()) for _ in range(BITS_MAX)
        ]:
            if turned == frame or whether < 0.5:  # noqa: PLR2004 - the first for sure
                turned[begin + int(place * size)] ^= 1 << int(bit * BITS_IN_BYTE)
        return drawn, late_s, middle, bytes(turned)

    def _planned(self) -> list[Planned]:
        forced, self._forced = self._forced, []
        return forced + [
            item
            for item in self.plan.script
            if item.frame == self._frame and item.concerns(self._connection, self._direction)
        ]
