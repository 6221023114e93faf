"""Who is told of a notice, and which platform gets a command.

A notice goes to the sender of the command it answers, to the application that owns its event, else
to the one that its call was routed to, else to those that take the called number or the LoginId;
to every monitor; and, mirrored, to the communication screen at which the dispatcher works.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from linkage.core.peers import Peer, Peers
from linkage.core.rights.commands import RefusedError, Target
from linkage.correlation import Applied
from linkage.ports import Role
from linkage.ports.store import Tx
from linkage.store.rows import JournalRow, Operation
from protocol import messages as m
from protocol.message import Message
from protocol.results import Result
from protocol.roles import as_heard

TO_EVERYBODY: Final = frozenset({170, 172, 173, 191, 195, 197, 198})
"""Notices about a platform as a whole; without an operation they concern every application."""
ONLY_ASKED_FOR: Final = frozenset({162, 171, 180, 182, 192, 193, 194, 196})
"""Data answers: only to who asked."""
NOBODYS: Final = TO_EVERYBODY | ONLY_ASKED_FOR
"""Notices that never tell of a new call."""


def owner_of_new(peers: Peers, message: Message) -> tuple[str | None, list[Peer]]:
    """Whose a call would be if it is new: the one application that takes it.

    Several: nobody's yet, and all are told.
    """
    if message.number in NOBODYS:
        return None, []
    incoming = getattr(message, "direction", None) is not m.CallDirection.OUT
    number = getattr(message, "to_num" if incoming else "phone_num", None)
    candidates = peers.applications_for(number, message.login_id)
    return (candidates[0].id if len(candidates) == 1 else None), candidates


def takers_of(peers: Peers, root: Operation, message: Message) -> list[Peer]:
    """Who is told of a call that several applications could take, while none has.

    Later notices of a call need not repeat the number that it was made to.
    """
    number = root.from_num if root.direction == "out" else root.to_num
    return peers.applications_for(number, message.login_id or root.login_id)


def audience(
    peers: Peers,
    message: Message,
    applied: Applied,
    command: JournalRow | None,
    unowned: Iterable[Peer],
    owner: str | None,
) -> list[tuple[Peer, int]]:
    """Everyone who gets a notice, each with the type it comes as.

    `owner` has the call that it is about; `unowned` are those that could take it while nobody has.
    """
    number = message.number
    told: list[tuple[Peer, int]] = []
    sender = None if command is None else peers.get(command.source)
    if sender is not None:
        told.append((sender, as_heard(number, sender.role)))
    if number in ONLY_ASKED_FOR:
        return told
    # Each of these has a role of its own: only the sender can be among them once more.
    told += [
        (peer, number)
        for peer in _concerned(peers, number, applied, unowned, owner)
        if peer is not sender
    ]
    if peers.monitors:
        told += [(peer, number) for peer in peers.monitors if peer is not sender]
    if peers.communication_screens:
        screens = peers.screens_of(_logins(message, applied))
        told += [(peer, as_heard(number, peer.role)) for peer in screens if peer is not sender]
    return told


def _concerned(
    peers: Peers, number: int, applied: Applied, unowned: Iterable[Peer], owner: str | None
) -> Iterable[Peer]:
    if applied.event is not None:
        owner = applied.event.owner
    if owner is not None:
        peer = peers.get(owner)
        return () if peer is None else (peer,)
    if applied.operation is None and number in TO_EVERYBODY:
        return peers.of_role(Role.APPLICATION)
    return unowned


def _logins(message: Message, applied: Applied) -> list[str | None]:
    logins = [
        message.login_id,
        getattr(message, "from_login_id", None),
        getattr(message, "to_login_id", None),
    ]
    if applied.operation is not None:
        logins.append(applied.operation.login_id)
    return logins


def platform_for(
    unit: Tx, peers: Peers, command: Message, asked: Target, place: str | None = None
) -> Peer | None:
    """The platform that a command goes to.

    Where the people are in a call whom it names (`place`), where its call is, where its event's
    last call was, where it can go.

    None for a hang-up of a whole event, which is not one platform's business.

    Raises:
        RefusedError: 501 (no platform can do it), 502 (the one that could is not connected), 300
        (nothing to hang up).
    """
    action = _action(command)
    if isinstance(command, m.Hangup) and command.scope is m.HangupScope.EVENT:
        if asked.event is None:
            raise RefusedError(Result.NO_EVENT, "Scope 3 hangs up an event: name its EventId")
        return None
    platforms = peers.of_role(Role.PLATFORM)
    chosen = None if place is None else peers.get(place)
    chosen = chosen or _holder(unit, peers, asked) or _default(peers, asked)
    if chosen is None:
        able = [peer for peer in platforms if peer.serves(command.number, action)]
        chosen = next((peer for peer in able if peer.connected), able[0] if able else None)
    if (
        chosen is None
        or not chosen.serves(command.number, action)
        or not chosen.takes(command.number, command, None)
    ):
        raise RefusedError(
            Result.NOT_SUPPORTED,
            f"no platform serves {command.number} {command.english} with this action",
        )
    if not chosen.connected:
        raise RefusedError(Result.UNREACHABLE, f"platform {chosen.id} is not connected")
    return chosen


def platform_of(peers: Peers, command: Message, earlier: JournalRow) -> Peer:
    """The platform that an earlier command went to, for one that is about that.

    Raises:
        RefusedError: 501, 502 as in `platform_for`.
    """
    chosen = None if earlier.target is None else peers.get(earlier.target)
    if chosen is None or not chosen.serves(command.number, None):
        raise RefusedError(Result.NOT_SUPPORTED, f"the platform does not serve {command.number}")
    if not chosen.connected:
        raise RefusedError(Result.UNREACHABLE, f"platform {chosen.id} is not connected")
    return chosen


def _holder(unit: Tx, peers: Peers, asked: Target) -> Peer | None:
    if asked.operation is not None:
        return peers.get(asked.operation.platform)
    if asked.event is None:
        return None
    latest = unit.queries.latest_platform(asked.event.event_pk)
    return None if latest is None else peers.get(latest)


def _default(peers: Peers, asked: Target) -> Peer | None:
    owner = peers.get(asked.owner)
    named = None if owner is None or owner.settings is None else owner.settings.platform
    return None if named is None else peers.get(named)


def _action(command: Message) -> int | None:
    value = getattr(command, "action", None) or getattr(command, "mode", None)
    return int(value) if isinstance(value, int) else None


def screens_named(peers: Peers, message: Message) -> list[Peer]:
    """The communication screens that a platform's own 3xx names, by ScreenId or LoginId."""
    screen_id = getattr(message, "screen_id", None)
    screens = peers.of_role(Role.COMMUNICATION_SCREEN)
    return [
        peer
        for peer in screens
        if peer.id == screen_id
        or (screen_id is None and peer.login == message.login_id is not None)
    ]


def business_screens_named(peers: Peers, application: Peer, message: Message) -> list[Peer]:
    """The screens of an application that its 5xx names; those without an application serve all."""
    screen_id = getattr(message, "screen_id", None)
    return [
        peer
        for peer in peers.of_role(Role.BUSINESS_SCREEN)
        if peer.settings is not None
        and peer.settings.application in {None, application.id}
        and (
            peer.id == screen_id
            or (screen_id is None and peer.login == message.login_id is not None)
        )
    ]


def application_of_screen(peers: Peers, screen: Peer) -> list[Peer]:
    """The application that a business screen belongs to.

    The only one there is where none is configured.
    """
    named = None if screen.settings is None else screen.settings.application
    if named is not None:
        peer = peers.get(named)
        return [] if peer is None else [peer]
    applications = peers.of_role(Role.APPLICATION)
    return applications if len(applications) == 1 else []
