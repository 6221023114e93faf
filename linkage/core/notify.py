"""What linkage writes of its own, and who is told: own notices, places in queues, found ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from linkage.core.audience import audience, takers_of
from linkage.core.delivery.render import OPERATION_KIND, render
from linkage.core.peers import Peer
from linkage.core.scope import Delivery, Scope
from linkage.core.traces import Traces
from linkage.correlation import Applied, Bound, final_event
from linkage.correlation.messages import RECEIVED as MESSAGES_RECEIVED
from linkage.ports import EntryKind, Role
from linkage.store.rows import JournalRow, Operation
from protocol import messages as m
from protocol.codec import encode
from protocol.envelope import Request
from protocol.kinds import NOTICES
from protocol.message import Message
from protocol.roles import HEARS, as_heard


class Notifier:
    """Writes notices into the open transaction, and gives each receiver its place in the queue."""

    def __init__(self, scope: Scope, traces: Traces) -> None:
        self._scope = scope
        self._tx = scope.tx
        self._peers = scope.peers
        self.traces = traces

    # --- writing ---------------------------------------------------------------------------------
    def own_row(
        self,
        message: Message,
        applied: Applied,
        *,
        command_seq: int | None = None,
        target: str | None = None,
        reconstructed: bool = False,
        cause: JournalRow | None = None,
    ) -> JournalRow:
        """A message that linkage makes itself: journalled like any other, from its own id.

        `cause` is the entry because of which it does; none given: the request in work.
        """
        seq = self._tx.journal.next_seq
        row = JournalRow(
            seq=seq,
            recorded_at=self._scope.now_us,
            kind=EntryKind.OWN.value,
            source=self._peers.own_id,
            type=message.number,
            request_id=str(seq),
            command_seq=command_seq,
            target=target,
            result=0,
            reconstructed=reconstructed,
            body=encode(Request(id=str(seq), message=message)),
        )
        self.put_found(row, applied, message)
        row.trace = self.traces.of_own(cause or self._scope.row)
        self._tx.journal.append(row)
        return row

    def enqueue(
        self,
        peer: Peer,
        row: JournalRow,
        message: Message,
        type_: int,
        command: JournalRow | None = None,
        expires_at: int | None = None,
    ) -> None:
        """Queue an entry's message for a peer, to come as `type_`.

        `command` is what it is the outcome of, or what it cancels; `expires_at` on the steady
        clock, in microseconds.
        """
        delivery = self._tx.queues.enqueue(peer.id, peer.role_name, row.seq, type_, expires_at)
        trace = self.traces.outgoing(row, peer.id) if self.traces.begun else row.trace
        request = render(row, message, delivery, command, self._scope.now, trace)
        self._scope.deliveries.append(Delivery(delivery, request, size=len(row.body)))

    def put_found(self, row: JournalRow, applied: Applied | None, message: Message) -> None:
        """What correlation found, for the journal and for those who are told."""
        operation = event = None
        if applied is not None:
            operation, event = applied.operation, applied.event
        if event is None:
            row.event_id = message.event_id
        else:
            row.event_pk = event.event_pk
            # Merging redirects: the row stays with its event, its readers hear of the other.
            told = final_event(self._tx.records, event) if message.number in NOTICES else event
            row.event_id = told.event_id
        if operation is None:
            row.call_id = message.call_id
            row.conference_id = message.conference_id
        else:
            row.op_id = operation.op_id
            row.call_id = message.call_id or operation.call_id
            row.conference_id = message.conference_id or operation.conference_id

    # --- telling ---------------------------------------------------------------------------------
    def deliver_notice(
        self,
        row: JournalRow,
        message: Message,
        applied: Applied,
        command: JournalRow | None,
        unowned: Iterable[Peer],
    ) -> bool:
        """Queue a notice for everyone who gets it; whether anybody but a monitor does.

        `unowned` are those that could take it, where it is about no call; while nobody has the
        call that it is about, they are found by that.
        """
        operation = applied.operation
        owner = None if operation is None else self._owner_of(operation)
        if operation is not None and owner is None:
            root = self._tx.records.operation(operation.root) or operation
            unowned = takers_of(self._peers, root, message)
        told = audience(self._peers, message, applied, command, unowned, owner)
        reached = False
        for peer, type_ in told:
            takes = not peer.legacy or peer.takes(type_, message, operation)
            if takes:
                self.enqueue(peer, row, message, type_, command)
            # A legacy application hears of a call by its 100, but never of a message.
            if takes or message.number not in MESSAGES_RECEIVED:
                reached = reached or peer.role is not Role.MONITOR
        return reached

    def _owner_of(self, operation: Operation) -> str | None:
        if operation.owner is not None or operation.root == operation.op_id:
            return operation.owner
        root = self._tx.records.operation(operation.root)
        return None if root is None else root.owner

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
            row = self.own_row(notice, applied, command_seq=command_seq)
            self.deliver_notice(row, notice, applied, command, ())
            if change.old is not None and change.old.owner != change.event.owner:
                former = self._peers.get(change.old.owner)
                if former is not None and former.takes(notice.number, notice, change.operation):
                    self.enqueue(former, row, notice, notice.number)

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
            row = self.own_row(notice, Applied(operation))
            for receiver in (peer, *self._peers.monitors):
                if receiver.takes(notice.number, notice, operation):
                    self.enqueue(receiver, row, notice, notice.number)

    def tell_sender(self, notice: Message, command: JournalRow) -> None:
        """A notice that linkage itself gives to the sender of a command."""
        operation = None if command.op_id is None else self._tx.records.operation(command.op_id)
        event = None if command.event_pk is None else self._tx.records.event(command.event_pk)
        applied = Applied(operation, event)
        row = self.own_row(notice, applied, command_seq=command.seq, cause=command)
        sender = self._peers.by_id[command.source]
        type_ = notice.number
        if type_ in NOTICES:
            type_ = as_heard(type_, sender.role)
        if sender.takes(type_, notice, operation):
            self.enqueue(sender, row, notice, type_, command)

    def tell_peer(self, peer: Peer, notice: Message) -> None:
        """A notice of linkage's own for one peer, about nothing but that peer's session."""
        type_ = own_type(peer, notice)
        if type_ is not None:
            row = self.own_row(notice, Applied())
            self.enqueue(peer, row, notice, type_)


def own_type(peer: Peer, notice: Message) -> int | None:
    """As what a notice about a peer's own session comes to it; None where it hears none such."""
    type_ = as_heard(notice.number, peer.role)
    hears = type_ in HEARS[peer.role] and peer.takes(type_, notice, None)
    return type_ if hears else None
