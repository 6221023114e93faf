"""A command (2xx, or a 4xx turned into one): answered here, or sent to a platform."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from linkage.core.context import Context
from linkage.core.peers import Peer
from linkage.core.requests import queries
from linkage.core.requests.file_answer import ready_notice
from linkage.core.requests.incoming import Handled, Incoming, respond
from linkage.core.requests.replay import replay
from linkage.core.requests.rotate_key import rotate_key
from linkage.core.requests.routing import platform_for, platform_of
from linkage.core.requests.subscribe import subscribe
from linkage.core.rights.commands import Target, check_command
from linkage.core.rights.files import check_files, file_meant
from linkage.core.rights.ownership import check_kept, check_named, names_kept, place_of
from linkage.core.rights.refusal import RefusedError
from linkage.correlation import Applied, apply
from linkage.ports import Role
from linkage.ports.store import Wanted
from linkage.store.rows import JournalRow, to_us
from protocol import messages as m
from protocol.message import Message
from protocol.results import Result

ANSWERED_HERE: Final = frozenset({201, 280, 281, 282, 283, 284, 215, 292, 293, 294, 296, 297, 299})
"""Commands that the core answers itself (201 goes on to the platform as well)."""
ABOUT: Final[dict[int, tuple[int, ...]]] = {
    216: (210,), 221: (220, 223, 224), 222: (220, 223, 224),
    231: (230,), 232: (230,), 241: (240,), 242: (240,),
}  # fmt: skip
"""Commands that may name an earlier one by its RequestId, and what that was: an application's, or
the same from a communication screen."""
SCREEN: Final = 200
"""What the number of a communication screen's command is more than that of the same command."""
EXPIRE_MAX_S: Final = 86_400
"""A command that may wait longer than a day means something else."""


def handle_command(
    context: Context, incoming: Incoming, peer: Peer, command: Message, owner: str | None
) -> Handled:
    """Do a command, or send it to its platform.

    Args:
        context: of the batch.
        incoming: the request as it came.
        peer: who sent it.
        command: what it means, as a 2xx.
        owner: the application that it is done for; None: the one that has the call.

    Raises:
        RefusedError: it is not done.
    """
    expires_at = expires_at_of(context, incoming, peer)
    if isinstance(command, m.Subscribe):
        return subscribe(context, incoming, peer, command)
    if isinstance(command, m.RotateKey):
        return rotate_key(context, incoming, peer, command)
    asked = check_command(context.tx.records, peer, command, owner)
    if command.number in ANSWERED_HERE:
        return _answer_here(context, incoming, peer, command, asked, expires_at)
    check_named(context.tx, command, asked.owner)
    place = None
    if isinstance(command, m.GetFile):
        file = file_meant(context.tx, context.peers, command.file_id, asked.owner)
        ready = ready_notice(context, file, incoming.request.id, peer.id, asked.owner)
        if ready is not None:
            return _answer(context, incoming, peer, asked, [ready])
        place = file.platform
    earlier = _meant(context, incoming.source, command)
    if earlier is None:
        if asked.operation is None and place is None:
            place = place_of(context.tx, command, asked.owner)
        platform = platform_for(context.tx, context.peers, command, asked, place)
    else:
        platform = platform_of(context.peers, command, earlier)
    if platform is not None:
        check_kept(context.tx, command, asked.owner, platform.id)
        check_files(context.tx, context.peers, command, asked.owner, platform.id)
    return _forward(context, incoming, command, asked, platform, expires_at, earlier)


def _meant(context: Context, source: str, command: Message) -> JournalRow | None:
    """The sender's earlier command that one names by its RequestId.

    None: it names none, or what the platform keeps of it as well, which is enough.

    Raises:
        RefusedError: 306, there is none. The platform must never see an Id that is not its own:
            it may have something else of that number, of another application.
    """
    earlier = ABOUT.get(command.number)
    if earlier is None or command.request_id is None:
        return None
    rows = context.tx.journal.find_requests([(source, command.request_id)], also_new=True)
    types = {*earlier, *(number + SCREEN for number in earlier)}
    found = [row for row in rows if row.type in types and row.target is not None]
    if found:
        return max(found, key=lambda row: row.seq)
    if names_kept(command):
        return None
    detail = f"RequestId {command.request_id} is no {' or '.join(map(str, earlier))} of yours"
    raise RefusedError(Result.WRONG_STATE, detail)


def expires_at_of(context: Context, incoming: Incoming, peer: Peer) -> int:
    """Until when a command may be executed, on the steady clock.

    Raises:
        RefusedError: 309, it is too old already.
    """
    request = incoming.request
    expire_s = context.command_expire_s if request.expire_s is None else request.expire_s
    age_us = 0
    if request.time is not None:
        # A clock that was behind at registration is allowed for; one that was ahead may have
        # been set right since, and its commands must not all be refused for that.
        behind_us = max(0, -round(peer.ahead_s * 1e6))
        age_us = max(0, context.scope.now_us - to_us(request.time) - behind_us)
    left_us = min(expire_s, EXPIRE_MAX_S) * 1_000_000 - age_us
    if left_us <= 0:
        raise RefusedError(
            Result.EXPIRED,
            f"it is {age_us / 1e6:.0f} s old by its Time, and was to expire after {expire_s}",
        )
    return context.scope.now.steady_us + left_us


def _answer_here(
    context: Context,
    incoming: Incoming,
    peer: Peer,
    command: Message,
    asked: Target,
    expires_at: int,
) -> Handled:
    pages = queries.answer(
        context.tx, context.peers, peer, command, asked, incoming.request.id, context.scope.now.utc
    )
    if pages is not None:
        return _answer(context, incoming, peer, asked, pages)
    if isinstance(command, m.ReplayRequest):
        return replay(context, incoming, peer, command)
    applied = apply(
        context.tx.records, context.requests.entry(incoming, command, asked.owner, None)
    )
    already = isinstance(command, m.CreateEvent) and asked.event is not None and not applied.bound
    result = Result.DUPLICATE if already else Result.OK
    row = context.requests.journal(
        incoming,
        applied=applied,
        result=int(result),
        owner=asked.owner,
        target=_platform_of(applied),
    )
    detail = command.echo_text if isinstance(command, m.Diagnose) else None
    context.own_notices.tell_bound(applied.bound, row)
    if isinstance(command, m.LinkEvent) and applied.event is not None:
        moved = _moved(context, command, applied)
        context.own_notices.tell_linked(command, applied.event, row, moved)
    if isinstance(command, m.CreateEvent) and applied.operation is not None:
        _to_platform(context, row, command, applied.operation.platform, expires_at)
    if isinstance(command, m.CloseEvent) and command.hangup_all and applied.event is not None:
        _hang_up_all(context, applied.event.event_pk, expires_at)
    return Handled(respond(incoming.request, result, detail, op_id=_op_id(applied)), row)


def _answer(
    context: Context, incoming: Incoming, peer: Peer, asked: Target, pages: Sequence[Message]
) -> Handled:
    """Data that was asked for: told once, with no place in a queue."""
    shift = SCREEN if peer.role is Role.COMMUNICATION_SCREEN else 0
    for page in pages:
        shown = (m.convert(page, page.number + shift) or page) if shift else page
        context.scope.answers.append((peer.id, shown))
    applied = Applied(asked.operation, asked.event)
    row = context.requests.journal(incoming, applied=applied, result=1)
    return Handled(respond(incoming.request, Result.ACCEPTED), row)


def _forward(
    context: Context,
    incoming: Incoming,
    command: Message,
    asked: Target,
    platform: Peer | None,
    expires_at: int,
    earlier: JournalRow | None,
) -> Handled:
    applied = apply(
        context.tx.records, context.requests.entry(incoming, command, asked.owner, None)
    )
    row = context.requests.journal(
        incoming,
        applied=applied,
        result=int(Result.ACCEPTED),
        owner=asked.owner,
        target=None if platform is None else platform.id,
        command_seq=None if earlier is None else earlier.seq,
    )
    if platform is None:
        assert applied.event is not None, (
            "only a hang-up of a whole event goes to no platform of its own"
        )
        _hang_up_all(context, applied.event.event_pk, expires_at)
    else:
        _to_platform(context, row, command, platform.id, expires_at, earlier)
    response = respond(incoming.request, Result.ACCEPTED, op_id=_op_id(applied))
    return Handled(response, row)


def _to_platform(
    context: Context,
    row: JournalRow,
    command: Message,
    platform_id: str,
    expires_at: int,
    earlier: JournalRow | None = None,
) -> None:
    platform = context.peers.get(platform_id)
    if platform is None or not platform.takes(command.number, command, None):
        return
    if command.number == 201 and not platform.serves(201, None):  # noqa: PLR2004 - the stamp is a courtesy
        return
    context.notifier.enqueue(platform, row, command, command.number, earlier, expires_at)


def _hang_up_all(context: Context, event_pk: int, expires_at: int) -> None:
    """One 202 for each call of an event that still lives (202 Scope 3, 284 HangupAll)."""
    under = set(context.tx.queries.events_under(event_pk))
    for operation in context.tx.queries.open_operations(("call", "conference")):
        if operation.event_pk not in under:
            continue
        event = context.tx.records.event(event_pk)
        hangup = m.Hangup(
            call_id=operation.call_id if operation.kind == "call" else None,
            conference_id=operation.conference_id if operation.kind == "conference" else None,
            scope=m.HangupScope.CALL,
        )
        applied = Applied(operation, event)
        row = context.notifier.own_row(hangup, applied, target=operation.platform)
        _to_platform(context, row, hangup, operation.platform, expires_at)


def _moved(context: Context, command: m.LinkEvent, applied: Applied) -> int | None:
    """How many operations are found under another event since a 283; None: of a mere link."""
    if command.action is m.LinkAction.SPLIT:
        return len(applied.bound)
    if command.action not in {m.LinkAction.MERGE, m.LinkAction.UNMERGE} or applied.event is None:
        return None
    queries = context.tx.queries
    return queries.count_operations(Wanted(events=queries.events_under(applied.event.event_pk)))


def _op_id(applied: Applied) -> str | None:
    return None if applied.operation is None else str(applied.operation.op_id)


def _platform_of(applied: Applied) -> str | None:
    return None if applied.operation is None else applied.operation.platform
