"""Which platform gets a command."""

from __future__ import annotations

from itertools import chain
from typing import Final

from linkage.core.peers import Peer, Peers
from linkage.core.rights.commands import Target
from linkage.core.rights.refusal import RefusedError
from linkage.correlation.apply import BEGINS_COMMUNICATION
from linkage.ports import Role
from linkage.ports.store import Tx
from linkage.store.rows import JournalRow
from protocol import messages as m
from protocol.message import Message
from protocol.results import Result

SENDS: Final = frozenset({220, 223, 224, 230, 240})
"""Commands that send a message: the call that one names is what it is about, not where it goes."""


def platform_for(
    unit: Tx, peers: Peers, command: Message, asked: Target, place: str | None = None
) -> Peer | None:
    """The platform that a command goes to.

    Where the people are in a call whom it names (`place`), where its call is, where its event's
    last call was, where it can go. What begins something new goes where the event's last was, or
    to the configured platform, only where that serves it: a text to who called goes out by what
    sends texts.

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
    if chosen is None:
        able = [peer for peer in platforms if peer.serves(command.number, action)]
        begins = command.number in SENDS or (
            asked.operation is None and command.number in BEGINS_COMMUNICATION
        )
        if begins and len(able) == 1:
            (chosen,) = able
        else:
            usual = (_holder(unit, peers, asked), _default(peers, asked))
            fits = (each for each in usual if each and (not begins or each in able))
            connected = (each for each in able if each.connected)
            chosen = next(chain(fits, connected, able), None)
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
    under = unit.queries.events_under(asked.event.event_pk)
    latest = unit.queries.latest_platform(under)
    return None if latest is None else peers.get(latest)


def _default(peers: Peers, asked: Target) -> Peer | None:
    owner = peers.get(asked.owner)
    named = None if owner is None or owner.settings is None else owner.settings.platform
    return None if named is None else peers.get(named)


def _action(command: Message) -> int | None:
    value = getattr(command, "action", None) or getattr(command, "mode", None)
    return int(value) if isinstance(value, int) else None
