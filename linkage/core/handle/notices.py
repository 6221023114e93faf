"""A notice (1xx): what it changes, whose it is, and who is told."""

from __future__ import annotations

from linkage.core.audience import owner_of_new
from linkage.core.context import Context
from linkage.core.handle.incoming import Handled, Incoming, respond
from linkage.correlation import apply
from linkage.correlation.operations import native_of, with_descendants
from linkage.correlation.reused_ids import begins, is_of_another
from linkage.store.rows import JournalRow
from protocol import messages as m
from protocol.envelope import Response
from protocol.results import Result


def handle_notice(context: Context, incoming: Incoming) -> Handled:
    """Bind it to its operation and event, journal it, and queue it for everyone who gets it."""
    request = incoming.request
    message = request.message
    if isinstance(message, m.PlatformLeave):
        row = context.requests.journal(incoming, result=0)
        return Handled(respond(request, Result.OK), row)
    command = None if message.request_id is None else _command_row(context, incoming)
    owner, unowned = owner_of_new(context.peers, message)
    if begins(message):
        _end_displaced(context, incoming)
    applied = apply(context.tx.records, context.requests.entry(incoming, message, owner, command))
    row = context.requests.journal(
        incoming,
        applied=applied,
        result=0,
        owner=owner,
        command_seq=None if command is None else command.seq,
    )
    context.notifier.deliver_notice(row, message, applied, command, unowned)
    if applied.bound:
        context.notifier.tell_bound(applied.bound, None)
    if command is not None and command.source == context.peers.own_id:
        context.liveness.answered_with(incoming.source, command.seq, message)
    op_id = None if applied.operation is None else str(applied.operation.op_id)
    response = Response(request_id=request.id, type=message.number, result=0, op_id=op_id)
    return Handled(response, row)


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
