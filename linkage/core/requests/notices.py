"""A notice (1xx): what it changes, whose it is, and who is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from linkage.core.alarms import Alarm
from linkage.core.context import Context
from linkage.core.job import Job
from linkage.core.notifier import ONLY_ASKED_FOR, owner_of_new
from linkage.core.requests.incoming import Handled, Incoming, respond
from linkage.correlation import apply
from linkage.correlation.operations import native_of, with_descendants
from linkage.correlation.reused_ids import begins, is_of_another
from linkage.ports import EntryKind, Role
from linkage.store.rows import JournalRow
from protocol import messages as m
from protocol.envelope import Response
from protocol.message import Message
from protocol.results import Result

UNROUTED: Final = "unrouted."
"""How the AlarmId begins that says that something of a platform reached no application."""
ALARM_ID_MAX: Final = 64


def handle_notice(context: Context, incoming: Incoming) -> Handled:
    """Bind it to its operation and event, journal it, and queue it for everyone who gets it."""
    request = incoming.request
    message = request.message
    if isinstance(message, m.PlatformLeave):
        row = context.requests.journal(incoming, result=0)
        return Handled(respond(request, Result.OK), row)
    command = None if message.request_id is None else _command_row(context, incoming)
    if begins(message):
        _end_displaced(context, incoming)
    entry = context.requests.entry(incoming, message, None, command)
    owner, unowned = owner_of_new(context.tx.records, context.peers, entry, command)
    entry.owner = owner
    applied = apply(context.tx.records, entry)
    row = context.requests.journal(
        incoming,
        applied=applied,
        result=0,
        owner=owner,
        command_seq=None if command is None else command.seq,
    )
    reached = context.notifier.deliver_notice(row, message, applied, command, unowned)
    if not reached and (applied.is_new or applied.operation is None):
        _tell_unrouted(context, row, message)
    if applied.bound:
        context.own_notices.tell_bound(applied.bound, None)
    if applied.candidates:
        context.own_notices.tell_candidates(applied)
    if command is not None and command.source == context.peers.own_id:
        context.liveness.answered_with(incoming.source, command.seq, message)
    op_id = None if applied.operation is None else str(applied.operation.op_id)
    response = Response(request_id=request.id, type=message.number, result=0, op_id=op_id)
    return Handled(response, row)


@dataclass(frozen=True, slots=True)
class ClearUnrouted(Job[None]):
    """The applications may have been configured anew: what reached none may reach one now.

    Each alarm of that is over; what still reaches nobody raises it again.
    """

    is_kept: ClassVar[bool] = True

    def run(self, context: Context) -> None:
        """Nothing, where no such alarm is raised."""
        text = "the applications were configured anew; raised again where something reaches none"
        for alarm_id in context.alarms.raised(UNROUTED):
            source = alarm_id.removeprefix(UNROUTED)
            context.alarms.tell(Alarm(alarm_id, source, f"{source}: {text}", raised=False))


def _tell_unrouted(context: Context, row: JournalRow, message: Message) -> None:
    """No application was told of something new: an entry, and an alarm for the platform."""
    if message.number in ONLY_ASKED_FOR or not context.peers.of_role(Role.APPLICATION):
        return
    whom = getattr(message, "to_num", None) or message.login_id
    of = "" if whom is None else f" for {whom}"
    what = f"{message.number} {message.english}{of} (entry {row.seq})"
    context.tx.journal.append(
        JournalRow(
            seq=context.tx.journal.next_seq,
            recorded_at=context.scope.now_us,
            kind=EntryKind.UNROUTED.value,
            source=row.source,
            type=message.number,
            op_id=row.op_id,
            call_id=row.call_id,
            detail=f"{what} reached no application: none takes the number or the LoginId",
        )
    )
    text = f"{row.source}: {what} reached no application; add its number, or *, to one's numbers"
    alarm_id = f"{UNROUTED}{row.source}"[:ALARM_ID_MAX]
    context.alarms.tell(Alarm(alarm_id, row.source, text, level="warning"))


def _end_displaced(context: Context, incoming: Incoming) -> None:
    """End the call or conference whose id a platform gives to another without a word of that.

    Its caller, its number and its event stay with it; the new one begins with none.
    """
    message = incoming.request.message
    native = native_of(message)
    found = None if native is None else context.tx.records.find_operation(incoming.source, native)
    if found is None or found.ended_at is not None or incoming.reconstructed:
        return
    if context.requests.given_again is None and not is_of_another(found, message):
        return
    for operation in reversed(with_descendants(context.tx.records, found)):
        if operation.ended_at is None:
            context.liveness.close(operation)


def _command_row(context: Context, incoming: Incoming) -> JournalRow | None:
    """The command that a notice says it is the outcome of, if it went to this platform."""
    written = incoming.request.message.request_id
    if written is None or not written.isdecimal():
        return None
    row = context.tx.journal.find(int(written))
    return row if row is not None and row.target == incoming.source else None
