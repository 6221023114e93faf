"""The configured peers as the core sees them.

Roles, rights, who gets the calls of which number.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from linkage.config.file import Config
from linkage.config.peers import PeerSettings
from linkage.core.delivery.legacy import PATENT_TYPES, suits_legacy
from linkage.ports import Capability, Role
from linkage.store.rows import Operation
from protocol.dialect import Encoding
from protocol.kinds import COMMANDS
from protocol.message import Message
from protocol.messages import CapabilityNotice, PlatformRegister
from protocol.roles import SPEAKS

SENDS: Final[Mapping[Role, Container[int]]] = {**SPEAKS, Role.MONITOR: COMMANDS}
"""Numbers of the types that a role may send: a monitor pushes nothing to screens."""
OPERATOR: Final = "operator:"
"""Begins the name of a person at this machine who acts; no id of a peer can have a colon."""


@dataclass(slots=True)
class Peer:
    """One peer.

    `capability` is what a platform said it can do, None where it did not say; `login` who works at
    a screen; `ahead_s` how far its clock was ahead of ours when it registered.
    """

    id: str
    role: Role
    settings: PeerSettings | None = None
    capability: Capability | None = None
    login: str | None = None
    connected: bool = False
    ahead_s: float = 0.0
    shut_out: bool = False
    """It was taken out of the configuration while linkage serves."""
    role_name: str = field(init=False)
    """The role as a text: what the enumeration works out anew each time it is asked."""
    legacy: bool = field(init=False, default=False)
    """Speaks only the patent."""
    encoding: Encoding = field(init=False, default="utf-8")
    """Of the texts that it sends."""
    _sends: Container[int] = field(init=False)
    _types: frozenset[int] = field(init=False, default=frozenset())

    def __post_init__(self) -> None:
        self.role_name = self.role.value
        self._sends = SENDS[self.role]
        if self.settings is not None:
            self.legacy = self.settings.legacy
            self.encoding = self.settings.dialect.encoding
            self._types = frozenset(self.settings.types)

    def learn(self, message: Message, came_at: datetime) -> None:
        """What a registration tells beside the secret, or a notice of capabilities."""
        if isinstance(message, CapabilityNotice):
            self.capability = capability_of(message)
            return
        said: datetime | None = getattr(message, "time", None)
        self.ahead_s = 0.0 if said is None else (said - came_at).total_seconds()
        if isinstance(message, PlatformRegister) and message.capabilities:
            self.capability = capability_of(message)
        if self.role in {Role.COMMUNICATION_SCREEN, Role.BUSINESS_SCREEN}:
            self.login = message.login_id or (
                None if self.settings is None else self.settings.login
            )

    def takes(self, type_: int, message: Message, operation: Operation | None) -> bool:
        """Whether a message, coming as this type, may be delivered to the peer at all."""
        return not self.legacy or (type_ in PATENT_TYPES and suits_legacy(message, operation))

    @property
    def follows(self) -> tuple[str, ...]:
        """The applications whose events it may follow by 291; `*` for all."""
        return () if self.settings is None else self.settings.follows

    def may_follow(self, owner: str) -> bool:
        """Whether it may follow an application's events beside its own."""
        follows = self.follows
        return owner != self.id and (owner in follows or "*" in follows)

    def may_send(self, type_: int) -> bool:
        """Whether role and configuration allow this type."""
        return type_ in self._sends and (not self._types or type_ in self._types)

    def serves(self, type_: int, action: int | None) -> bool:
        """Whether a platform can do a command, as far as it told."""
        if self.capability is None:
            return True
        actions = self.capability.get(type_)
        return actions is not None and (not actions or action is None or action in actions)


def capability_of(message: PlatformRegister | CapabilityNotice) -> Capability:
    """What a platform says that it can do."""
    return {item.no: item.action_numbers for item in message.capabilities}


TAKERS_MAX: Final = 10_000
"""Called numbers remembered with those who take them; callers can dial anything."""


@dataclass(frozen=True, slots=True)
class Takers:
    """Who takes a number or a login; `named`: by that, and not only because they take all.

    `owner` is the id of the only one; None: there are several, or none.
    """

    peers: list[Peer]
    named: bool
    owner: str | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "owner", self.peers[0].id if len(self.peers) == 1 else None)


@dataclass(slots=True)
class Peers:
    """All configured peers and adapters."""

    own_id: str
    by_id: dict[str, Peer] = field(default_factory=dict)
    _by_role: dict[Role | tuple[Role, ...], list[Peer]] = field(default_factory=dict)
    _takers: dict[tuple[str | None, str | None], Takers] = field(default_factory=dict)
    """What `of_role` and `takers` found before: the configuration does not change."""
    monitors: list[Peer] = field(default_factory=list)
    communication_screens: list[Peer] = field(default_factory=list)
    """Of these roles every notice asks."""

    @classmethod
    def of(cls, config: Config, capabilities: Mapping[str, Capability]) -> Peers:
        """From the configuration; `capabilities` are those of the adapters by peer id."""
        peers = cls(config.id)
        for settings in config.peer:
            peers.by_id[settings.id] = Peer(
                settings.id, settings.role, settings, login=settings.login
            )
        for adapter in config.adapter:
            peers.by_id[adapter.id] = Peer(
                adapter.id, Role.PLATFORM, capability=capabilities.get(adapter.id)
            )
        peers._keep_roles()
        return peers

    def get(self, peer_id: str) -> Peer | None:
        """The peer of that id."""
        return self.by_id.get(peer_id)

    def sender(self, source: str) -> Peer:
        """Who sends a request: a configured peer, or a person at this machine.

        That one is no peer: nothing is queued for them, and no notice looks for them.
        """
        if source.startswith(OPERATOR):
            return Peer(source, Role.APPLICATION)
        return self.by_id[source]

    def add(self, newcomers: Iterable[PeerSettings]) -> None:
        """Those that were put into the configuration while linkage serves."""
        for settings in newcomers:
            self.by_id[settings.id] = Peer(
                settings.id, settings.role, settings, login=settings.login
            )
        self._by_role.clear()
        self._takers.clear()
        self._keep_roles()

    def _keep_roles(self) -> None:
        self.monitors = self.of_role(Role.MONITOR)
        self.communication_screens = self.of_role(Role.COMMUNICATION_SCREEN)

    def of_role(self, *roles: Role) -> list[Peer]:
        """All peers of these roles, in the order of the configuration."""
        key = roles[0] if len(roles) == 1 else roles
        found = self._by_role.get(key)
        if found is None:
            found = [peer for peer in self.by_id.values() if peer.role in roles]
            self._by_role[key] = found
        return found

    def screens_of(self, logins: Iterable[str | None]) -> list[Peer]:
        """The communication screens at which one of these dispatchers works."""
        wanted = {login for login in logins if login is not None}
        return [peer for peer in self.communication_screens if peer.login in wanted]

    def takers(self, number: str | None, login: str | None) -> Takers:
        """Whose a new call is, and whether they take just this number or login, or all.

        By the longest match of the called number, by LoginId, else who takes all (`*`).
        """
        found = self._takers.get((number, login))
        if found is None:
            if len(self._takers) >= TAKERS_MAX:
                self._takers.clear()
            found = self._takers[number, login] = self._find_takers(number, login)
        return found

    def _find_takers(self, number: str | None, login: str | None) -> Takers:
        applications = self.of_role(Role.APPLICATION)
        ranked = [(_rank(peer, number), peer) for peer in applications]
        best = max((rank for rank, _ in ranked), default=-1)
        if best > 0:
            return Takers([peer for rank, peer in ranked if rank == best], named=True)
        by_login = [
            peer
            for peer in applications
            if login is not None and peer.settings is not None and login in peer.settings.logins
        ]
        if by_login:
            return Takers(by_login, named=True)
        return Takers([peer for rank, peer in ranked if rank == 0], named=False)


def _rank(peer: Peer, number: str | None) -> int:
    """How well a called number fits an application.

    Characters matched, an exact one counting more; -1 not at all.
    """
    best = -1
    for pattern in peer.settings.numbers if peer.settings is not None else ():
        if pattern.endswith("*"):
            if number is None and len(pattern) > 1:
                continue
            if (number or "").startswith(pattern[:-1]):
                best = max(best, 2 * (len(pattern) - 1))
        elif pattern == number:
            best = max(best, 2 * len(pattern) + 1)
    return best
