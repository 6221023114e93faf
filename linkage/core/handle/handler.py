"""One business request: duplicate? allowed? whose? what changes? who is told?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from linkage.config.core import SweepSettings
from linkage.core.handle import queries, routing
from linkage.core.handle.repetition import Verdict, alike
from linkage.core.jobs import Alarm, Done, Submit
from linkage.core.liveness.audit import LivenessAudit
from linkage.core.notify import as_journalled
from linkage.core.peers import Peer, Peers
from linkage.core.rights.commands import (
    RefusedError,
    Target,
    check_command,
    check_operator,
    check_sender,
)
from linkage.core.rights.ownership import check_kept, check_named, place_of
from linkage.correlation import Applied, apply
from linkage.correlation.operations import native_of, with_descendants
from linkage.correlation.reused_ids import begins, is_of_another
from linkage.ports import EntryKind, Role
from linkage.ports.store import Tx
from linkage.store.rows import GIVEN_AGAIN, MAY_REPEAT, JournalRow, to_us
from protocol import messages as m
from protocol.envelope import Response
from protocol.errors import InvalidMessageError
from protocol.kinds import NOTICES, Direction, direction_of
from protocol.message import Message
from protocol.results import Result
from protocol.roles import as_heard

ANSWERED_HERE: Final = frozenset({201, 280, 281, 282, 283, 284, 215, 292, 293, 294, 296, 297, 299})
"""Commands that the core answers itself (201 goes on to the platform as well)."""
NOT_SERVED: Final = frozenset({291, 295})
"""Commands for linkage itself, and no platform's, that it does not serve."""
CALL_OUTS: Final = frozenset({210, 410})
"""What a 216 can cancel: the application's 210, or the same from a communication screen."""
REPLAY_MAX: Final = 10_000
EXPIRE_MAX_S: Final = 86_400
"""A command that may wait longer than a day means something else."""


class Handler(LivenessAudit):
    """Handles requests within the open transaction of the unit of work."""

    def __init__(
        self,
        unit: Tx,
        peers: Peers,
        command_expire_s: int,
        liveness: SweepSettings | None = None,
    ) -> None:
        super().__init__(unit, peers, liveness=liveness)
        self._command_expire_s = command_expire_s

    def submit(self, work: Submit) -> Done:
        """Judge, apply, journal and deliver one request."""
        peer = self._peers.sender(work.source)
        request = as_journalled(work.request, peer)
        if request is not work.request:
            work = replace(work, request=request)
        again = Done()
        if self._seen:
            first = self._repeated(work, again)
            if first is not None:
                return Done(self._response(request, first.result or 0, "duplicate"), row=first)
        self.repetitions.said(work.source, work.answered)
        try:
            number = request.message.number
            check_sender(peer, number)
            if work.owner is not None:
                check_operator(self._peers, number, work.owner)
            # Notices are by far most of what comes.
            done = self._notice(work) if number in NOTICES else self._take(work, peer)
        except RefusedError as refusal:
            done = self.refuse(work, refusal.result, refusal.detail)
        done.row, self._row = self._row, None
        self._given_again = None
        done.deliveries[:0] = again.deliveries
        return done

    def session_opened(self, peer: Peer, boot: str | None, done: Done) -> None:
        """A peer has a new connection; `boot` says since when its Ids are new, where it tells."""
        self.repetitions.opened(peer.id, boot, self._now_us)
        if boot is not None:
            text = f"{peer.id} says by its Boot when its Ids begin anew"
            self.alarm(Alarm(_ids_alarm(peer.id), peer.id, text, raised=False), done)

    def _repeated(self, work: Submit, done: Done) -> JournalRow | None:
        """The entry that a request repeats.

        None: it is new, and is journalled as such where one with its Id, Type and body was there
        before. People are told of a sender that gives Ids again without saying so: what it sends
        again after a loss will be told again, and marked, since nobody can tell it apart.
        """
        source, request = work.source, work.request
        found = alike(self._seen.get((source, request.id), ()), request)
        if not found:
            return None
        row, verdict = self.repetitions.judge(source, request, found, self.steps, self._now_us)
        if verdict is Verdict.SAME:
            return row
        in_doubt = verdict is Verdict.DOUBT
        entry = f"{GIVEN_AGAIN} {row.seq}"
        self._given_again = f"{entry}: {MAY_REPEAT if in_doubt else 'another one'}"
        self._unit.journal.append(
            JournalRow(
                seq=self._unit.journal.next_seq,
                recorded_at=self._now_us,
                kind=EntryKind.ID_REUSED.value,
                source=source,
                type=request.type,
                request_id=request.id,
                detail=f"Id {request.id} {entry}: taken for new"
                + (f", and marked Repeat: it {MAY_REPEAT}" if in_doubt else ""),
            )
        )
        if not self.repetitions.has_boot(source):
            text = (
                f"{source} gives request Ids again (Id {request.id} of Type {request.type}); "
                "let it go on counting, or send Boot when it registers"
            )
            self.alarm(Alarm(_ids_alarm(source), source, text, level="warning"), done)
        return None

    def _take(self, work: Submit, peer: Peer) -> Done:
        match direction_of(work.request.message.number):
            case Direction.PLATFORM_TO_BUSINESS:
                return self._notice(work)
            case Direction.BUSINESS_TO_PLATFORM:
                return self._command(work, peer, work.request.message, work.owner or peer.id)
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

    def _notice(self, work: Submit) -> Done:
        request = work.request
        message = request.message
        if isinstance(message, m.PlatformLeave):
            self._journal(work, result=0)
            return Done(self._response(request, Result.OK))
        command = None if message.request_id is None else self._command_row(work)
        owner, unowned = routing.owner_of_new(self._peers, message)
        done = Done()
        if begins(message):
            self._end_displaced(work, done)
        applied = apply(self._unit.records, self._entry(work, message, owner, command))
        row = self._journal(
            work,
            applied=applied,
            result=0,
            owner=owner,
            command_seq=None if command is None else command.seq,
        )
        op_id = _op_id(applied)
        done.response = Response(request_id=request.id, type=message.number, result=0, op_id=op_id)
        self._deliver_notice(row, message, applied, command, unowned, done)
        if applied.bound:
            self._tell_bound(applied.bound, None, done)
        if command is not None and command.source == self._peers.own_id:
            self.answered_with(work.source, command.seq, message, done)
        return done

    def _end_displaced(self, work: Submit, done: Done) -> None:
        """End the call or conference whose id a platform gives to another without a word of that.

        Its caller, its number and its event stay with it; the new one begins with none.
        """
        message = work.request.message
        native = native_of(message)
        found = None if native is None else self._unit.records.find_operation(work.source, native)
        if found is None or found.ended_at is not None or work.reconstructed:
            return
        if self._given_again is None and not is_of_another(found, message):
            return
        for operation in reversed(with_descendants(self._unit.records, found)):
            if operation.ended_at is None:
                self._close(operation, done)

    def _command_row(self, work: Submit) -> JournalRow | None:
        """The command that a notice says it is the outcome of, if it went to this platform."""
        written = work.request.message.request_id
        if written is None or not written.isdecimal():
            return None
        row = self._unit.journal.find(int(written))
        return row if row is not None and row.target == work.source else None

    def _command(self, work: Submit, peer: Peer, command: Message, owner: str | None) -> Done:
        if command.number in NOT_SERVED:
            raise RefusedError(
                Result.NOT_SUPPORTED, f"{command.number} {command.english} is not served"
            )
        expires_at = self._expires_at(work, peer)
        asked = check_command(self._unit.records, peer, command, owner)
        if command.number in ANSWERED_HERE:
            return self._answer_here(work, peer, command, asked, expires_at)
        check_named(self._unit, command, asked.owner)
        earlier = self._cancelled(work.source, command)
        if earlier is None:
            place = None
            if asked.operation is None:
                place = place_of(self._unit, command, asked.owner)
            platform = routing.platform_for(self._unit, self._peers, command, asked, place)
        else:
            platform = routing.platform_of(self._peers, command, earlier)
        if platform is not None:
            check_kept(self._unit, command, asked.owner, platform.id)
        return self._forward(work, command, asked, platform, expires_at, earlier)

    def _cancelled(self, source: str, command: Message) -> JournalRow | None:
        """The sender's call-out that a 216 names by its RequestId.

        Raises:
            RefusedError: 306, there is none.
        """
        if not isinstance(command, m.CancelCallOut) or command.request_id is None:
            return None
        rows = self._unit.journal.find_requests([(source, command.request_id)], also_new=True)
        found = [row for row in rows if row.type in CALL_OUTS and row.target is not None]
        if not found:
            detail = f"RequestId {command.request_id} is no call-out of yours"
            raise RefusedError(Result.WRONG_STATE, detail)
        return max(found, key=lambda row: row.seq)

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
        self, work: Submit, peer: Peer, command: Message, asked: Target, expires_at: int
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
        applied = apply(self._unit.records, self._entry(work, command, asked.owner, None))
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
        asked: Target,
        platform: Peer | None,
        expires_at: int,
        earlier: JournalRow | None,
    ) -> Done:
        applied = apply(self._unit.records, self._entry(work, command, asked.owner, None))
        row = self._journal(
            work,
            applied=applied,
            result=int(Result.ACCEPTED),
            owner=asked.owner,
            target=None if platform is None else platform.id,
            command_seq=None if earlier is None else earlier.seq,
        )
        done = Done(self._response(work.request, Result.ACCEPTED, op_id=_op_id(applied)))
        if platform is None:
            assert applied.event is not None, (
                "only a hang-up of a whole event goes to no platform of its own"
            )
            self._hang_up_all(applied.event.event_pk, expires_at, done)
        else:
            self._to_platform(row, command, platform.id, expires_at, done, earlier)
        return done

    def _to_platform(
        self,
        row: JournalRow,
        command: Message,
        platform_id: str,
        expires_at: int,
        done: Done,
        earlier: JournalRow | None = None,
    ) -> None:
        platform = self._peers.get(platform_id)
        if platform is None or not platform.takes(command.number, command, None):
            return
        if command.number == 201 and not platform.serves(201, None):  # noqa: PLR2004 - the stamp is a courtesy
            return
        self._enqueue(platform, row, command, command.number, earlier, done, expires_at)

    def _hang_up_all(self, event_pk: int, expires_at: int, done: Done) -> None:
        """One 202 for each call of an event that still lives (202 Scope 3, 284 HangupAll)."""
        under = set(self._unit.queries.events_under(event_pk))
        for operation in self._unit.queries.open_operations(("call", "conference")):
            if operation.event_pk not in under:
                continue
            event = self._unit.records.event(event_pk)
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
        newest = self._unit.queues.next_seq(peer.id) - 1
        to_seq = min(newest, command.to_seq or newest)
        backwards = 0 < (command.to_seq or 0) < command.from_seq
        if command.from_seq < 1 or backwards or to_seq - command.from_seq >= REPLAY_MAX:
            raise RefusedError(
                Result.BAD_VALUE,
                f"FromSeq starts at 1, ToSeq is not before it, and at most {REPLAY_MAX} are "
                "replayed at once",
            )
        types = _types_asked(command.numbers)
        asked = self._journal(work, result=1)
        count = self._unit.queues.reopen(peer.id, command.from_seq, to_seq, types)
        gone_to = self._unit.queues.gone_to(peer.id)
        if command.from_seq <= gone_to:
            self.tell_gone(peer, command.from_seq, min(to_seq, gone_to))
        done = Done(self._response(work.request, Result.ACCEPTED), value="reload")
        end = m.ReplayEndNotice(
            request_id=work.request.id, from_seq=command.from_seq, to_seq=to_seq, count=count
        )
        row = self._own_row(end, Applied(), command_seq=asked.seq)
        type_ = as_heard(end.number, peer.role)
        self._enqueue(peer, row, end, type_, asked, done)
        return done

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


def _as_command(message: Message) -> Message:
    try:
        return m.as_command(message)
    except InvalidMessageError as error:
        raise RefusedError(error.result, str(error)) from None


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


def _ids_alarm(peer_id: str) -> str:
    return f"ids.{peer_id}"[:64]


def _platform_of(applied: Applied) -> str | None:
    return None if applied.operation is None else applied.operation.platform
