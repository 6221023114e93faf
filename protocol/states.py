"""The states of a connection and what moves them: one table (protocol.md#connections)."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final


class Side(Enum):
    """Which end of the conversation we are."""

    LINKAGE = auto()
    PEER = auto()


class ConnectionState(Enum):
    """Where a conversation stands."""

    UNREGISTERED = auto()
    REGISTERED = auto()
    CLOSED = auto()


class Input(Enum):
    """What moves the state."""

    REGISTRATION_ACCEPTED = auto()
    REGISTRATION_OVERDUE = auto()
    STREAM_ENDED = auto()
    STREAM_BROKEN = auto()
    MALFORMED_TOO_OFTEN = auto()
    MESSAGE_OVERDUE = auto()
    PEER_SILENT = auto()
    CLOSED_HERE = auto()


_UNREGISTERED = ConnectionState.UNREGISTERED
_REGISTERED = ConnectionState.REGISTERED
_CLOSED = ConnectionState.CLOSED

# What is not listed cannot happen: a KeyError is a bug of `protocol.connection`.
TRANSITIONS: Final[dict[tuple[ConnectionState, Input], ConnectionState]] = {
    (_UNREGISTERED, Input.REGISTRATION_ACCEPTED): _REGISTERED,
    (_UNREGISTERED, Input.REGISTRATION_OVERDUE): _CLOSED,
    (_UNREGISTERED, Input.STREAM_ENDED): _CLOSED,
    (_UNREGISTERED, Input.STREAM_BROKEN): _CLOSED,
    (_UNREGISTERED, Input.MALFORMED_TOO_OFTEN): _CLOSED,
    (_UNREGISTERED, Input.MESSAGE_OVERDUE): _CLOSED,
    (_UNREGISTERED, Input.PEER_SILENT): _CLOSED,
    (_UNREGISTERED, Input.CLOSED_HERE): _CLOSED,
    # Where linkage dials, both ends may register: the second acceptance changes nothing.
    (_REGISTERED, Input.REGISTRATION_ACCEPTED): _REGISTERED,
    (_REGISTERED, Input.STREAM_ENDED): _CLOSED,
    (_REGISTERED, Input.STREAM_BROKEN): _CLOSED,
    (_REGISTERED, Input.MALFORMED_TOO_OFTEN): _CLOSED,
    (_REGISTERED, Input.MESSAGE_OVERDUE): _CLOSED,
    (_REGISTERED, Input.PEER_SILENT): _CLOSED,
    (_REGISTERED, Input.CLOSED_HERE): _CLOSED,
}
