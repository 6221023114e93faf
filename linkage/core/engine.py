"""The core's thread: a batch of work in, one transaction, what became of each out.

Everything that queued while the last commit ran is the next batch (group commit). Nothing leaves
the thread before its commit.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from linkage.core.access import RefusedError, check_registration
from linkage.core.handling import Handler
from linkage.core.peers import Peer, Peers
from linkage.core.render import COMMANDS, outcome_of, render, stored_message
from linkage.core.work import (
    Acknowledge,
    Delivery,
    Done,
    GiveUp,
    LoadQueue,
    Observe,
    Recall,
    Register,
    Remember,
    Submit,
    Sweep,
    Work,
)
from linkage.ports import EntryKind, Role
from linkage.store.rows import JournalRow, to_us
from linkage.store.unit import StoreFailedError, UnitOfWork
from protocol.dialect import Dialect
from protocol.envelope import Request, Response
from protocol.messages import as_command
from protocol.registration import peer_id_of, signed_fields
from protocol.results import Result, result_text

logger = logging.getLogger("linkage.core")

RETRY_AFTER_S: Final = 5
SWEEP_MAX: Final = 1000


class CoreEngine:
    """Owns the unit of work; used by one thread at a time."""

    def __init__(self, unit: UnitOfWork, peers: Peers, command_expire_s: int) -> None:
        self._unit = unit
        self._peers = peers
        self._handler = Handler(self._unit, peers, command_expire_s)

    def process(self, batch: Sequence[Work], now: datetime) -> list[Done]:
        """Do a batch in one transaction.

        A disk that cannot take it refuses the whole batch (result 404, RetryAfter); a bug in
        handling one piece of work costs that piece only: the batch is done again one by one.
        """
        try:
            return self._in_one_transaction(batch, now)
        except StoreFailedError as error:
            logger.error("the store took nothing of %d: %s", len(batch), error)  # noqa: TRY400
            return [self._not_now(work) for work in batch]
        except Exception:
            if len(batch) > 1:
                return [self.process([work], now)[0] for work in batch]
            logger.exception("internal error at %s", type(batch[0]).__name__)
            return [self._broken(batch[0])]

    def _in_one_transaction(self, batch: Sequence[Work], now: datetime) -> list[Done]:
        with self._unit.transaction():
            self._handler.begin(batch, to_us(now))
            return [self._do(work, now) for work in batch]

    @staticmethod
    def _not_now(work: Work) -> Done:
        if not isinstance(work, Submit | Register):
            return Done(value=OSError("the store cannot be written"))
        response = Response(
            request_id=work.request.id,
            type=work.request.type,
            result=Result.OVERLOAD,
            detail="the store cannot be written now",
            retry_after_s=RETRY_AFTER_S,
        )
        return Done(response)

    @staticmethod
    def _broken(work: Work) -> Done:
        if not isinstance(work, Submit | Register):
            return Done(value=RuntimeError("internal error"))
        return Done(
            Response(request_id=work.request.id, type=work.request.type, result=Result.INTERNAL)
        )

    def _do(self, work: Work, now: datetime) -> Done:  # noqa: PLR0911 - one line for each kind of work
        match work:
            case Submit():
                return self._handler.submit(work, now)
            case Acknowledge():
                return self._acknowledge(work, to_us(now))
            case LoadQueue():
                return self._load(work, to_us(now))
            case Register():
                return self._register(work, now)
            case GiveUp():
                return self._give_up(work, to_us(now))
            case Observe():
                self._observe(work, to_us(now))
                return Done()
            case Sweep():
                return self._sweep(work, to_us(now))
            case Remember():
                return self._remember(work)
            case Recall():
                return self._recall(work)

    # --- registration ----------------------------------------------------------------------------
    # -------------------
    def _register(self, work: Register, now: datetime) -> Done:
        request = work.request
        now_us = to_us(now)
        try:
            peer = check_registration(self._peers, request, now)
            self._use_nonce(peer, signed_fields(request).nonce, now_us)
        except RefusedError as refusal:
            claimed = peer_id_of(request.message) or "?"
            detail = f"{refusal.detail} (from {work.address})"
            row = self._row(now_us, EntryKind.STRANGER, claimed, request=request)
            self._unit.append(_with(row, result=int(refusal.result), detail=detail))
            return Done(_response(request, refusal.result, result_text(refusal.result)))
        last_seq = self._resume(peer, getattr(request.message, "last_seq", None))
        row = self._row(now_us, EntryKind.SESSION_OPENED, peer.id, request=request)
        self._unit.append(
            _with(row, result=0, detail=f"from {work.address}, delivery goes on after {last_seq}")
        )
        detail = f"welcome {peer.id}, this is {self._peers.own_id}"
        return Done(
            Response(
                request_id=request.id,
                type=request.type,
                result=0,
                detail=detail,
                last_seq=last_seq,
            ),
            value=peer.id,
        )

    def _use_nonce(self, peer: Peer, nonce: str, now_us: int) -> None:
        if not self._unit.use_nonce(peer.id, nonce, now_us):
            raise RefusedError(Result.BAD_CREDENTIALS, "this Nonce was used before")

    def _resume(self, peer: Peer, last_seq: int | None) -> int:
        """Where delivery goes on.

        After what the peer says it has, else after what it has acknowledged.
        """
        newest = self._unit.next_delivery_seq(peer.id) - 1
        if last_seq is not None and last_seq <= newest:
            self._unit.resume_at(peer.id, last_seq)
            return last_seq
        waiting = self._unit.open_deliveries(peer.id, 0, 1)
        return waiting[0].seq - 1 if waiting else newest

    # --- deliveries ------------------------------------------------------------------------------
    # -------------------
    def _acknowledge(self, work: Acknowledge, now_us: int) -> Done:
        response = work.response
        state = "done" if response.accepted else "refused"
        self._unit.set_delivery(work.receiver, work.seq, state, response.result)
        done = Done()
        peer = self._peers.get(work.receiver)
        if not response.accepted and peer is not None and peer.role is Role.PLATFORM:
            row = self._command_of(response.request_id)
            detail = response.detail or result_text(response.result)
            self._report(row, response.result, f"{work.receiver}: {detail}", now_us, done)
        return done

    def _give_up(self, work: GiveUp, now_us: int) -> Done:
        done = Done()
        self._unit.set_delivery(work.receiver, work.seq, "unknown", int(Result.TIMEOUT))
        row = self._unit.find_journal(work.journal_seq)
        detail = f"{work.receiver} may have done it before the link was lost; ask with 215 or 293"
        self._report(row, Result.TIMEOUT, detail, now_us, done)
        return done

    def _command_of(self, request_id: str) -> JournalRow | None:
        return self._unit.find_journal(int(request_id)) if request_id.isdigit() else None

    def _report(
        self, row: JournalRow | None, result: int, detail: str, now_us: int, done: Done
    ) -> None:
        """Tell the sender of a command that it came to nothing.

        The response it got said only «accepted».
        """
        if row is None or row.request_id is None or row.source not in self._peers.by_id:
            return
        command = as_command(stored_message(row, self._dialect(row.source)))
        if command.number == 201:  # noqa: PLR2004 - the event stands, whether or not the platform noted its number
            return
        outcome = outcome_of(command, str(row.seq), int(result), detail)
        self._handler.own_notice(outcome, row, now_us, done)

    def _dialect(self, peer_id: str) -> Dialect:
        return self._handler.dialect(peer_id)

    def _load(self, work: LoadQueue, now_us: int) -> Done:
        done = Done()
        for row in self._unit.open_deliveries(work.receiver, work.after, work.limit):
            entry = self._unit.find_journal(row.journal_seq)
            if entry is None:
                continue
            command = (
                None if entry.command_seq is None else self._unit.find_journal(entry.command_seq)
            )
            message = stored_message(entry, self._dialect(entry.source))
            base = as_command(message) if row.type in COMMANDS else message
            done.deliveries.append(Delivery(row, render(entry, base, row, command, now_us)))
        return done

    def _sweep(self, work: Sweep, now_us: int) -> Done:
        done = Done()
        for row in self._unit.expired(now_us, SWEEP_MAX):
            if (row.receiver, row.seq) in work.pushed:
                continue
            self._unit.set_delivery(row.receiver, row.seq, "expired", int(Result.EXPIRED))
            entry = self._unit.find_journal(row.journal_seq)
            self._report(
                entry, Result.EXPIRED, f"{row.receiver} did not take it in time", now_us, done
            )
        return done

    # --- small things ----------------------------------------------------------------------------
    # -------------------
    def _observe(self, work: Observe, now_us: int) -> None:
        row = self._row(now_us, work.kind, work.source)
        self._unit.append(_with(row, detail=work.detail, body=work.raw, result=work.result))

    def _row(
        self, now_us: int, kind: EntryKind, source: str, request: Request | None = None
    ) -> JournalRow:
        return JournalRow(
            seq=self._unit.next_seq,
            recorded_at=now_us,
            kind=kind.value,
            source=source,
            type=None if request is None else request.type,
            request_id=None if request is None else request.id,
            body=b"" if request is None else request.raw,
        )

    def _remember(self, work: Remember) -> Done:
        self._unit.remember(work.adapter, work.key, work.value)
        return Done()

    def _recall(self, work: Recall) -> Done:
        kept = self._unit.recall(work.adapter)
        return Done(value={key: json.loads(value) for key, value in kept.items()})


def _response(request: Request, result: int, detail: str) -> Response:
    return Response(request_id=request.id, type=request.type, result=int(result), detail=detail)


def _with(row: JournalRow, **changes: object) -> JournalRow:
    return replace(row, **changes)  # type: ignore[arg-type]  # dataclasses.replace types each field on its own
