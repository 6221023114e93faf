"""What is written of a request, and who is told of it: rows, places in queues, own notices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from linkage.core.delivery.render import render
from linkage.core.handle import queries, routing
from linkage.core.handle.repetition import Repetitions
from linkage.core.jobs import Delivery, Done, Job, Now, Submit, requests_of
from linkage.core.peers import Peer, Peers
from linkage.core.traces import Traces
from linkage.correlation import Applied, Bound, Entry, final_event, natives_of
from linkage.ports import EntryKind
from linkage.ports.store import Tx
from linkage.store.clock_steps import Steps
from linkage.store.rows import DeliveryRow, JournalRow, Operation, to_us
from protocol import messages as m
from protocol.codec import decode, encode
from protocol.envelope import Request, Response
from protocol.kinds import NOTICES
from protocol.message import Message
from protocol.results import FIRST_REFUSAL, result_text
from protocol.roles import HEARS, as_heard

MESSAGE: Final = EntryKind.MESSAGE.value
REFUSED: Final = EntryKind.REFUSED.value
REQUESTS: Final = (MESSAGE, REFUSED)
"""Kinds of the entries that a repetition can repeat."""
"""Role of a screen → what is added to a 1xx that is for it."""


class Notifier:
    """Writes into the open transaction of the unit of work, and says who hears of it."""

    def __init__(self, unit: Tx, peers: Peers) -> None:
        self._unit = unit
        self._peers = peers
        self.traces = Traces(unit)
        self.repetitions = Repetitions(unit)
        self.steps = Steps()
        """Where in the journal the clock was set: ages are counted without that."""
        self._seen: dict[tuple[str, str], list[JournalRow]] = {}
        self._repeats = False
        """Whether an Id comes more than once in the batch: else what is journalled of it need not
        be found by its other messages."""
        self._now = Now(datetime.fromtimestamp(0, UTC), 0)
        self._now_us = 0
        self._row: JournalRow | None = None
        """Of the request that is in work, once it is journalled."""
        self._given_again: str | None = None
        """What its entry says where its Id was given before."""

    def begin(self, batch: Sequence[Job], now: Now) -> None:
        """Look up at once which requests of a batch were journalled before."""
        self._now, self._now_us = now, now.utc_us
        self._row = None
        self._given_again = None
        self._seen = {}
        self.repetitions.begin()
        keys: list[tuple[str, str]] = []
        natives: set[tuple[str, str]] = set()
        for work in batch:
            for submit in requests_of(work):
                source, request = submit.source, submit.request
                keys.append((source, request.id))
                message = request.message
                if message.number in NOTICES:
                    for native in natives_of(message):
                        natives.add((source, native))
        self._unit.records.prefetch(natives)
        distinct = set(keys)
        self._repeats = len(distinct) < len(keys)
        for row in self._unit.journal.find_requests(distinct):
            if row.kind in REQUESTS and row.type is not None:
                self._keep_seen(row)

    def _keep_seen(self, row: JournalRow) -> None:
        """A request that was journalled, after those that stand before it."""
        self._seen.setdefault((row.source, str(row.request_id)), []).append(row)

    def forget(self) -> None:
        """The transaction failed: what is remembered of it must be read again."""
        self.repetitions.forget()

    def refuse(self, work: Submit, result: int, detail: str) -> Done:
        """Nothing happens but an entry in the journal."""
        self._journal(work, kind=REFUSED, result=int(result), detail=detail)
        return Done(self._response(work.request, result, detail))

    # --- writing ---------------------------------------------------------------------------------
    def _entry(
        self, work: Submit, message: Message, owner: str | None, command: JournalRow | None
    ) -> Entry:
        occurred = work.request.time
        return Entry(
            seq=self._unit.journal.next_seq,
            at=self._now_us if occurred is None else to_us(occurred),
            source=work.source,
            message=message,
            owner=owner,
            command_event=None if command is None else command.event_pk,
            command_seq=None if command is None else command.seq,
            reconstructed=work.reconstructed,
            given_again=self._given_again is not None,
        )

    def _journal(
        self,
        work: Submit,
        *,
        result: int,
        kind: str = MESSAGE,
        applied: Applied | None = None,
        owner: str | None = None,
        target: str | None = None,
        command_seq: int | None = None,
        detail: str | None = None,
    ) -> JournalRow:
        request = work.request
        message = request.message
        if detail is None:
            detail = self._given_again
        row = JournalRow(
            seq=self._unit.journal.next_seq,
            recorded_at=self._now_us,
            kind=kind,
            source=work.source,
            occurred_at=None if request.time is None else to_us(request.time),
            type=message.number,
            request_id=request.id,
            owner=owner,
            command_seq=command_seq,
            target=target,
            trace=request.trace,
            result=result,
            detail=detail,
            reconstructed=work.reconstructed,
            body=request.raw,
        )
        self._put_found(row, applied, message)
        if self.traces.begun or command_seq is not None:
            row.trace = self.traces.of_request(row, request.trace, applied)
        self._unit.journal.append(row)
        if self._repeats:
            self._keep_seen(row)
        self._row = row
        return row

    def _own_row(
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
        seq = self._unit.journal.next_seq
        row = JournalRow(
            seq=seq,
            recorded_at=self._now_us,
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
        self._put_found(row, applied, message)
        row.trace = self.traces.of_own(cause or self._row)
        self._unit.journal.append(row)
        return row

    def _enqueue(
        self,
        peer: Peer,
        row: JournalRow,
        message: Message,
        type_: int,
        command: JournalRow | None,
        done: Done,
        expires_at: int | None = None,
    ) -> None:
        delivery = self._unit.queues.enqueue(peer.id, peer.role_name, row.seq, type_, expires_at)
        trace = self.traces.outgoing(row, peer.id) if self.traces.begun else row.trace
        request = render(row, message, delivery, command, self._now, trace)
        done.deliveries.append(Delivery(delivery, request, size=len(row.body)))

    def _put_found(self, row: JournalRow, applied: Applied | None, message: Message) -> None:
        """What correlation found, for the journal and for those who are told."""
        operation = event = None
        if applied is not None:
            operation, event = applied.operation, applied.event
        if event is None:
            row.event_id = message.event_id
        else:
            row.event_pk = event.event_pk
            # Merging redirects: the row stays with its event, its readers hear of the other.
            told = final_event(self._unit.records, event) if message.number in NOTICES else event
            row.event_id = told.event_id
        if operation is None:
            row.call_id = message.call_id
            row.conference_id = message.conference_id
        else:
            row.op_id = operation.op_id
            row.call_id = message.call_id or operation.call_id
            row.conference_id = message.conference_id or operation.conference_id

    @staticmethod
    def _response(
        request: Request, result: int, detail: str | None = None, op_id: str | None = None
    ) -> Response:
        if detail is None and result >= FIRST_REFUSAL:
            detail = result_text(result)
        return Response(
            request_id=request.id,
            type=request.type,
            result=int(result),
            detail=detail,
            op_id=op_id,
        )

    # --- telling ---------------------------------------------------------------------------------
    def _deliver_notice(
        self,
        row: JournalRow,
        message: Message,
        applied: Applied,
        command: JournalRow | None,
        unowned: Iterable[Peer],
        done: Done,
    ) -> None:
        """Queue a notice for everyone who gets it.

        `unowned` are those that could take it, where it is about no call; while nobody has the
        call that it is about, they are found by that.
        """
        operation = applied.operation
        owner = None if operation is None else self._owner_of(operation)
        if operation is not None and owner is None:
            root = self._unit.records.operation(operation.root) or operation
            unowned = routing.takers_of(self._peers, root, message)
        audience = routing.audience(self._peers, message, applied, command, unowned, owner)
        for peer, type_ in audience:
            if not peer.legacy or peer.takes(type_, message, operation):
                self._enqueue(peer, row, message, type_, command, done)

    def _owner_of(self, operation: Operation) -> str | None:
        if operation.owner is not None or operation.root == operation.op_id:
            return operation.owner
        root = self._unit.records.operation(operation.root)
        return None if root is None else root.owner

    def _tell_bound(self, bound: Sequence[Bound], command: JournalRow | None, done: Done) -> None:
        """101: operations from before that belong to another event now.

        It is the outcome of the 201, 281 or 283 that moved them, by the rule of pairing.
        """
        command_seq = None if command is None else command.seq
        for change in bound:
            notice = m.EventBoundNotice(
                event_id=change.event.event_id,
                old_event_id=None if change.old is None else change.old.event_id,
                kind=queries.KIND.get(change.operation.kind),
                op_id=str(change.operation.op_id),
                call_id=change.operation.call_id,
                conference_id=change.operation.conference_id,
                login_id=change.operation.login_id,
                cause=m.BindCause(change.cause),
            )
            applied = Applied(change.operation, change.event)
            row = self._own_row(notice, applied, command_seq=command_seq)
            self._deliver_notice(row, notice, applied, command, (), done)
            if change.old is not None and change.old.owner != change.event.owner:
                former = self._peers.get(change.old.owner)
                if former is not None and former.takes(notice.number, notice, change.operation):
                    self._enqueue(former, row, notice, notice.number, None, done)

    def own_notice(self, notice: Message, command: JournalRow, done: Done) -> None:
        """A notice that linkage itself gives to the sender of a command."""
        operation = None if command.op_id is None else self._unit.records.operation(command.op_id)
        event = None if command.event_pk is None else self._unit.records.event(command.event_pk)
        applied = Applied(operation, event)
        row = self._own_row(notice, applied, command_seq=command.seq, cause=command)
        sender = self._peers.by_id[command.source]
        type_ = notice.number
        if type_ in NOTICES:
            type_ = as_heard(type_, sender.role)
        if sender.takes(type_, notice, operation):
            self._enqueue(sender, row, notice, type_, command, done)

    def tell(self, peer: Peer, notice: Message, done: Done) -> None:
        """A notice of linkage's own for one peer, about nothing but that peer's session."""
        type_ = _own_type(peer, notice)
        if type_ is not None:
            row = self._own_row(notice, Applied())
            self._enqueue(peer, row, notice, type_, None, done)

    def tell_gone(
        self,
        peer: Peer,
        from_seq: int,
        to_seq: int,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> None:
        """195 for Seqs that are kept no longer; it takes the place of the last one that is gone.

        So it is read before all that is left. One that stands there unread is joined with it.
        """
        earlier = self.unread_gap(peer.id)
        if earlier is not None and earlier.from_seq is not None:
            if earlier.from_seq <= from_seq and to_seq <= (earlier.to_seq or 0):
                return
            from_seq = min(from_seq, earlier.from_seq)
            to_seq = max(to_seq, earlier.to_seq or 0)
            since, until = earlier.since or since, until or earlier.until
        notice = m.GapNotice(
            from_seq=from_seq, to_seq=to_seq, cause=m.GapCause.OVERFLOW, since=since, until=until
        )
        type_ = _own_type(peer, notice)
        if type_ is not None:
            row = self._own_row(notice, Applied())
            self._unit.queues.put(
                DeliveryRow(
                    receiver=peer.id,
                    seq=self._unit.queues.gone_to(peer.id),
                    journal_seq=row.seq,
                    type=type_,
                )
            )

    def tell_unreadable(self, peer: Peer, seq: int) -> DeliveryRow | None:
        """195 in the place of a notice that cannot be read any more; None: the peer hears none."""
        notice = m.GapNotice(from_seq=seq, to_seq=seq)
        type_ = _own_type(peer, notice)
        if type_ is None:
            return None
        row = self._own_row(notice, Applied())
        told = DeliveryRow(receiver=peer.id, seq=seq, journal_seq=row.seq, type=type_)
        self._unit.queues.put(told)
        return told

    def unread_gap(self, receiver: str) -> m.GapNotice | None:
        """The 195 that stands in the place of what is gone of a queue, until it is answered."""
        delivery = self._unit.queues.find(receiver, self._unit.queues.gone_to(receiver))
        if delivery is None or delivery.state != "open":
            return None
        row = self._unit.journal.find(delivery.journal_seq)
        item = None if row is None else decode(row.body)
        message = item.message if isinstance(item, Request) else None
        return message if isinstance(message, m.GapNotice) else None


def _own_type(peer: Peer, notice: Message) -> int | None:
    """As what a notice about a peer's own session comes to it; None where it hears none such."""
    type_ = as_heard(notice.number, peer.role)
    hears = type_ in HEARS[peer.role] and peer.takes(type_, notice, None)
    return type_ if hears else None


def as_journalled(request: Request, peer: Peer) -> Request:
    """The request with the bytes that the journal keeps: UTF-8, whatever the peer speaks.

    So the journal can be read without knowing how each peer was configured at the time. What came
    from an adapter has no bytes; it is taken as it will be read again, to the digit.
    """
    if not request.raw:
        written = encode(request)
        read = decode(written)
        assert isinstance(read, Request)
        return replace(request, message=read.message, raw=written)
    encoding = peer.encoding
    if encoding == "utf-8":
        return request
    try:
        return replace(request, raw=request.raw.decode(encoding).encode())
    except UnicodeDecodeError:
        # libxml2 and Python differ in a few characters of these encodings.
        return replace(request, raw=encode(request))
