"""Notices of linkage's own: what was bound, what came to nothing, what concerns a session."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from linkage.core.delivery.render import OPERATION_KIND, outcome_of, stored_message
from linkage.core.notifier import Notifier
from linkage.core.peers import Peer
from linkage.core.scope import Scope
from linkage.correlation import Applied, Bound
from linkage.store.rows import Event, JournalRow
from protocol import messages as m
from protocol.kinds import NOTICES, is_command
from protocol.message import Message
from protocol.roles import HEARS, number_for_role

logger = logging.getLogger("linkage.core")


class OwnNotices:
    """Written into the open transaction, like everything that it is because of."""

    def __init__(self, scope: Scope, notifier: Notifier) -> None:
        self._tx = scope.tx
        self._peers = scope.peers
        self._notifier = notifier

    def tell_bound(self, bound: Sequence[Bound], command: JournalRow | None) -> None:
        """101: operations from before that belong to another event now.

        It is the outcome of the 201, 281 or 283 that moved them, by the rule of pairing.
        """
        command_seq = None if command is None else command.seq
        for change in bound:
            notice = m.EventBoundNotice(
                event_id=change.event.event_id,
                old_event_id=None if change.old is None else change.old.event_id,
                kind=OPERATION_KIND.get(change.operation.kind),
                op_id=str(change.operation.op_id),
                call_id=change.operation.call_id,
                conference_id=change.operation.conference_id,
                login_id=change.operation.login_id,
                cause=m.BindCause(change.cause),
            )
            applied = Applied(change.operation, change.event)
            row = self._notifier.own_row(notice, applied, command_seq=command_seq)
            self._notifier.deliver_notice(row, notice, applied, command, (), change.old)
            if change.old is not None and change.old.owner != change.event.owner:
                former = self._peers.get(change.old.owner)
                if former is not None and former.takes(notice.number, notice, change.operation):
                    self._notifier.enqueue(former, row, notice, notice.number)

    def tell_linked(
        self, message: m.LinkEvent, event: Event, command: JournalRow, moved: int | None
    ) -> None:
        """183: two events of an application were merged, linked or split, by whomever.

        `moved` operations are found under another event than before; None: it is about none.
        """
        notice = m.EventLinkNotice(
            event_id=message.event_id,
            other_event_id=message.other_event_id,
            action=message.action,
            moved=moved,
        )
        applied = Applied(None, event)
        row = self._notifier.own_row(notice, applied, command_seq=command.seq)
        self._notifier.deliver_notice(row, notice, applied, command, ())

    def tell_candidates(self, applied: Applied) -> None:
        """101 with the events that fit, to each application of its own: nothing is guessed."""
        operation = applied.operation
        assert operation is not None, "what has candidates is an operation"
        for owner in dict.fromkeys(event.owner for event in applied.candidates):
            peer = self._peers.get(owner)
            if peer is None:
                continue
            notice = m.EventBoundNotice(
                kind=OPERATION_KIND.get(operation.kind),
                op_id=str(operation.op_id),
                candidates=tuple(
                    m.Candidate(event_id=event.event_id, title=event.title)
                    for event in applied.candidates
                    if event.owner == owner
                ),
            )
            row = self._notifier.own_row(notice, Applied(operation))
            for receiver in (peer, *self._peers.monitors):
                if receiver.takes(notice.number, notice, operation):
                    self._notifier.enqueue(receiver, row, notice, notice.number)

    def tell_sender(self, notice: Message, command: JournalRow) -> None:
        """A notice that linkage itself gives to the sender of a command."""
        operation = None if command.op_id is None else self._tx.records.operation(command.op_id)
        event = None if command.event_pk is None else self._tx.records.event(command.event_pk)
        applied = Applied(operation, event)
        row = self._notifier.own_row(notice, applied, command_seq=command.seq, cause=command)
        sender = self._peers.by_id[command.source]
        type_ = notice.number
        if type_ in NOTICES:
            type_ = number_for_role(type_, sender.role)
        if sender.takes(type_, notice, operation):
            self._notifier.enqueue(sender, row, notice, type_, command)

    def tell_peer(self, peer: Peer, notice: Message) -> None:
        """A notice of linkage's own for one peer, about nothing but that peer's session."""
        type_ = own_type(peer, notice)
        if type_ is not None:
            row = self._notifier.own_row(notice, Applied())
            self._notifier.enqueue(peer, row, notice, type_)

    def tell_failed(self, row: JournalRow | None, result: int, detail: str) -> None:
        """Tell the sender of a command that it came to nothing; `row` is its entry.

        The response it got said only «accepted». That a platform did not note an event's number
        (201) is nobody's failure: the event stands.
        """
        if row is None or row.type is None or row.source not in self._peers.by_id:
            return
        if not is_command(row.type):
            return
        try:
            command = m.as_command(stored_message(row))
        except Exception:
            # Nor must it stop what else expires: whoever looks after linkage finds it here.
            logger.exception(
                "%s: its command failed and it cannot be told: %s",
                row.source,
                detail,
                extra={"seq": row.seq},
            )
            return
        if not isinstance(command, m.CreateEvent):
            self.tell_sender(outcome_of(command, str(row.seq), int(result), detail), row)


def own_type(peer: Peer, notice: Message) -> int | None:
    """As what a notice about a peer's own session comes to it; None where it hears none such."""
    type_ = number_for_role(notice.number, peer.role)
    hears = type_ in HEARS[peer.role] and peer.takes(type_, notice, None)
    return type_ if hears else None
