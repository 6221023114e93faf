"""One business request: duplicate? allowed? whose? what changes? who is told?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from linkage.core import queries, routing
from linkage.core.access import Asked, RefusedError, check_command, check_sender
from linkage.core.peers import Peer, Peers
from linkage.core.render import render
from linkage.core.work import Delivery, Done, Now, Submit, Work
from linkage.correlation import Applied, Bound, Entry, apply, final_event, natives_of
from linkage.ports import EntryKind, Role
from linkage.store import lookup
from linkage.store.rows import JournalRow, Operation, to_us
from linkage.store.unit import UnitOfWork
from protocol import messages as m
from protocol.codec import decode, encode
from protocol.envelope import Request, Response
from protocol.errors import InvalidMessageError
from protocol.message import Direction, Message
from protocol.results import FIRST_REFUSAL, Result, result_text
from protocol.roles import HEARS

ANSWERED_HERE: Final = frozenset({201, 280, 281, 282, 283, 284, 215, 292, 293, 294, 296, 297, 299})
"""Commands that the core answers itself (201 goes on to the platform as well)."""
NOTICES: Final = range(100, 200)
MIRROR: Final = {Role.COMMUNICATION_SCREEN: 200, Role.BUSINESS_SCREEN: 400}
"""Role of a screen → what is added to a 1xx that is for it."""
NOT_SERVED: Final = frozenset({291, 295})
"""Commands for linkage itself, and no platform's, that it does not serve."""
REPLAY_MAX: Final = 10_000
EXPIRE_MAX_S: Final = 86_400
"""A command that may wait longer than a day means something else."""
START_TAG: Final = re.compile(
    rb"""<request(?:\s+[^\s=<>]+\s*=\s*(?:"[^"]*"|'[^']*'))*\s*/?>""", re.IGNORECASE
)
DUPLICATES_KEPT_US: Final = 48 * 3600 * 1_000_000
"""How long a repeated Id is taken for a repetition (section 3.1 asks for 24 h). A message that
says of itself that it was sent before (`Resend`) is compared with all there is."""


class Handler:
    """Handles requests within the open transaction of the unit of work."""

    def __init__(self, unit: UnitOfWork, peers: Peers, command_expire_s: int) -> None:
        self._unit = unit
        self._peers = peers
        self._command_expire_s = command_expire_s
        self._seen: dict[tuple[str, str, int, bytes], JournalRow] = {}
        self._now = Now(datetime.fromtimestamp(0, UTC), 0)
        self._now_us = 0

    def begin(self, batch: Sequence[Work], now: Now) -> None:
        """Look up at once which requests of a batch were journalled before."""
        self._now, self._now_us = now, now.utc_us
        self._seen = {}
        keys = {(work.source, work.request.id) for work in batch if isinstance(work, Submit)}
        self._unit.prefetch(
            {
                (work.source, native)
                for work in batch
                if isinstance(work, Submit) and work.request.type in NOTICES
                for native in natives_of(work.request.message)
            }
        )
        for row in self._unit.find_requests(keys):
            self._keep_seen(row)

    def _keep_seen(self, row: JournalRow) -> None:
        if row.kind in {EntryKind.MESSAGE, EntryKind.REFUSED} and row.type is not None:
            key = (row.source, str(row.request_id), row.type, body_of(row.body))
            other = self._seen.get(key)
            self._seen[key] = row if other is None or row.seq > other.seq else other

    def submit(self, work: Submit) -> Done:
        """Judge, apply, journal and deliver one request."""
        peer = self._peers.by_id[work.source]
        work = replace(work, request=as_journalled(work.request, peer))
        request = work.request
        first = self._find_duplicate(work)
        if first is not None:
            return Done(self._response(request, first.result or 0, "duplicate"))
        try:
            check_sender(peer, request.type)
            return self._take(work, peer)
        except RefusedError as refusal:
            return self.refuse(work, refusal.result, refusal.detail)

    def refuse(self, work: Submit, result: int, detail: str) -> Done:
        """Nothing happens but an entry in the journal."""
        self._journal(work, kind=EntryKind.REFUSED, result=int(result), detail=detail)
        return Done(self._response(work.request, result, detail))

    def _take(self, work: Submit, peer: Peer) -> Done:
        match work.request.message.direction_digit:
            case Direction.PLATFORM_TO_BUSINESS:
                return self._notice(work)
            case Direction.BUSINESS_TO_PLATFORM:
                return self._command(work, peer, work.request.message, peer.id)
            case Direction.SCREEN_TO_PLATFORM:
                return self._command(work, peer, _as_command(work.request.message), None)
            case Direction.PLATFORM_TO_SCREEN:
                receivers = routing.screens_named(self._peers, work.request.message)
                return self._pass_on(work, receivers)
            case Direction.BUSINESS_TO_SCREEN:
                receivers = routing.business_screens_named(self._peers, peer, work.request.message)
                return self._pass_on(work, receivers)
            case Direction.SCREEN_TO_BUSINESS:
                receivers = routing.application_of_screen(self._peers, peer)
                return self._pass_on(work, receivers, self._expires_at(work, peer))

    # --- duplicates ------------------------------------------------------------------------------
    # -------------------
    def _find_duplicate(self, work: Submit) -> JournalRow | None:
        """The same (sender, Id, Type, body) from before.

        The attributes may differ, as Resend does.
        """
        request = work.request
        row = self._seen.get((work.source, request.id, request.type, body_of(request.raw)))
        since = 0 if request.resend else self._now_us - DUPLICATES_KEPT_US
        return None if row is None or row.recorded_at < since else row

    # --- 1xx -------------------------------------------------------------------------------------
    # -------------------
    def _notice(self, work: Submit) -> Done:
        message = work.request.message
        if isinstance(message, m.PlatformLeave):
            self._journal(work, result=0)
            return Done(self._response(work.request, Result.OK))
        command = self._command_row(work)
        command_event = None if command is None else command.event_pk
        owner, unowned = routing.owner_of_new(self._peers, message)
        applied = apply(self._unit, self._entry(work, message, owner, command_event))
        row = self._journal(
            work,
            applied=applied,
            result=0,
            owner=owner,
            command_seq=None if command is None else command.seq,
        )
        done = Done(self._response(work.request, Result.OK, op_id=_op_id(applied)))
        if applied.operation is not None and self._owner_of(applied.operation) is None:
            root = self._unit.operation(applied.operation.root) or applied.operation
            unowned = routing.takers_of(self._peers, root, message)
        self._deliver_notice(row, message, applied, command, unowned, done)
        self._tell_bound(applied.bound, None, done)
        return done

    def _command_row(self, work: Submit) -> JournalRow | None:
        """The command that a notice says it is the outcome of, if it went to this platform."""
        written = work.request.message.request_id
        if written is None or not written.isdecimal():
            return None
        row = self._unit.find_journal(int(written))
        return row if row is not None and row.target == work.source else None

    def _deliver_notice(
        self,
        row: JournalRow,
        message: Message,
        applied: Applied,
        command: JournalRow | None,
        unowned: Iterable[Peer],
        done: Done,
    ) -> None:
        audience = routing.audience(
            self._peers, message, applied, command, unowned, owner_of=self._owner_of
        )
        for peer, type_ in audience:
            if peer.takes(type_, message, applied.operation):
                self._enqueue(peer, row, message, type_, command, done)

    def _owner_of(self, operation: Operation) -> str | None:
        root = self._unit.operation(operation.root)
        return operation.owner or (None if root is None else root.owner)

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
        operation = None if command.op_id is None else self._unit.operation(command.op_id)
        event = None if command.event_pk is None else self._unit.event(command.event_pk)
        row = self._own_row(notice, Applied(operation, event), command_seq=command.seq)
        sender = self._peers.by_id[command.source]
        type_ = notice.number
        if sender.role is Role.COMMUNICATION_SCREEN and type_ in NOTICES:
            type_ += routing.TO_SCREEN
        if sender.takes(type_, notice, operation):
            self._enqueue(sender, row, notice, type_, command, done)

    def tell(self, peer: Peer, notice: Message, done: Done) -> None:
        """A notice of linkage's own for one peer, about nothing but that peer's session."""
        type_ = notice.number
        if peer.role in {Role.COMMUNICATION_SCREEN, Role.BUSINESS_SCREEN}:
            type_ += MIRROR[peer.role]
        if type_ // 100 in HEARS[peer.role] and peer.takes(type_, notice, None):
            row = self._own_row(notice, Applied())
            self._enqueue(peer, row, notice, type_, None, done)

    # --- 2xx and 4xx -----------------------------------------------------------------------------
    # -------------------
    def _command(self, work: Submit, peer: Peer, command: Message, owner: str | None) -> Done:
        if command.number in NOT_SERVED:
            raise RefusedError(
                Result.NOT_SUPPORTED, f"{command.number} {command.english} is not served"
            )
        expires_at = self._expires_at(work, peer)
        asked = check_command(self._unit, peer, command, owner)
        if command.number in ANSWERED_HERE:
            return self._answer_here(work, peer, command, asked, expires_at)
        platform = routing.platform_for(self._unit, self._peers, command, asked)
        return self._forward(work, command, asked, platform, expires_at)

    def _expires_at(self, work: Submit, peer: Peer) -> int:
        """Until when a command may be executed, on the steady clock.

        Raises:
            RefusedError: 309, it is too old already.
        """
        request = work.request
        expire_s = self._command_expire_s if request.expire_s is None else request.expire_s
        age_us = 0
        if request.time is not None:
            # A clock that was behind at registration is allowed for; one that was ahead may have
            # been set right since, and its commands must not all be refused for that.
            behind_us = max(0, -round(peer.ahead_s * 1e6))
            age_us = max(0, self._now_us - to_us(request.time) - behind_us)
        left_us = min(expire_s, EXPIRE_MAX_S) * 1_000_000 - age_us
        if left_us <= 0:
            raise RefusedError(
                Result.EXPIRED,
                f"it is {age_us / 1e6:.0f} s old by its Time, and was to expire after {expire_s}",
            )
        return self._now.steady_us + left_us

    def _answer_here(
        self, work: Submit, peer: Peer, command: Message, asked: Asked, expires_at: int
    ) -> Done:
        pages = queries.answer(
            self._unit, self._peers, peer, command, asked, work.request.id, self._now.utc
        )
        if pages is not None:
            done = Done(self._response(work.request, Result.ACCEPTED))
            shift = 200 if peer.role is Role.COMMUNICATION_SCREEN else 0
            for page in pages:
                done.answers.append(
                    (peer.id, (m.convert(page, page.number + shift) or page) if shift else page)
                )
            self._journal(work, applied=Applied(asked.operation, asked.event), result=1)
            return done
        if isinstance(command, m.ReplayRequest):
            return self._replay(work, peer, command)
        applied = apply(self._unit, self._entry(work, command, asked.owner, None))
        already = (
            isinstance(command, m.CreateEvent) and asked.event is not None and not applied.bound
        )
        result = Result.DUPLICATE if already else Result.OK
        row = self._journal(
            work,
            applied=applied,
            result=int(result),
            owner=asked.owner,
            target=_platform_of(applied),
        )
        detail = command.echo_text if isinstance(command, m.Diagnose) else None
        done = Done(self._response(work.request, result, detail, op_id=_op_id(applied)))
        self._tell_bound(applied.bound, row, done)
        if isinstance(command, m.CreateEvent) and applied.operation is not None:
            self._to_platform(row, command, applied.operation.platform, expires_at, done)
        if isinstance(command, m.CloseEvent) and command.hangup_all and applied.event is not None:
            self._hang_up_all(applied.event.event_pk, expires_at, done)
        return done

    def _forward(
        self,
        work: Submit,
        command: Message,
        asked: Asked,
        platform: Peer | None,
        expires_at: int,
    ) -> Done:
        applied = apply(self._unit, self._entry(work, command, asked.owner, None))
        row = self._journal(
            work,
            applied=applied,
            result=int(Result.ACCEPTED),
            owner=asked.owner,
            target=None if platform is None else platform.id,
        )
        done = Done(self._response(work.request, Result.ACCEPTED, op_id=_op_id(applied)))
        if platform is None:
            assert applied.event is not None, (
                "only a hang-up of a whole event goes to no platform of its own"
            )
            self._hang_up_all(applied.event.event_pk, expires_at, done)
        else:
            self._to_platform(row, command, platform.id, expires_at, done)
        return done

    def _to_platform(
        self, row: JournalRow, command: Message, platform_id: str, expires_at: int, done: Done
    ) -> None:
        platform = self._peers.get(platform_id)
        if platform is None or not platform.takes(command.number, command, None):
            return
        if command.number == 201 and not platform.serves(201, None):  # noqa: PLR2004 - the stamp is a courtesy
            return
        self._enqueue(platform, row, command, command.number, None, done, expires_at)

    def _hang_up_all(self, event_pk: int, expires_at: int, done: Done) -> None:
        """One 202 for each call of an event that still lives (202 Scope 3, 284 HangupAll)."""
        self._unit.flush()
        under = set(lookup.events_under(self._unit.connection, event_pk))
        for operation in lookup.open_operations(self._unit.connection, ("call", "conference")):
            if operation.event_pk not in under:
                continue
            event = self._unit.event(event_pk)
            hangup = m.Hangup(
                call_id=operation.call_id if operation.kind == "call" else None,
                conference_id=operation.conference_id if operation.kind == "conference" else None,
                scope=m.HangupScope.CALL,
            )
            applied = Applied(operation, event)
            row = self._own_row(hangup, applied, target=operation.platform)
            self._to_platform(row, hangup, operation.platform, expires_at, done)

    def _replay(self, work: Submit, peer: Peer, command: m.ReplayRequest) -> Done:
        """294: the originals once more with Resend, then 194.

        From the queue's rows, not queued anew.
        """
        newest = self._unit.next_delivery_seq(peer.id) - 1
        to_seq = min(newest, command.to_seq or newest)
        if command.from_seq < 1 or to_seq - command.from_seq >= REPLAY_MAX:
            raise RefusedError(
                Result.BAD_VALUE,
                f"FromSeq starts at 1, and at most {REPLAY_MAX} are replayed at once",
            )
        types = _types_asked(command.numbers)
        asked = self._journal(work, result=1)
        count = self._unit.reopen(peer.id, command.from_seq, to_seq, types)
        done = Done(self._response(work.request, Result.ACCEPTED), value="reload")
        end = m.ReplayEndNotice(
            request_id=work.request.id, from_seq=command.from_seq, to_seq=to_seq, count=count
        )
        row = self._own_row(end, Applied(), command_seq=asked.seq)
        type_ = end.number
        if peer.role is Role.COMMUNICATION_SCREEN:
            type_ += routing.TO_SCREEN
        self._enqueue(peer, row, end, type_, asked, done)
        return done

    # --- screens ---------------------------------------------------------------------------------
    # -------------------
    def _pass_on(
        self, work: Submit, receivers: Sequence[Peer], expires_at: int | None = None
    ) -> Done:
        if not receivers:
            raise RefusedError(
                Result.NO_LOGIN, "no screen or application of that name is configured"
            )
        row = self._journal(work, result=0)
        done = Done(self._response(work.request, Result.OK))
        for receiver in receivers:
            self._enqueue(
                receiver, row, work.request.message, work.request.type, None, done, expires_at
            )
        return done

    # --- writing ---------------------------------------------------------------------------------
    # -------------------
    def _entry(
        self, work: Submit, message: Message, owner: str | None, command_event: int | None
    ) -> Entry:
        occurred = work.request.time
        return Entry(
            seq=self._unit.next_seq,
            at=self._now_us if occurred is None else to_us(occurred),
            source=work.source,
            message=message,
            owner=owner,
            command_event=command_event,
            reconstructed=work.reconstructed,
        )

    def _journal(
        self, work: Submit, *, applied: Applied | None = None, **columns: Any
    ) -> JournalRow:
        request = work.request
        columns = {"kind": EntryKind.MESSAGE, **columns}
        row = JournalRow(
            seq=self._unit.next_seq,
            recorded_at=self._now_us,
            occurred_at=None if request.time is None else to_us(request.time),
            source=work.source,
            type=request.type,
            request_id=request.id,
            trace=request.trace,
            reconstructed=work.reconstructed,
            body=request.raw,
            **{
                **self._found(applied, request.message),
                **columns,
                "kind": str(columns["kind"]),
            },
        )
        self._unit.append(row)
        self._keep_seen(row)
        return row

    def _own_row(self, message: Message, applied: Applied, **columns: Any) -> JournalRow:
        """A message that linkage makes itself: journalled like any other, from its own id."""
        seq = self._unit.next_seq
        row = JournalRow(
            seq=seq,
            recorded_at=self._now_us,
            kind=EntryKind.OWN.value,
            source=self._peers.own_id,
            type=message.number,
            request_id=str(seq),
            result=0,
            body=encode(Request(id=str(seq), message=message)),
            **{**self._found(applied, message), **columns},
        )
        self._unit.append(row)
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
        delivery = self._unit.enqueue(peer.id, peer.role.value, row.seq, type_, expires_at)
        request = render(row, message, delivery, command, self._now)
        done.deliveries.append(Delivery(delivery, request))

    def _found(self, applied: Applied | None, message: Message) -> dict[str, Any]:
        """What correlation found, for the journal and for those who are told."""
        operation = None if applied is None else applied.operation
        event = None if applied is None else applied.event
        event_id = message.event_id if event is None else event.event_id
        if event is not None and message.number in NOTICES:
            # Merging redirects: the row stays with its event, its readers hear of the other.
            event_id = final_event(self._unit, event).event_id
        return {
            "event_pk": None if event is None else event.event_pk,
            "event_id": event_id,
            "op_id": None if operation is None else operation.op_id,
            "call_id": message.call_id or (None if operation is None else operation.call_id),
            "conference_id": message.conference_id
            or (None if operation is None else operation.conference_id),
        }

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


def _as_command(message: Message) -> Message:
    try:
        return m.as_command(message)
    except InvalidMessageError as error:
        raise RefusedError(error.result, str(error)) from None


def body_of(payload: bytes) -> bytes:
    """What stands in a request's element, as it was written; without the element's attributes."""
    start = START_TAG.search(payload)
    return payload if start is None else payload[start.end() :]


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


def _types_asked(numbers: Iterable[str]) -> list[int]:
    """`110` and `1xx` of a 294 as types; none: all."""
    types: list[int] = []
    for written in numbers:
        if written.isascii() and written.isdigit():
            types.append(int(written))
        elif written[:1].isdecimal() and written[1:].lower() == "xx":
            types += range(int(written[0]) * 100, int(written[0]) * 100 + 100)
        else:
            raise RefusedError(Result.BAD_VALUE, f"No: {written} is no type, such as 110 or 1xx")
    return types


def _op_id(applied: Applied) -> str | None:
    return None if applied.operation is None else str(applied.operation.op_id)


def _platform_of(applied: Applied) -> str | None:
    return None if applied.operation is None else applied.operation.platform
