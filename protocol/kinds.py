"""What the number of a message says: who speaks to whom, and whether something is asked for.

| numbers | from | to | what |
|---|---|---|---|
| 1xx | communication platform | business platform | notice, answer to a 2xx |
| 2xx | business platform | communication platform | command, query |
| 3xx | communication platform | communication screen | mirror of a 1xx |
| 4xx | communication screen | communication platform | the operator's 2xx |
| 5xx | business platform | business screen | mirror of a 1xx |
| 6xx | business screen | business platform | the operator's 2xx |

(protocol.md#directions, #screens). Nothing else in the tree divides a number by 100.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from itertools import chain
from typing import Final, NamedTuple


class Direction(IntEnum):
    """First digit of a type: who speaks to whom (protocol.md#directions)."""

    PLATFORM_TO_BUSINESS = 1
    BUSINESS_TO_PLATFORM = 2
    PLATFORM_TO_SCREEN = 3
    SCREEN_TO_PLATFORM = 4
    BUSINESS_TO_SCREEN = 5
    SCREEN_TO_BUSINESS = 6

    @property
    def numbers(self) -> range:
        """All numbers of this direction, whether the catalogue has them or not."""
        return range(self.value * SIZE, (self.value + 1) * SIZE)


SIZE: Final = 100
"""Numbers of one direction. Two numbers with the same last two digits have the same subject."""


class Party(StrEnum):
    """One end of a direction."""

    PLATFORM = "communication platform"
    BUSINESS = "business platform"
    PLATFORM_SCREEN = "communication screen"
    BUSINESS_SCREEN = "business screen"


class Kind(NamedTuple):
    """What all messages of one direction have in common.

    `is_command`: it asks the receiver to do or tell something, and is worth nothing when it comes
    too late; otherwise it tells what happened. `mirrors`: the direction whose subjects a screen
    shows or asks for.
    """

    speaker: Party
    hearer: Party
    is_command: bool
    mirrors: Direction | None = None


KINDS: Final[Mapping[Direction, Kind]] = {
    Direction.PLATFORM_TO_BUSINESS: Kind(Party.PLATFORM, Party.BUSINESS, is_command=False),
    Direction.BUSINESS_TO_PLATFORM: Kind(Party.BUSINESS, Party.PLATFORM, is_command=True),
    Direction.PLATFORM_TO_SCREEN: Kind(
        Party.PLATFORM,
        Party.PLATFORM_SCREEN,
        is_command=False,
        mirrors=Direction.PLATFORM_TO_BUSINESS,
    ),
    Direction.SCREEN_TO_PLATFORM: Kind(
        Party.PLATFORM_SCREEN,
        Party.PLATFORM,
        is_command=True,
        mirrors=Direction.BUSINESS_TO_PLATFORM,
    ),
    Direction.BUSINESS_TO_SCREEN: Kind(
        Party.BUSINESS,
        Party.BUSINESS_SCREEN,
        is_command=False,
        mirrors=Direction.PLATFORM_TO_BUSINESS,
    ),
    Direction.SCREEN_TO_BUSINESS: Kind(
        Party.BUSINESS_SCREEN,
        Party.BUSINESS,
        is_command=True,
        mirrors=Direction.BUSINESS_TO_PLATFORM,
    ),
}

NUMBERS: Final = range(min(Direction) * SIZE, (max(Direction) + 1) * SIZE)
"""Of all messages."""
NOTICES: Final = Direction.PLATFORM_TO_BUSINESS.numbers
"""Of what a communication platform tells a business platform."""
COMMANDS: Final = Direction.BUSINESS_TO_PLATFORM.numbers
"""Of what a business platform asks a communication platform for."""
COMMAND_DIRECTIONS: Final = frozenset(each for each, kind in KINDS.items() if kind.is_command)
_COMMANDS: Final = frozenset(chain.from_iterable(each.numbers for each in COMMAND_DIRECTIONS))


def is_command(number: int) -> bool:
    """Whether a message asks for something: a 2xx, or the 4xx or 6xx of an operator."""
    return number in _COMMANDS


def direction_of(number: int) -> Direction:
    """Who speaks to whom.

    Raises:
        ValueError: no message has such a number.
    """
    return Direction(number // SIZE)


def answers(direction: Direction) -> Direction:
    """The direction of what is said in return."""
    return _ANSWERS[direction]


_BY_ENDS: Final = {(kind.speaker, kind.hearer): each for each, kind in KINDS.items()}
_ANSWERS: Final = {each: _BY_ENDS[kind.hearer, kind.speaker] for each, kind in KINDS.items()}


def counterpart(number: int, direction: Direction) -> int:
    """The number with the same subject in another direction: of 100, for a screen, 300."""
    return direction * SIZE + number % SIZE
