"""Who is connected at the moment, and whether one more may come."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import NamedTuple, Protocol

from gateway.settings import GatewaySettings


class OpenConnection(Protocol):
    """A session, or a connection of which it is not known yet what it will be."""

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


class Objection(NamedTuple):
    """Why a connection cannot be taken: one word to count by, and the words for a person."""

    reason: str
    text: str


class OpenConnections:
    """The open connections of one gateway, where from, and which are not registered yet."""

    __slots__ = ("_hosts", "_members", "_settings", "_strange_hosts", "_strangers")

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self._members: dict[OpenConnection, str] = {}
        self._strangers: set[OpenConnection] = set()
        self._hosts: Counter[str] = Counter()
        self._strange_hosts: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._members)

    @property
    def strangers(self) -> int:
        """How many of them have not registered yet."""
        return len(self._strangers)

    @property
    def members(self) -> list[OpenConnection]:
        """All of them, at this moment."""
        return list(self._members)

    def objection(self, host: str) -> Objection | None:
        """Why one more connection from there cannot be taken; None: it can."""
        settings = self._settings
        if len(self._members) >= settings.connections:
            return Objection("connections", f"{settings.connections} connections are open")
        if len(self._strangers) >= settings.unregistered:
            text = f"{settings.unregistered} connections have not registered yet"
            return Objection("unregistered", text)
        most = settings.connections_per_address
        if most is not None and self._hosts[host] >= most:
            return Objection("address", f"{most} connections from there are open")
        if self._strange_hosts[host] >= settings.unregistered_per_address:
            most = settings.unregistered_per_address
            text = f"{most} connections from there have not registered yet"
            return Objection("unregistered_address", text)
        return None

    def add(self, member: OpenConnection, host: str, *, stranger: bool) -> None:
        """A connection was opened; `host` as `gateway.hosts.neighbourhood` names it."""
        self._members[member] = host
        self._hosts[host] += 1
        if stranger:
            self._strangers.add(member)
            self._strange_hosts[host] += 1

    def admit(self, member: OpenConnection) -> None:
        """It is known now who it is."""
        if member in self._strangers:
            self._strangers.remove(member)
            _less(self._strange_hosts, self._members[member])

    def remove(self, member: OpenConnection) -> None:
        """The connection is gone."""
        self.admit(member)
        host = self._members.pop(member, None)
        if host is not None:
            _less(self._hosts, host)


def _less(counts: Counter[str], key: str) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
