"""Pairs of linked channels that some platforms put into the places of telephones that transfer.

Asterisk does so where it transfers by itself (REFER): one half replaces a telephone's leg, which
its call sees to, and the other comes in as if somebody had dialled. The two come in either order.
Of a transfer with consultation both halves are stand-ins, for the two telephones; once both have
come, it is as if the platform had left the transfer to us.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from adapters.voice.events import Channel, Event, EventKind

OTHER_HALF_S: Final = 0.5
"""How long the two halves of a pair may be apart."""
PAIRS_MAX: Final = 2000
"""Pairs that are remembered whose other half never came."""


class PairedChannels:
    """The halves of one link that have come."""

    def __init__(self, newcomer: Callable[[Event], None]) -> None:
        self._newcomer = newcomer
        self._known: OrderedDict[str, asyncio.Event] = OrderedDict()
        self._halves: OrderedDict[str, dict[str, Channel]] = OrderedDict()

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

    def stands_in(self, event: Event) -> Event | None:
        """A half took a telephone's place; with the second one, the transfer that this means.

        The first half stands for the telephone that the caller speaks with, the second for its
        consultation.
        """
        channel = event.channel
        if channel is None:
            return None
        halves = self._halves.setdefault(channel.pair, {})
        halves[channel.half] = channel
        while len(self._halves) > PAIRS_MAX:
            self._halves.popitem(last=False)
        if len(halves) < 2:  # noqa: PLR2004 - a pair
            return None
        del self._halves[channel.pair]
        return Event(
            kind=EventKind.TRANSFER,
            at=event.at,
            channel=halves["1"],
            other=halves["2"].id,
            attended=True,
        )
