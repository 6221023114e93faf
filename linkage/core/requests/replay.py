"""294: a part of the sender's queue once more."""

from __future__ import annotations

from typing import Final

from linkage.core.context import Context
from linkage.core.peers import Peer
from linkage.core.requests.incoming import Handled, Incoming, respond
from linkage.core.requests.types_asked import types_asked
from linkage.core.rights.refusal import RefusedError
from linkage.correlation import Applied
from protocol import messages as m
from protocol.results import Result
from protocol.roles import number_for_role

REPLAY_MAX: Final = 10_000


def replay(context: Context, incoming: Incoming, peer: Peer, command: m.ReplayRequest) -> Handled:
    """294: the originals once more with Resend, then 194.

    From the queue's rows, not queued anew.
    """
    newest = context.tx.queues.next_seq(peer.id) - 1
    to_seq = min(newest, command.to_seq or newest)
    backwards = 0 < (command.to_seq or 0) < command.from_seq
    if command.from_seq < 1 or backwards or to_seq - command.from_seq >= REPLAY_MAX:
        raise RefusedError(
            Result.BAD_VALUE,
            f"FromSeq starts at 1, ToSeq is not before it, and at most {REPLAY_MAX} are "
            "replayed at once",
        )
    types = types_asked(command.numbers)
    asked = context.requests.journal(incoming, result=1)
    count = context.tx.queues.reopen(peer.id, command.from_seq, to_seq, types)
    gone_to = context.tx.queues.gone_to(peer.id)
    if command.from_seq <= gone_to:
        context.gaps.tell_gone(peer, command.from_seq, min(to_seq, gone_to))
    end = m.ReplayEndNotice(
        request_id=incoming.request.id, from_seq=command.from_seq, to_seq=to_seq, count=count
    )
    row = context.notifier.own_row(end, Applied(), command_seq=asked.seq)
    context.notifier.enqueue(peer, row, end, number_for_role(end.number, peer.role), asked)
    return Handled(respond(incoming.request, Result.ACCEPTED), asked, replayed=True)
