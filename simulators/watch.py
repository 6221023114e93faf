"""What a simulator has seen and sent, and how to wait for more of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from protocol.codec import encode_body
from protocol.message import Message
from simulators.clock import ScenarioClock
from simulators.message_values import fits

WAIT_S: Final = 10.0


class Way(StrEnum):
    """Whether a message came or went; one that was refused is noted a second time."""

    RECEIVED = "received"
    SENT = "sent"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One message at one simulator. `result` is what it was answered with, where that is known."""

    at_s: float
    place: str
    way: Way
    message: Message
    result: int | None = None

    def __str__(self) -> str:
        arrow = {Way.RECEIVED: "←", Way.SENT: "→", Way.REFUSED: "✗"}[self.way]
        kind = type(self.message)
        answered = "" if self.result is None else f" [{self.result}]"
        head = f"{self.at_s:8.2f} s  {self.place} {arrow} {kind.number} {kind.english}{answered}"
        return f"{head}  {encode_body(self.message)}"


class Watch:
    """The diary of one simulator."""

    def __init__(self, clock: ScenarioClock, place: str) -> None:
        self._clock = clock
        self._place = place
        self._observers: list[Callable[[Sighting], None]] = []
        self.sightings: list[Sighting] = []
        self._woken = asyncio.Event()

    def observe(self, observer: Callable[[Sighting], None]) -> None:
        """Call `observer` with every sighting from now on."""
        self._observers.append(observer)

    def note(self, way: Way, message: Message, result: int | None = None) -> None:
        """Something came or went."""
        sighting = Sighting(
            at_s=self._clock.now(), place=self._place, way=way, message=message, result=result
        )
        self.sightings.append(sighting)
        self._woken.set()
        for observer in self._observers:
            observer(sighting)

    def received(self, number: int | None = None) -> list[Message]:
        """The messages that came, all or of one type, in order."""
        return [
            sighting.message
            for sighting in self.sightings
            if sighting.way is Way.RECEIVED and number in {None, sighting.message.number}
        ]

    async def wait_for(self, number: int, *, timeout_s: float = WAIT_S, **where: Any) -> Message:
        """The first message of a type that came, or comes, and has these values.

        `where` names elements as on the wire: `await watch.wait_for(105, Phase=4)`.

        Raises:
            TimeoutError: none came in `timeout_s` real seconds; the text says what did.
        """
        seen = 0
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    self._woken.clear()
                    for sighting in self.sightings[seen:]:
                        message = sighting.message
                        if (
                            sighting.way is Way.RECEIVED
                            and message.number == number
                            and fits(message, where)
                        ):
                            return message
                    seen = len(self.sightings)
                    await self._woken.wait()
        except TimeoutError:
            came = "\n".join(map(str, self.sightings)) or "nothing"
            raise TimeoutError(
                f"no {number} with {where} at the {self._place} in {timeout_s:g} s; seen:\n{came}"
            ) from None
