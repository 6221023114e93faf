"""What a request may ask for: every refusal of a command, but for whose is what it names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from linkage.core.peers import Peer, Peers
from linkage.core.rights.event_links import check_link
from linkage.core.rights.refusal import RefusedError
from linkage.correlation.apply import BEGINS_COMMUNICATION
from linkage.correlation.business_events import final_event
from linkage.correlation.causes import MANUAL
from linkage.correlation.command_target import (
    BOUND_BY,
    bind_target,
    by_op_id,
    called,
    convened,
    fitting,
    in_words,
    may_use,
)
from linkage.ports import Role
from linkage.ports.records import RecordsPort
from linkage.store.rows import Event, Operation
from protocol import messages as m
from protocol.message import Message
from protocol.results import Result

MONITOR_MAY: Final = frozenset({215, 280, 291, 292, 293, 294, 296, 297, 299})
"""A monitor asks; it commands nothing."""
OPENS: Final = 201
OPERATOR_MAY: Final = frozenset({OPENS, 281, 282, 283, 284})
"""What somebody at the command line may do to events; telephones are the applications'."""
SESSION: Final = frozenset({291, 292, 294, 295, 296, 297, 298, 299})
QUERIES: Final = frozenset({215, 280, 293})
"""Commands that are answered with all that fits."""
OUTSIDE_EVENTS: Final = frozenset({201, *BEGINS_COMMUNICATION})
"""Commands that may name an EventId that does not exist yet."""
ON_CLOSED_EVENTS: Final = frozenset({202, 208, 280, 281, 282, 283, 284, 285, 286})
"""What may still be asked of a closed event; nothing new is begun for it."""
NEW_CALL: Final = frozenset({210, 217, 218})
"""Commands whose CallId and ConferenceID may be new."""


def check_operator(peers: Peers, type_: int, owner: str) -> None:
    """Whether a person at this machine may send a type in the name of an application.

    Raises:
        RefusedError: 202, they look after events and place no calls; 203, an event would be opened
        for whom nobody would tell of it.
    """
    if type_ not in OPERATOR_MAY:
        raise RefusedError(Result.FORBIDDEN, f"an operator may not send {type_}")
    peer = peers.get(owner)
    if type_ == OPENS and (peer is None or peer.role is not Role.APPLICATION):
        raise RefusedError(Result.OTHER_TENANT, f"{owner} is no application here")


@dataclass(frozen=True, slots=True)
class Target:
    """What a command names, after all checks: `owner` is the application that it is done for."""

    owner: str
    event: Event | None
    operation: Operation | None


def check_command(records: RecordsPort, peer: Peer, message: Message, owner: str | None) -> Target:
    """The objects of a 2xx (or of a 4xx turned into one).

    Args:
        records: the projections.
        peer: who asks.
        message: what for.
        owner: the application that it is done for; None: the one that has the call (a screen
        asks).

    Raises:
        RefusedError: 202, 203, 300, 301, 302, 306, 307, 308, 312 as of protocol.md#results.
    """
    if peer.role is Role.MONITOR and message.number not in MONITOR_MAY:
        raise RefusedError(Result.FORBIDDEN, "a monitor commands nothing")
    everything = peer.role is Role.MONITOR
    operation = _named_operation(records, message, owner, everything=everything)
    if owner is None:
        owner = None if operation is None else operation.owner
        owner = owner or _only_owner(records, message) or peer.id
    event = _named_event(records, message, owner, everything=everything)
    match message:
        case m.CreateEvent():
            _check_create(message, event, operation)
        case m.BindEvent():
            operation = _check_bind(records, message, owner)
        case m.LinkEvent():
            check_link(records, message, owner, event)
        case m.CloseEvent():
            _check_close(message, event)
        case _:
            pass
    return Target(owner, event, operation)


def _only_owner(records: RecordsPort, message: Message) -> str | None:
    """Whose event a screen names, where only one application has an event by that EventId."""
    found = [] if message.event_id is None else records.find_events(message.event_id)
    return found[0].owner if len(found) == 1 else None


def _named_operation(
    records: RecordsPort, message: Message, owner: str | None, *, everything: bool
) -> Operation | None:
    if isinstance(message, m.BindEvent) or message.number in SESSION:
        return None
    named = _by_op_id(records, message, owner, everything=everything)
    if message.call_id is None and message.conference_id is None:
        return named
    found = None
    for written, there, missing, name in (
        (message.call_id, called(records, message), Result.NO_CALL, "CallId"),
        (
            message.conference_id,
            convened(records, message),
            Result.NO_CONFERENCE,
            "ConferenceID",
        ),
    ):
        if written is None:
            continue
        if not there and message.number not in NEW_CALL and not _creates(message):
            raise RefusedError(missing, f"{name} {written} is not known")
        mine = [item for item in there if everything or owner is None or may_use(owner, item)]
        if there and not mine:
            raise RefusedError(
                Result.OTHER_TENANT, f"{name} {written} belongs to another application"
            )
        if not mine:
            continue
        found = found or _meant(records, message, mine, f"{name} {written}", missing)
    return found


def _meant(
    records: RecordsPort, message: Message, mine: list[Operation], name: str, missing: Result
) -> Operation:
    """The one of several operations with one id that is meant."""
    fits = fitting(records, message, mine)
    if len(fits) == 1 or message.number in QUERIES:
        return (fits or mine)[0]
    if fits:
        raise RefusedError(
            Result.WRONG_STATE, f"{name} names several operations, name an OpId: {in_words(fits)}"
        )
    raise RefusedError(missing, f"no {name} fits all that is named: {in_words(mine)}")


def _by_op_id(
    records: RecordsPort, message: Message, owner: str | None, *, everything: bool
) -> Operation | None:
    """What a command names by its OpId."""
    if message.op_id is None or message.number in NEW_CALL or message.number in QUERIES:
        return None
    named = by_op_id(records, message)
    if named is None:
        raise RefusedError(Result.NO_CALL, f"OpId {message.op_id} is not known")
    if not (everything or owner is None or may_use(owner, named)):
        raise RefusedError(
            Result.OTHER_TENANT, f"OpId {message.op_id} belongs to another application"
        )
    return named


def _creates(message: Message) -> bool:
    return isinstance(message, m.ConferenceControl) and message.action is m.ConferenceAction.CREATE


def _named_event(
    records: RecordsPort, message: Message, owner: str, *, everything: bool
) -> Event | None:
    if message.event_id is None:
        return None
    event = records.find_event(owner, message.event_id)
    if event is None:
        if message.number in OUTSIDE_EVENTS:
            return None
        others = records.find_events(message.event_id)
        if everything and others:
            return others[0]
        if others:
            raise RefusedError(
                Result.OTHER_TENANT, f"EventId {message.event_id} belongs to another application"
            )
        raise RefusedError(Result.NO_EVENT, f"EventId {message.event_id} is not known")
    if event.merged_into is not None and message.number not in {280, 283}:
        raise RefusedError(Result.EVENT_MERGED, final_event(records, event).event_id)
    if event.status == "closed" and message.number not in ON_CLOSED_EVENTS:
        raise RefusedError(
            Result.EVENT_CLOSED, f"EventId {message.event_id} is closed; 284 reopens it"
        )
    return event


def _check_create(
    message: m.CreateEvent, event: Event | None, operation: Operation | None
) -> None:
    if message.call_id is not None and operation is None:
        raise RefusedError(Result.NO_CALL, f"CallId {message.call_id} is not known")
    if event is not None and operation is None:
        raise RefusedError(
            Result.ALREADY_EXISTS, f"EventId {message.event_id} exists; 282 changes it"
        )


def _check_bind(records: RecordsPort, message: m.BindEvent, owner: str) -> Operation:
    operation = bind_target(records, owner, message)
    if operation is None:
        fits = fitting(records, message, called(records, message))
        if message.op_id is None and len(fits) > 1:
            raise RefusedError(
                Result.WRONG_STATE,
                f"CallId {message.call_id} names several, name an OpId: {in_words(fits)}",
            )
        others = (getattr(message, name) for name in BOUND_BY.values())
        named = (
            message.op_id
            or message.call_id
            or message.conference_id
            or next(filter(None, others), None)
        )
        is_known = (message.call_id is not None and records.find_calls(message.call_id)) or (
            message.conference_id is not None and records.find_conferences(message.conference_id)
        )
        result = Result.OTHER_TENANT if is_known else Result.NO_CALL
        raise RefusedError(result, f"no operation of yours is known as {named}")
    if not may_use(owner, operation):
        raise RefusedError(
            Result.OTHER_TENANT, f"OpId {operation.op_id} belongs to another application"
        )
    event = records.find_event(owner, message.event_id)
    bound = None if operation.event_pk is None else records.event(operation.event_pk)
    bound_here = bound is not None and final_event(records, bound) is event
    if message.action is m.BindAction.UNBIND and not bound_here:
        raise RefusedError(Result.WRONG_STATE, "the operation is not bound to that event")
    if message.action is m.BindAction.BIND and operation.event_pk is not None and not bound_here:
        raise RefusedError(Result.WRONG_STATE, "the operation has an event; move it with Action 3")
    if message.action is m.BindAction.BIND and bound_here and operation.cause == MANUAL:
        raise RefusedError(Result.ALREADY_EXISTS, "the operation is bound to that event")
    return operation


def _check_close(message: m.CloseEvent, event: Event | None) -> None:
    closed = event is not None and event.status == "closed"
    if message.action is m.CloseAction.CLOSE and closed:
        raise RefusedError(Result.DUPLICATE, "the event is closed already")
    if message.action is m.CloseAction.REOPEN and not closed:
        raise RefusedError(Result.WRONG_STATE, "the event is not closed")
