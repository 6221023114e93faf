"""What a part has asked the core and not heard of yet; it survives the core."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from typing import Any, Final

from linkage.bus.envelope import Kind

CALLS_MAX: Final = 20_000
"""Calls in work; beyond it requests are refused with 404, as the core does (`INBOX_MAX`)."""
BYTES_MAX: Final = 64 * 1024 * 1024
"""Bytes of the calls in work; the same."""
ONCE: Final = frozenset(
    {Kind.REGISTER, Kind.RESUME, Kind.FILE_OPEN, Kind.FILE_CHUNK, Kind.FILE_END}
)
"""Calls that are not asked again of another core: a nonce is used up, a file is half written."""


class CoreAwayError(ConnectionError):
    """There is no core to be asked, or it went away before it answered."""


Told = Callable[[Any, Exception | None], None]
"""Is told the answer, or why there is none; called once, in the loop's thread."""


def tell(answer: asyncio.Future[Any], value: Any, error: Exception | None) -> None:
    """A `Told` for who awaits a future; who was cancelled is told nothing."""
    if answer.done():
        return
    if error is None:
        answer.set_result(value)
    else:
        answer.set_exception(error)


class Call:
    """One question: asked of every core that comes until there is an answer."""

    __slots__ = ("asked_at", "expires_at", "hold_s", "kind", "lane", "packed", "sent", "told")

    def __init__(
        self,
        kind: Kind,
        packed: bytes,
        asked_at: float,
        hold_s: float | None,
        told: Told,
        lane: int | None = None,
        expires_at: float = math.inf,
    ) -> None:
        self.kind = kind
        self.packed = packed
        self.asked_at = asked_at
        self.hold_s = hold_s
        self.told = told
        self.lane = lane
        """The link whose requests must keep their order; None: it is no request."""
        self.expires_at = expires_at
        """Of a command: it must not come to any core after this, whoever was there meanwhile."""
        self.sent = False


class PendingCalls:
    """All of them, in the order in which they were asked."""

    def __init__(self) -> None:
        self._calls: dict[int, Call] = {}
        self._bytes = 0
        self._last = 0

    def __len__(self) -> int:
        return len(self._calls)

    @property
    def full(self) -> bool:
        """Whether no more requests should be taken."""
        return len(self._calls) >= CALLS_MAX or self._bytes >= BYTES_MAX

    def next_number(self) -> int:
        """For a new call; never used twice by one process."""
        self._last += 1
        return self._last

    def add(self, number: int, call: Call) -> None:
        """Remember it until `take`."""
        self._calls[number] = call
        self._bytes += len(call.packed)

    def take(self, number: int) -> Call | None:
        """It was answered; None: it is not waited for any more."""
        call = self._calls.pop(number, None)
        if call is not None:
            self._bytes -= len(call.packed)
        return call

    def drop_unsent(self, number: int) -> None:
        """Nobody needs the answer any more; what was asked already is answered."""
        call = self._calls.get(number)
        if call is not None and not call.sent:
            self.take(number)
            call.told(None, CoreAwayError("the link is closed"))

    def unsent(self) -> Iterator[Call]:
        """Those that the present core was not asked."""
        return (call for call in self._calls.values() if not call.sent)

    def left(self) -> None:
        """The core is gone: what can be asked again waits for the next one, the rest fails."""
        for number, call in list(self._calls.items()):
            if call.sent and call.kind in ONCE:
                self.take(number)
                call.told(None, CoreAwayError("the core went away"))
            call.sent = False

    def give_up(self, now: float, since: float) -> None:
        """There was no core since then: who has waited long enough waits no more.

        What waits behind it on its link goes with it: a core that comes now would else take that
        before the other is tried again.
        """
        lanes: set[int] = set()
        for number, call in list(self._calls.items()):
            held_s = now - max(call.asked_at, since)
            late = call.hold_s is not None and held_s >= call.hold_s
            if late or now >= call.expires_at or call.lane in lanes:
                if call.lane is not None:
                    lanes.add(call.lane)
                self.take(number)
                call.told(None, CoreAwayError("there is no core"))

    def end(self) -> None:
        """Nobody will answer any more."""
        for number, call in list(self._calls.items()):
            self.take(number)
            call.told(None, CoreAwayError("this part stops"))
