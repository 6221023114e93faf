"""Who may send what on a connection (protocol.md#directions, #connections)."""

from __future__ import annotations

from typing import Final

from protocol.errors import LocalProtocolError
from protocol.roles import (
    HEARS,
    PLATFORM_REGISTER,
    REGISTRATION_TYPE,
    ROLE_BY_REGISTRATION,
    SPEAKS,
    Role,
)
from protocol.states import Side

_DIALLED: Final = frozenset({Role.APPLICATION, Role.MONITOR})


class SendingRights:
    """Who may send what, for one end; `ours` asks for what we send, not for what we take.

    Args:
        side: which end we are.
        role: what the peer of linkage is; None until its registration was accepted.
        dialling: linkage dialled, and registers there itself.

    Raises:
        LocalProtocolError: linkage does not dial such a peer.
    """

    __slots__ = ("_dialling", "_side", "role")

    def __init__(self, side: Side, role: Role | None, *, dialling: bool) -> None:
        if dialling and role not in _DIALLED:
            raise LocalProtocolError(f"linkage dials applications, not a {role}")
        self._side = side
        self._dialling = dialling
        self.role = role

    def may_register(self, type_: int, *, ours: bool) -> bool:
        """Whether a type is the registration that may be sent while unregistered."""
        if ours is (self._side is Side.PEER):  # what linkage's peer sends
            if self.role is None:
                return type_ in ROLE_BY_REGISTRATION
            return type_ == REGISTRATION_TYPE[self.role]
        return self._dialling and type_ == PLATFORM_REGISTER

    def allows(self, type_: int, *, ours: bool) -> bool:
        """Whether a type has the right direction once registered, registrations included."""
        return type_ in self._types(ours=ours)

    def numbers(self, *, ours: bool) -> frozenset[int]:
        """All types of the right direction but the registrations: one look instead of rules."""
        return self._types(ours=ours) - ROLE_BY_REGISTRATION.keys()

    def _types(self, *, ours: bool) -> frozenset[int]:
        assert self.role is not None, "registered connections have a role"
        return (SPEAKS if ours is (self._side is Side.PEER) else HEARS)[self.role]
