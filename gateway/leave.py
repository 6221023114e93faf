"""How a peer is told that its session ends (protocol.md#sessions)."""

from __future__ import annotations

from typing import Final

from linkage.ports import EXPIRED, REPLACED, SHUT_OUT
from protocol.connection import Connection, ConnectionState
from protocol.envelope import Request
from protocol.messages import message_class
from protocol.results import Result
from protocol.roles import Role

LEAVE: Final[dict[Role, int]] = {
    Role.APPLICATION: 199,
    Role.MONITOR: 199,
    Role.PLATFORM: 299,
    Role.COMMUNICATION_SCREEN: 399,
    Role.BUSINESS_SCREEN: 599,
}
"""By which message, for each role."""

NOT_LET_IN: Final = "it may not come in from there, or in that way, any more"
"""Why a session is closed when the rules have changed while it was open."""
RESULTS: Final = {
    NOT_LET_IN: Result.SESSION_EXPIRED,
    REPLACED: Result.REPLACED,
    EXPIRED: Result.SESSION_EXPIRED,
    SHUT_OUT: Result.SESSION_EXPIRED,
}
"""Reasons that have a result of protocol.md#results."""


def leave_message(connection: Connection, reason: str, now: float) -> Request | None:
    """The message for this peer; None for one that is not registered, or knows no such message."""
    role = connection.role
    if (
        connection.state is not ConnectionState.REGISTERED
        or not connection.dialect.profile
        or role is None
    ):
        return None
    cls = message_class(LEAVE[role])
    assert cls is not None, f"the catalogue has no {LEAVE[role]}"
    # Each message of LEAVE has a Reason, which the class that they share has not.
    message = cls(reason=reason, result=RESULTS.get(reason))  # type: ignore[call-arg]
    return Request(id=f"leave{int(now * 1000)}", message=message)
