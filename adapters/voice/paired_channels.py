"""Pairs of linked channels that some platforms put into the places of telephones that transfer.

Asterisk does so where it transfers by itself (REFER): one half replaces a telephone's leg, which
its call sees to, and the other comes in as if somebody had dialled. The two come in either order.
Of a transfer with consultation both halves are stand-ins, for the two telephones. Once both have
come and the platform says that it has transferred, it is as if it had left the transfer to us. Not
before: until then it works on the pair, and tells the telephone 500 where we took a half away.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from adapters.voice.platform_events import Channel, Event, EventKind

OTHER_HALF_S: Final = 0.5
"""How long the two halves of a pair may be apart."""
TRANSFERRED_S: Final = 2.0
"""How long a platform may take to say that it has transferred, once both halves have come."""
PAIRS_MAX: Final = 2000
"""Pairs that are remembered whose other half never came."""


@dataclass(slots=True)
class StandIns:
    """A pair in the places of two telephones: the halves that have come, by their number."""

    halves: dict[str, Channel] = field(default_factory=dict)
    transferred: asyncio.Event = field(default_factory=asyncio.Event)


class PairedChannels:
    """The halves of one link that have come."""

    def __init__(
        self, newcomer: Callable[[Event], None], transferring: Callable[[Event], None]
    ) -> None:
        self._newcomer = newcomer
        self._transferring = transferring
        self._known: OrderedDict[str, asyncio.Event] = OrderedDict()
        self._stand_ins: OrderedDict[str, StandIns] = OrderedDict()

    def expect(self, channel: Channel) -> None:
        """One half is known to a call; the other belongs to nobody and is no call."""
        if channel.pair:
            self._known.setdefault(channel.pair, asyncio.Event()).set()
            while len(self._known) > PAIRS_MAX:
                self._known.popitem(last=False)

    def take(self, event: Event, tasks: asyncio.TaskGroup | None) -> bool:
        """Whether a channel that came in is half of a pair: then nothing else is to be done.

        Without the other half in time it is a newcomer: of a dialplan that uses such channels.
        """
        pair = "" if event.channel is None else event.channel.pair
        if not pair:
            return False
        if self._known.pop(pair, None) is None and tasks is not None:
            self._known[pair] = other = asyncio.Event()
            tasks.create_task(self._wait(event, pair, other))
        return True

    async def _wait(self, event: Event, pair: str, other: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(OTHER_HALF_S):
                await other.wait()
        except TimeoutError:
            self._newcomer(event)
        finally:
            self._known.pop(pair, None)

    def stands_in(self, event: Event, tasks: asyncio.TaskGroup | None) -> None:
        """A half took a telephone's place; the second one makes it a transfer.

        The first half stands for the telephone that the caller speaks with, the second for its
        consultation.
        """
        channel = event.channel
        if channel is None:
            return
        pair = self._stand_ins_of(channel.pair)
        if channel.half in pair.halves:
            return  # told twice
        pair.halves[channel.half] = channel
        if len(pair.halves) == 2 and tasks is not None:  # noqa: PLR2004 - a pair
            tasks.create_task(self._transfer(event, pair))

    def transferred(self, pair: str) -> None:
        """The platform says that it has transferred by this pair."""
        self._stand_ins_of(pair).transferred.set()

    def _stand_ins_of(self, pair: str) -> StandIns:
        found = self._stand_ins.setdefault(pair, StandIns())
        while len(self._stand_ins) > PAIRS_MAX:
            self._stand_ins.popitem(last=False)
        return found

    async def _transfer(self, event: Event, pair: StandIns) -> None:
        with suppress(TimeoutError):  # it failed half-way: we bring it to its end
            async with asyncio.timeout(TRANSFERRED_S):
                await pair.transferred.wait()
        first, second = pair.halves["1"], pair.halves["2"]
        self._stand_ins.pop(first.pair, None)
        self._transferring(
            Event(
                kind=EventKind.TRANSFER,
                at=event.at,
                channel=first,
                other=second.id,
                attended=True,
            )
        )
