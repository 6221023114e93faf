"""Who a peer is, and which directions its role speaks and hears (protocol.md#directions)."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What a peer is. A monitor is an application that sees every event and commands nothing."""

    APPLICATION = "application"
    MONITOR = "monitor"
    PLATFORM = "platform"
    COMMUNICATION_SCREEN = "communication-screen"
    BUSINESS_SCREEN = "business-screen"


# A monitor is an application on the wire; that it may not command is a right, and the core's.
SPEAKS: Final[dict[Role, frozenset[int]]] = {
    Role.APPLICATION: frozenset({2, 5}),
    Role.MONITOR: frozenset({2, 5}),
    Role.PLATFORM: frozenset({1, 3}),
    Role.COMMUNICATION_SCREEN: frozenset({4}),
    Role.BUSINESS_SCREEN: frozenset({6}),
}
"""Role → first digits of the types that such a peer sends."""

HEARS: Final[dict[Role, frozenset[int]]] = {
    Role.APPLICATION: frozenset({1, 6}),
    Role.MONITOR: frozenset({1, 6}),
    Role.PLATFORM: frozenset({2, 4}),
    Role.COMMUNICATION_SCREEN: frozenset({3}),
    Role.BUSINESS_SCREEN: frozenset({5}),
}
"""Role → first digits of the types that such a peer is sent."""

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
