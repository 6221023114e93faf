"""Who is connected at the moment, and whether one more may come."""

from __future__ import annotations

import asyncio
from typing import Protocol

from gateway.settings import GatewaySettings


class Member(Protocol):
    """What a roster holds: a session, or a connection of which it is not known yet what it is."""

    @property
    def gone(self) -> asyncio.Future[None]:
        """Done when the connection is no more."""
        ...

    def hold(self) -> None:
        """Take nothing more from the peer."""
        ...

    def close(self, reason: str) -> None:
        """End it; what is to be sent is still sent, in bounded time."""
        ...

    def abort(self) -> None:
        """Cut it off."""
        ...


class Roster:
    """The connections of one gateway, and which of them nobody has vouched for yet."""

    __slots__ = ("_members", "_settings", "_strangers")

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self._members: set[Member] = set()
        self._strangers: set[Member] = set()

    def __len__(self) -> int:
        return len(self._members)

    @property
    def members(self) -> list[Member]:
        """All of them, at this moment."""
        return list(self._members)

    def objection(self) -> str | None:
        """Why one more connection cannot be taken; None: it can."""
        if len(self._members) >= self._settings.connections:
            return f"{self._settings.connections} connections are open"
        if len(self._strangers) >= self._settings.unregistered:
            return f"{self._settings.unregistered} connections have not registered yet"
        return None

    def add(self, member: Member, *, stranger: bool) -> None:
        """A connection was opened."""
        self._members.add(member)
        if stranger:
            self._strangers.add(member)

    def admit(self, member: Member) -> None:
        """It is known now who it is."""
        self._strangers.discard(member)

    def remove(self, member: Member) -> None:
        """The connection is gone."""
        self._members.discard(member)
        self._strangers.discard(member)
