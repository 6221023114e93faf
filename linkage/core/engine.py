"""The core's thread: a batch of work in, one transaction, what became of each out.

Everything that queued while the last commit ran is the next batch (group commit). Nothing leaves
the thread before its commit.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from linkage.config.core import SweepSettings
from linkage.core.clock_steps import ClockSteps
from linkage.core.delivery.render import outcome_of, render, stored_message
from linkage.core.delivery.resuming import Resumer
from linkage.core.handle.handler import Handler
from linkage.core.jobs import (
    Acknowledge,
    Admitted,
    Alarm,
    AnnounceGaps,
    AuditLiveness,
    DeleteRows,
    Delivery,
    Done,
    DropQueue,
    GiveUp,
    Job,
    LoadMemory,
    LoadQueue,
    Now,
    Observe,
    Record,
    Register,
    SealSegment,
    Submit,
    Sweep,
    about,
)
from linkage.core.notify import as_journalled
from linkage.core.overload.conditions import STORE_RETRY_S
from linkage.core.peers import Peer, Peers
from linkage.core.retention import apply
from linkage.core.rights.commands import RefusedError, check_registration, check_repeatable
from linkage.core.traces import Traces
from linkage.logs.context import subject
from linkage.observation.figures import Histogram
from linkage.ports import EntryKind
from linkage.ports.store import Store, StoreFailedError, UnreadableError
from linkage.store.rows import DeliveryRow, JournalRow
from linkage.tracing.context import Conversations
from protocol.envelope import Request, Response
from protocol.kinds import COMMANDS, is_command
from protocol.messages import CreateEvent, GapCause, GapNotice, as_command
from protocol.registration import peer_id_of
from protocol.results import Result, result_text

logger = logging.getLogger("linkage.core")

SWEEP_MAX: Final = 1000
LOAD_BYTES_MAX: Final = 512 * 1024
"""Bytes of messages that are read of a queue at a time, give or take one message."""
STRANGER_BYTES: Final = 4096
"""Bytes of a refused registration that the journal keeps: strangers do not fill the disk."""
READS_MAX: Final = 5
"""Times that a disk may fail at one delivery; then it is taken for unreadable."""
ANSWER_WITHIN_US: Final = 30 * 1_000_000
"""How long after its expiry a command that was sent may go unanswered; then nobody knows."""
BUGS_MAX: Final = 2
"""Bugs that one notice of a record may meet: when it is handled, and when that is journalled."""
ACKNOWLEDGED: Final = Done()
"""What came of all that was acknowledged: nothing more; nobody adds to it."""


class CoreEngine:
    """Owns the unit of work; used by one thread at a time."""

    def __init__(
        self,
        unit: Store,
        peers: Peers,
        command_expire_s: int,
        *,
        now: Callable[[], float] | None = None,
        writes: Histogram | None = None,
        liveness: SweepSettings | None = None,
        free_bytes: Callable[[], int | None] = lambda: None,
        conversations: Conversations | None = None,
    ) -> None:
        self._time = now
        self._writes = writes
        self._free_bytes = free_bytes
        self._unit = unit
        self._peers = peers
        self._handler = Handler(self._unit, peers, command_expire_s, liveness)
        self._handler.traces = Traces(self._unit, conversations)
        self._clock_steps = ClockSteps(unit, peers.own_id)
        self._resumer = Resumer(unit)
        self.store_error: str | None = None
        """Why the store did not take the last batch; None: it did. Read by other threads."""
        self.disk_free: int | None = None
        """Bytes that the store may still grow by, as of the last sweep; the same."""
        self._unread: Counter[tuple[str, int]] = Counter()
        """Receiver and Seq of what the disk failed at, and how often."""
        self._first_seq = 0
        """Journal rows before it are of earlier processes; 0: not known yet."""
        self.journal_seq = 0
        """The newest journal row that is on disk; the same."""
        self.clock_off_us = 0
        """By how much the wall clock was set, and may be wrong for all that is known; the same."""

    def process(self, batch: Sequence[Job], now: Now) -> list[Done]:
        """Do a batch in one transaction.

        A disk that cannot take it refuses the whole batch (result 404, RetryAfter); a bug in
        handling one piece of work costs that piece only: the batch is done again one by one.
        """
        try:
            done = self._in_one_transaction(batch, now)
        except StoreFailedError as error:
            self.store_error = str(error)
            logger.error("the store took nothing of %d: %s", len(batch), error)  # noqa: TRY400 - a disk, no bug
            return [self.not_now(work) for work in batch]
        except Exception:
            if len(batch) > 1:
                return [self.process([work], now)[0] for work in batch]
            logger.exception(
                "internal error at %s", type(batch[0]).__name__, extra=about(batch[0])
            )
            return [self._around(batch[0], now)]
        self.store_error = None
        return done

    def _in_one_transaction(self, batch: Sequence[Job], now: Now) -> list[Done]:
        handled_at = 0.0
        try:
            subject.describe = about
            with self._unit.transaction():
                self._first_seq = self._first_seq or self._unit.journal.next_seq
                self._clock_steps.look(now)
                self._handler.steps = self._clock_steps.steps
                self._handler.begin(batch, now)
                self._resumer.begin_batch()
                done = [self._do(work, now) for work in batch]
                subject.of = None
                handled_at = 0.0 if self._time is None else self._time()
        except BaseException:
            subject.of = None
            self._handler.forget()
            self._handler.traces.forget()
            self._clock_steps.forget()
            raise
        self._clock_steps.settled(now)
        self.clock_off_us = self._clock_steps.off_us(now.steady_us)
        if self._time is not None and self._writes is not None:
            self._writes.observe(self._time() - handled_at)
        self.journal_seq = self._unit.journal.next_seq - 1
        return done

    @property
    def store_failing(self) -> bool:
        """Whether the store did not take the last batch."""
        return self.store_error is not None

    @staticmethod
    def not_now(work: Job) -> Done:
        """What becomes of work that cannot be written: to be tried again."""
        if not isinstance(work, Submit | Register):
            return Done(value=OSError("the store cannot be written"))
        return Done(_later(work.request, "the store cannot be written now"))

    def _around(self, work: Job, now: Now) -> Done:
        """What can be done of a job after a bug: a notice costs the rest of its record nothing."""
        if isinstance(work, Record) and work.handling is not None:
            work.bugs[work.handling] += 1
            if work.bugs[work.handling] <= BUGS_MAX:
                return self.process([work], now)[0]
        return self._broken(work, now)

    def _broken(self, work: Job, now: Now) -> Done:
        """A bug of ours costs one message: answered 500, kept in the journal to be looked at."""
        if not isinstance(work, Submit | Register):
            return Done(value=RuntimeError("internal error"))
        request = work.request
        if isinstance(work, Submit):
            try:
                with self._unit.transaction():
                    self._handler.begin((), now)
                    return self._refuse_broken(work)
            except StoreFailedError as error:
                # Not on disk, so nothing may be said for good: it comes again, when that may work.
                self.store_error = str(error)
                return self.not_now(work)
            except Exception:
                logger.exception("and it cannot be journalled", extra=about(work))
        return Done(Response(request_id=request.id, type=request.type, result=Result.INTERNAL))

    def _refuse_broken(self, work: Submit) -> Done:
        kept = Submit(work.source, as_journalled(work.request, self._peers.sender(work.source)))
        return self._handler.refuse(kept, Result.INTERNAL, "internal error")

    def _record(self, work: Record) -> Done:
        """Notices, then memory; `value` is what came of each notice."""
        parts: list[Done] = []
        done = Done(value=parts)
        for place, notice in enumerate(work.notices):
            work.handling = place
            bugs = work.bugs[place]
            if not bugs:
                part = self._handler.submit(notice)
            elif bugs == 1:
                part = self._refuse_broken(notice)
            else:  # nor can it be journalled
                part = Done(_response(notice.request, Result.INTERNAL, "internal error"))
            parts.append(part)
            done.deliveries += part.deliveries
            done.answers += part.answers
        work.handling = None
        for key, value in work.memory.items():
            self._unit.memory.save(work.source, key, value)
        return done

    def _do(self, work: Job, now: Now) -> Done:  # noqa: C901, PLR0911 - one line for each kind of work
        subject.of = work
        match work:
            case Submit():
                return self._handler.submit(work)
            case Acknowledge():
                return self._acknowledge(work)
            case LoadQueue():
                return self._load(work, now)
            case Register():
                return self._register(work, now)
            case GiveUp():
                return self._give_up(work)
            case Observe():
                return self._observe(work, now)
            case Alarm():
                done = Done()
                done.value = self._handler.alarm(work, done)
                return done
            case Sweep():
                return self._sweep(work)
            case AuditLiveness():
                return self._handler.audit_liveness()
            case Record():
                return self._record(work)
            case LoadMemory():
                return self._load_memory(work)
            case AnnounceGaps() | DropQueue() | SealSegment() | DeleteRows():
                return apply.keep(self._unit, self._handler, self._peers, work, now)

    # --- registration ----------------------------------------------------------------------------
    def _register(self, work: Register, now: Now) -> Done:
        request = work.request
        now_us = now.utc_us
        try:
            peer, secret, nonce = check_registration(self._peers, request, now.utc)
            if work.under_way is None:
                check_repeatable(request, now.utc, self._unit.nonces.known_since_us)
                self._use_nonce(peer, nonce, now_us)
        except RefusedError as refusal:
            claimed = peer_id_of(request.message) or "?"
            detail = f"{refusal.detail} (from {work.address})"
            logger.warning("registration %d of %s refused: %s", request.type, claimed, detail)
            row = self._row(now_us, EntryKind.STRANGER, claimed, request=request)
            self._unit.journal.append(
                _with(
                    row,
                    result=int(refusal.result),
                    detail=detail,
                    body=request.raw[:STRANGER_BYTES],
                )
            )
            answer = _response(request, refusal.result, result_text(refusal.result))
            return Done(replace(answer, retry_after_s=refusal.retry_after_s))
        under_way = work.under_way or self._resumer.begin(peer.id)
        if not self._resumer.is_latest(peer.id, under_way):
            return Done(_later(request, "a newer registration of this peer came meanwhile"))
        claimed_seq: int | None = getattr(request.message, "last_seq", None)
        newest = self._unit.queues.next_seq(peer.id) - 1
        if claimed_seq is not None and claimed_seq <= newest:
            rest = self._resumer.go_on(peer.id, claimed_seq, under_way)
            if rest is not None:
                return Done(value=rest)
        done = Done(value=Admitted(peer.id, secret))
        last_seq = self._resume(peer, claimed_seq, done)
        self._see(EntryKind.SESSION_OPENED, peer.id, now)
        self._handler.session_opened(peer, getattr(request.message, "boot", None), done)
        row = self._row(now_us, EntryKind.SESSION_OPENED, peer.id, request=request)
        self._unit.journal.append(
            _with(row, result=0, detail=f"from {work.address}, delivery goes on after {last_seq}")
        )
        done.response = Response(
            request_id=request.id,
            type=request.type,
            result=0,
            detail=f"welcome {peer.id}, this is {self._peers.own_id}",
            last_seq=last_seq,
        )
        return done

    def _use_nonce(self, peer: Peer, nonce: str, now_us: int) -> None:
        if not self._unit.nonces.use(peer.id, nonce, now_us):
            raise RefusedError(Result.BAD_CREDENTIALS, "this Nonce was used before")

    def _resume(self, peer: Peer, last_seq: int | None, done: Done) -> int:
        """Where delivery goes on.

        After what the peer says it has, else after what it has acknowledged. One that has more
        than there ever was knows another store than this: what was lost with that one is a gap.
        """
        newest = self._unit.queues.next_seq(peer.id) - 1
        if last_seq is not None and last_seq <= newest:
            gone_to = self._unit.queues.gone_to(peer.id)
            if last_seq < gone_to:
                self._handler.tell_gone(peer, last_seq + 1, gone_to)
            return last_seq
        waiting = self._unit.queues.open(peer.id, 0, 1)
        position = waiting[0].seq - 1 if waiting else newest
        if last_seq is not None:
            gap = GapNotice(from_seq=newest + 1, to_seq=last_seq, cause=GapCause.RESTART)
            self._handler.tell(peer, gap, done)
        return position

    # --- deliveries ------------------------------------------------------------------------------
    def _acknowledge(self, work: Acknowledge) -> Done:
        response = work.response
        state = "done" if response.accepted else "refused"
        self._unit.queues.settle(work.receiver, work.seq, state, response.result)
        for seq in work.further:
            self._unit.queues.settle(work.receiver, seq, state, response.result)
        if response.accepted:
            return ACKNOWLEDGED
        done = Done()
        detail = response.detail or result_text(response.result)
        row = self._request_of(response.request_id)
        self._report(row, response.result, f"{work.receiver}: {detail}", done)
        if row is not None and row.source == self._peers.own_id:
            self._handler.refused_with(work.receiver, row.seq, response.result, done)
        return done

    def _give_up(self, work: GiveUp) -> Done:
        done = Done()
        delivery = self._unit.queues.find(work.receiver, work.seq)
        if delivery is None or delivery.state != "open":
            return done  # answered, or given up, meanwhile
        self._unit.queues.settle(work.receiver, work.seq, "unknown", int(Result.TIMEOUT))
        row = self._unit.journal.find(work.journal_seq)
        detail = f"{work.receiver} may have done it before the link was lost; ask with 215 or 293"
        self._report(row, Result.TIMEOUT, detail, done)
        return done

    def _request_of(self, request_id: str) -> JournalRow | None:
        return self._unit.journal.find(int(request_id)) if request_id.isdecimal() else None

    def _report(self, row: JournalRow | None, result: int, detail: str, done: Done) -> None:
        """Tell the sender of a command that it came to nothing.

        The response it got said only «accepted». That a platform did not note an event's number
        (201) is nobody's failure: the event stands.
        """
        if row is None or row.type is None or row.source not in self._peers.by_id:
            return
        if not is_command(row.type):
            return
        try:
            command = as_command(stored_message(row))
        except Exception:
            # Nor must it stop what else expires: whoever looks after linkage finds it here.
            logger.exception("%s cannot be told: %s", row.source, detail, extra={"seq": row.seq})
            return
        if not isinstance(command, CreateEvent):
            outcome = outcome_of(command, str(row.seq), int(result), detail)
            self._handler.own_notice(outcome, row, done)

    def _load(self, work: LoadQueue, now: Now) -> Done:
        """Open deliveries; `value` tells whether there are no more."""
        rows = self._unit.queues.open(work.receiver, work.after, work.limit)
        done = Done(value=len(rows) < work.limit)
        size = 0
        for row in rows:
            if size >= LOAD_BYTES_MAX:
                done.value = False
                break
            delivery = self._readable(row, now, done)
            if delivery is not None:
                done.deliveries.append(delivery)
                size += delivery.size
        return done

    def _readable(self, row: DeliveryRow, now: Now, done: Done) -> Delivery | None:
        """A delivery, or what its receiver is told instead of one that cannot be read any more.

        Raises:
            Exception: the disk failed at it, as it may not the next time.
        """
        place = row.receiver, row.seq
        try:
            delivery = self._read_delivery(row, now)
        except Exception as error:
            if isinstance(error, UnreadableError):
                self._unread[place] += 1
                if self._unread[place] < READS_MAX:
                    raise
            logger.exception(
                "%s %d cannot be delivered",
                *place,
                extra={"peer": row.receiver, "seq": row.seq, "journal_seq": row.journal_seq},
            )
            self._unread.pop(place, None)
            return self._instead(row, now, done)
        self._unread.pop(place, None)
        return delivery

    def _instead(self, row: DeliveryRow, now: Now, done: Done) -> Delivery | None:
        """What cannot be read today cannot be tomorrow: it must not stop the others.

        Nor is it missed in silence: a notice becomes a 195, of a command the sender is told.
        """
        self._unit.queues.settle(row.receiver, row.seq, "failed", int(Result.INTERNAL))
        if row.expires_at is None:
            peer = self._peers.get(row.receiver)
            told = None if peer is None else self._handler.tell_unreadable(peer, row.seq)
            return None if told is None else self._read_delivery(told, now)
        with suppress(UnreadableError):
            entry = self._unit.journal.find(row.journal_seq)
            self._report(entry, Result.INTERNAL, f"{row.receiver} cannot be sent it", done)
        return None

    def _read_delivery(self, row: DeliveryRow, now: Now) -> Delivery:
        entry = self._unit.journal.find(row.journal_seq)
        assert entry is not None, "the journal only grows"
        command = None if entry.command_seq is None else self._unit.journal.find(entry.command_seq)
        message = stored_message(entry)
        base = as_command(message) if row.type in COMMANDS else message
        trace = self._handler.traces.outgoing(entry, row.receiver)
        request = render(entry, base, row, command, now, trace)
        return Delivery(row, request, entry.recorded_at, len(entry.body))

    def _sweep(self, work: Sweep) -> Done:
        done = Done()
        self.disk_free = self._free_bytes()
        for row in self._unit.queues.expired(work.steady_us, SWEEP_MAX):
            assert row.expires_at is not None, "what never expires has not expired"
            result, state = Result.EXPIRED, "expired"
            detail = f"{row.receiver} did not take it in time"
            if (row.receiver, row.seq) in work.pushed:
                if row.expires_at + ANSWER_WITHIN_US > work.steady_us:
                    continue
                result, state = Result.TIMEOUT, "unknown"
                detail = f"{row.receiver} was sent it and has not answered; ask with 215 or 293"
            elif row.journal_seq < self._first_seq:
                # 309 says that it was not executed; what an earlier process sent nobody knows.
                result, state = Result.TIMEOUT, "unknown"
                detail = f"{row.receiver} may have got it before linkage was started again"
            self._unit.queues.settle(row.receiver, row.seq, state, int(result))
            self._report(self._unit.journal.find(row.journal_seq), result, detail, done)
        return done

    # --- small things ----------------------------------------------------------------------------
    def _see(self, kind: EntryKind, source: str, now: Now) -> None:
        peer = self._peers.get(source)
        if peer is not None and kind in {EntryKind.SESSION_OPENED, EntryKind.SESSION_CLOSED}:
            self._unit.queues.saw(peer.id, peer.role.value, now.utc_us)
            if kind is EntryKind.SESSION_OPENED:
                self._handler.came(peer, now)

    def _observe(self, work: Observe, now: Now) -> Done:
        done = Done()
        if work.kind in {EntryKind.ALARM, EntryKind.ALARM_CLEARED}:
            raised = work.kind is EntryKind.ALARM
            alarm = Alarm(work.source, work.source, work.detail, raised=raised, result=work.result)
            self._handler.alarm(alarm, done)
            return done
        self._see(work.kind, work.source, now)
        self._follow_session(work, now, done)
        row = self._row(now.utc_us, work.kind, work.source)
        self._unit.journal.append(
            _with(row, detail=work.detail, body=work.raw, result=work.result)
        )
        return done

    def _follow_session(self, work: Observe, now: Now, done: Done) -> None:
        repetitions = self._handler.repetitions
        match work.kind:
            case EntryKind.STARTED:
                repetitions.started(now.utc_us)
            case EntryKind.SESSION_OPENED if work.kept:
                repetitions.kept(work.source)
            case EntryKind.SESSION_OPENED:
                self._handler.session_opened(self._peers.by_id[work.source], None, done)
            case EntryKind.SESSION_CLOSED if work.answered is not None:
                repetitions.lost(work.source, now.utc_us, work.answered)
            case _:
                pass

    def _row(
        self, now_us: int, kind: EntryKind, source: str, request: Request | None = None
    ) -> JournalRow:
        return JournalRow(
            seq=self._unit.journal.next_seq,
            recorded_at=now_us,
            kind=kind.value,
            source=source,
            type=None if request is None else request.type,
            request_id=None if request is None else request.id,
            body=b"" if request is None else request.raw,
        )

    def _load_memory(self, work: LoadMemory) -> Done:
        kept = self._unit.memory.load(work.adapter)
        return Done(value={key: _plain(value) for key, value in kept.items()})


def _plain(text: str) -> Any:
    """What an adapter remembered. One value that cannot be read spoils but itself: its text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _response(request: Request, result: int, detail: str) -> Response:
    return Response(request_id=request.id, type=request.type, result=int(result), detail=detail)


def _later(request: Request, detail: str) -> Response:
    """To be tried again."""
    return replace(_response(request, Result.OVERLOAD, detail), retry_after_s=STORE_RETRY_S)


def _with(row: JournalRow, **changes: object) -> JournalRow:
    return replace(row, **changes)  # type: ignore[arg-type]  # dataclasses.replace types each field on its own
