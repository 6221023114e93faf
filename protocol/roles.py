"""Who a peer is, and which directions its role speaks and hears (protocol.md#directions)."""

from __future__ import annotations

from enum import StrEnum
from itertools import chain
from typing import Final

from protocol.kinds import Direction, counterpart


class Role(StrEnum):
    """What a peer is. A monitor is an application that sees every event and commands nothing."""

    APPLICATION = "application"
    MONITOR = "monitor"
    PLATFORM = "platform"
    COMMUNICATION_SCREEN = "communication-screen"
    BUSINESS_SCREEN = "business-screen"


# A monitor is an application on the wire; that it may not command is a right, and the core's.
_BUSINESS: Final = (
    (Direction.BUSINESS_TO_PLATFORM, Direction.BUSINESS_TO_SCREEN),
    (Direction.PLATFORM_TO_BUSINESS, Direction.SCREEN_TO_BUSINESS),
)
DIRECTIONS: Final[dict[Role, tuple[tuple[Direction, ...], tuple[Direction, ...]]]] = {
    Role.APPLICATION: _BUSINESS,
    Role.MONITOR: _BUSINESS,
    Role.PLATFORM: (
        (Direction.PLATFORM_TO_BUSINESS, Direction.PLATFORM_TO_SCREEN),
        (Direction.BUSINESS_TO_PLATFORM, Direction.SCREEN_TO_PLATFORM),
    ),
    Role.COMMUNICATION_SCREEN: (
        (Direction.SCREEN_TO_PLATFORM,),
        (Direction.PLATFORM_TO_SCREEN,),
    ),
    Role.BUSINESS_SCREEN: ((Direction.SCREEN_TO_BUSINESS,), (Direction.BUSINESS_TO_SCREEN,)),
}
"""Role → what such a peer sends, and what it is sent."""


def _numbers(directions: tuple[Direction, ...]) -> frozenset[int]:
    return frozenset(chain.from_iterable(each.numbers for each in directions))


SPEAKS: Final = {role: _numbers(sent) for role, (sent, _) in DIRECTIONS.items()}
"""Role → numbers of the types that such a peer may send."""
HEARS: Final = {role: _numbers(taken) for role, (_, taken) in DIRECTIONS.items()}
"""Role → numbers of the types that such a peer may be sent."""
_SHOWN: Final = {
    Role.COMMUNICATION_SCREEN: Direction.PLATFORM_TO_SCREEN,
    Role.BUSINESS_SCREEN: Direction.BUSINESS_TO_SCREEN,
}


def number_for_role(number: int, role: Role) -> int:
    """The number under which a 1xx is told to a peer of this role: to screens as its mirror."""
    shown = _SHOWN.get(role)
    return number if shown is None else counterpart(number, shown)


PLATFORM_REGISTER: Final = 190
REGISTRATION_TYPE: Final[dict[Role, int]] = {
    Role.APPLICATION: 290,
    Role.MONITOR: 290,
    Role.PLATFORM: PLATFORM_REGISTER,
    Role.COMMUNICATION_SCREEN: 490,
    Role.BUSINESS_SCREEN: 690,
}
"""Role → type of the first message that such a peer sends."""

ROLE_BY_REGISTRATION: Final[dict[int, Role]] = {
    290: Role.APPLICATION,
    PLATFORM_REGISTER: Role.PLATFORM,
    490: Role.COMMUNICATION_SCREEN,
    690: Role.BUSINESS_SCREEN,
}
"""Type of the first message → what its sender is; whether a monitor, configuration says."""
