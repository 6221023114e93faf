"""291: follow events that are not one's own, or follow them no more."""

from __future__ import annotations

from typing import Final

from linkage.core.context import Context
from linkage.core.peers import Peer
from linkage.core.requests.incoming import Handled, Incoming, respond
from linkage.core.requests.types_asked import types_asked
from linkage.core.rights.refusal import RefusedError
from linkage.core.subscriptions import Subscription
from linkage.correlation import Applied
from linkage.ports import Role
from linkage.store.rows import MICROSECONDS, Event
from protocol import messages as m
from protocol.kinds import NOTICES
from protocol.results import Result

SUBSCRIPTIONS_MAX: Final = 1000
"""Of one peer."""
EXPIRE_MAX_S: Final = 400 * 86_400
"""Longer is without end, or a slip."""


def subscribe(context: Context, incoming: Incoming, peer: Peer, command: m.Subscribe) -> Handled:
    """Keep or end a subscription; it is on disk when this is answered.

    Raises:
        RefusedError: 202, 203, 300, 306: not what this peer may follow; 103, 207, 501.
    """
    if peer.role is Role.MONITOR:
        return _answer(context, incoming, None, "a monitor is told of everything")
    event = _event(context, peer, command)
    wanted = _wanted(context, peer, command, event)
    if command.action is m.SubscribeAction.UNSUBSCRIBE:
        done = _unsubscribe(context, command, wanted)
        return _answer(context, incoming, event, None if done else "there is none such")
    there = context.subscriptions.of(peer.id)
    if len(there) >= SUBSCRIPTIONS_MAX and wanted.key not in {each.key for each in there}:
        raise RefusedError(
            Result.QUOTA, f"{SUBSCRIPTIONS_MAX} subscriptions are kept of a peer: end some"
        )
    context.subscriptions.add(wanted)
    return _answer(context, incoming, event, None)


def _answer(
    context: Context, incoming: Incoming, event: Event | None, already: str | None
) -> Handled:
    """The answer; `already` says why there was nothing to do."""
    result = Result.OK if already is None else Result.DUPLICATE
    applied = Applied(None, event)
    row = context.requests.journal(incoming, applied=applied, result=int(result), detail=already)
    return Handled(respond(incoming.request, result, already), row)


def _event(context: Context, peer: Peer, command: m.Subscribe) -> Event | None:
    """The event that is to be followed; None: all that the peer may."""
    named: str | None = command.event_id
    if command.filter is not None and command.filter.event_id is not None:
        named = command.filter.event_id
    if not peer.follows:
        raise RefusedError(
            Result.FORBIDDEN, f"{peer.id} may follow nobody's events: see its `follows`"
        )
    if named is None:
        return None
    found = context.tx.records.find_events(named)
    mine = [event for event in found if peer.may_follow(event.owner)]
    if not mine:
        result = Result.OTHER_TENANT if found else Result.NO_EVENT
        raise RefusedError(result, f"no EventId {named} of an application that {peer.id} follows")
    if len(mine) > 1:
        owners = ", ".join(event.owner for event in mine)
        raise RefusedError(Result.WRONG_STATE, f"EventId {named} is one of each of {owners}")
    return mine[0]


def _wanted(
    context: Context, peer: Peer, command: m.Subscribe, event: Event | None
) -> Subscription:
    narrowed = command.filter or m.Filter()
    if narrowed.org_id is not None:
        raise RefusedError(Result.NOT_SUPPORTED, "OrgId: no organisations are known here")
    types = sorted(set(types_asked(command.numbers)))
    if any(type_ not in NOTICES for type_ in types):
        raise RefusedError(Result.BAD_VALUE, "No: only notices, 1xx, are told")
    expires_us = None
    if command.expire is not None:
        if not 0 < command.expire <= EXPIRE_MAX_S:
            raise RefusedError(Result.BAD_VALUE, f"Expire: 1 to {EXPIRE_MAX_S} s, or none")
        expires_us = context.scope.now.steady_us + command.expire * MICROSECONDS
    return Subscription(
        peer_id=peer.id,
        types=tuple(types),
        event_pk=None if event is None else event.event_pk,
        login_id=narrowed.login_id,
        phone_num=narrowed.phone_num,
        expires_us=expires_us,
    )


def _unsubscribe(context: Context, command: m.Subscribe, wanted: Subscription) -> bool:
    """End the one that was made with the same words; with none at all, every one of the peer's."""
    if command.numbers or command.filter is not None or command.event_id is not None:
        return context.subscriptions.remove(wanted)
    ended = [
        context.subscriptions.remove(each) for each in context.subscriptions.of(wanted.peer_id)
    ]
    return bool(ended)
