"""What is written of a message in the open transaction, and who is told of it, as which type.

A notice goes to the sender of the command it answers, to the application that owns its event, else
to the one that its call was routed to, else to those that take the called number or the LoginId;
to every monitor; and, mirrored, to the communication screen at which the dispatcher works.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Final

from linkage.core.delivery.render import render
from linkage.core.peers import Peer, Peers
from linkage.core.scope import Delivery, Scope
from linkage.core.subscriptions import Subscriptions
from linkage.core.traces import Traces
from linkage.correlation import Applied, Entry, RecordsPort, final_event
from linkage.correlation.replies import owners_of
from linkage.correlation.rules import MESSAGES
from linkage.correlation.sms_fax_mail import RECEIVED as MESSAGES_RECEIVED
from linkage.correlation.sms_fax_mail import addresses_of
from linkage.ports import EntryKind, Role
from linkage.store.rows import Event, JournalRow, Operation
from protocol import messages as m
from protocol.codec import encode
from protocol.envelope import Request
from protocol.kinds import NOTICES
from protocol.message import Message
from protocol.roles import number_for_role

TO_EVERYBODY: Final = frozenset({170, 172, 173, 191, 195, 197, 198})
"""Notices about a platform as a whole; without an operation they concern every application."""
ONLY_ASKED_FOR: Final = frozenset({162, 171, 180, 182, 192, 193, 194, 196})
"""Data answers: only to who asked."""
LINK_TOLD: Final = m.EventLinkNotice.number
NOBODYS: Final = TO_EVERYBODY | ONLY_ASKED_FOR
"""Notices that never tell of a new call."""


class Notifier:
    """Writes notices into the open transaction, and gives each receiver its place in the queue."""

    def __init__(self, scope: Scope, traces: Traces, subscriptions: Subscriptions) -> None:
        self._scope = scope
        self._tx = scope.tx
        self._peers = scope.peers
        self.traces = traces
        self._subscriptions = subscriptions

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
            told = event
            # Merging redirects: the row stays with its event, its readers hear of the other; but
            # 183 says itself which of the two is which.
            if event.merged_into is not None and message.number in NOTICES:
                told = (
                    event if message.number == LINK_TOLD else final_event(self._tx.records, event)
                )
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
        before: Event | None = None,
    ) -> bool:
        """Queue a notice for everyone who gets it; whether anybody but a monitor does.

        `unowned` are those that could take it, where it is about no call; while nobody has the
        call that it is about, they are found by that. `before` is the event that the operation was
        taken from by it: who follows that one hears of it, too.
        """
        operation = applied.operation
        owner = None
        if operation is not None:
            owner = operation.owner
            if owner is None:
                root = self._tx.records.operation(operation.root) or operation
                owner = root.owner
                if owner is None:
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
        if self._subscriptions.exist() and message.number not in ONLY_ASKED_FOR:
            events = tuple(event for event in (applied.event, before) if event is not None)
            owner = events[0].owner if events else owner
            followers = self._subscriptions.followers(message, operation, events, owner)
            self._tell_others(followers, row, message, operation, [peer for peer, _ in told])
        return reached

    def _tell_others(
        self,
        peers: Iterable[Peer],
        row: JournalRow,
        message: Message,
        operation: Operation | None,
        told: Container[Peer],
    ) -> None:
        for peer in peers:
            type_ = number_for_role(message.number, peer.role)
            if peer not in told and peer.takes(type_, message, operation):
                self.enqueue(peer, row, message, type_)


def owner_of_new(
    records: RecordsPort, peers: Peers, entry: Entry, command: JournalRow | None
) -> tuple[str | None, list[Peer]]:
    """Whose an operation would be if it is new, and who is told while it is nobody's.

    The application that takes the number or the LoginId; the one whose command brought it; the one
    that a received message answers; the one that takes all. Several: nobody's yet, and all are
    told. So are all applications where none takes a message, or nothing says for whom it is:
    one too many is seen by people, a swallowed one by nobody.
    """
    message = entry.message
    number = message.number
    if number in NOBODYS:
        return None, []
    incoming = getattr(message, "direction", None) is not m.CallDirection.OUT
    called = getattr(message, "to_num" if incoming else "phone_num", None)
    takers = peers.takers(called, message.login_id)
    if takers.named:  # by far most of what comes
        return takers.owner, takers.peers
    candidates = takers.peers
    asker = None if command is None else peers.get(command.owner or command.source)
    if asker is not None and asker.role is Role.APPLICATION:
        candidates = [asker]
    elif number in MESSAGES_RECEIVED:
        candidates = _takers_of_message(records, peers, entry) or candidates
    if not candidates:
        in_doubt = number in MESSAGES_RECEIVED or called is message.login_id is None
        return None, peers.of_role(Role.APPLICATION) if in_doubt else []
    return (candidates[0].id if len(candidates) == 1 else None), candidates


def _takers_of_message(records: RecordsPort, peers: Peers, entry: Entry) -> list[Peer]:
    """Who takes one of the addresses of a mail or an MMS, else who has what it answers."""
    for address in addresses_of(entry.message):
        takers = peers.takers(address, None)
        if takers.named:
            return takers.peers
    owners = (peers.get(owner) for owner in owners_of(records, entry))
    return [peer for peer in owners if peer is not None]


def takers_of(peers: Peers, root: Operation, message: Message) -> list[Peer]:
    """Who is told of a call that several applications could take, while none has.

    Later notices of a call need not repeat the number that it was made to.
    """
    number = root.from_num if root.direction == "out" else root.to_num
    login = message.login_id or root.login_id
    found = peers.takers(number, login).peers
    if not found and (root.kind in MESSAGES or number is login is None):
        return peers.of_role(Role.APPLICATION)
    return found


def audience(
    peers: Peers,
    message: Message,
    applied: Applied,
    command: JournalRow | None,
    unowned: Iterable[Peer],
    owner: str | None,
) -> list[tuple[Peer, int]]:
    """Everyone who gets a notice, each with the type it comes as.

    `owner` has the call that it is about; `unowned` are those that could take it while nobody has.
    """
    number = message.number
    told: list[tuple[Peer, int]] = []
    sender = None if command is None else peers.get(command.source)
    if sender is not None:
        told.append((sender, number_for_role(number, sender.role)))
    if number in ONLY_ASKED_FOR:
        return told
    # Each of these has a role of its own: only the sender can be among them once more.
    told += [
        (peer, number)
        for peer in _concerned(peers, number, applied, unowned, owner)
        if peer is not sender
    ]
    if peers.monitors:
        told += [(peer, number) for peer in peers.monitors if peer is not sender]
    if peers.communication_screens:
        screens = peers.screens_of(_logins(message, applied))
        told += [
            (peer, number_for_role(number, peer.role)) for peer in screens if peer is not sender
        ]
    return told


def _concerned(
    peers: Peers, number: int, applied: Applied, unowned: Iterable[Peer], owner: str | None
) -> Iterable[Peer]:
    if applied.event is not None:
        owner = applied.event.owner
    if owner is not None:
        peer = peers.by_id.get(owner)
        return () if peer is None else (peer,)
    if applied.operation is None and number in TO_EVERYBODY:
        return peers.of_role(Role.APPLICATION)
    return unowned


def _logins(message: Message, applied: Applied) -> list[str | None]:
    logins = [
        message.login_id,
        getattr(message, "from_login_id", None),
        getattr(message, "to_login_id", None),
    ]
    if applied.operation is not None:
        logins.append(applied.operation.login_id)
    return logins
