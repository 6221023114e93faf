"""The job of a registration, judged in the core's thread because the nonce is on disk."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Final

from linkage.config.secrets import Secret
from linkage.core.context import Context
from linkage.core.delivery.resuming import Resumption
from linkage.core.job import Job
from linkage.core.measures import Measures, Times
from linkage.core.overload.holds import STORE_RETRY_S
from linkage.core.own_entries import open_session
from linkage.core.peers import Peer
from linkage.core.requests.incoming import not_written, respond
from linkage.core.rights.refusal import RefusedError
from linkage.core.rights.registration import check_registration, check_repeatable
from linkage.core.scope import Done
from linkage.ports import EntryKind
from linkage.store.rows import JournalRow
from protocol.envelope import Request, Response
from protocol.messages import GapCause, GapNotice
from protocol.registration import peer_id_of
from protocol.results import Result, result_text

logger = logging.getLogger("linkage.core")

STRANGER_BYTES: Final = 4096
"""Bytes of a refused registration that the journal keeps: strangers do not fill the disk."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A registration was accepted: whose it is, by which of its secrets."""

    response: Response
    peer_id: str
    secret: Secret


@dataclass(frozen=True, slots=True)
class Register(Job[Admitted | Response | Resumption]):
    """It comes again with what it brought, `under_way`, as long as that is a `Resumption`.

    A `Response` refuses it.
    """

    request: Request
    address: str
    under_way: Resumption | None = None

    def run(self, context: Context) -> Admitted | Response | Resumption:
        """See `CorePort.register`."""
        tx, request = context.tx, self.request
        try:
            peer, secret = self._judge(context)
        except RefusedError as refusal:
            return self._refuse(context, refusal)
        under_way = self.under_way or context.resumer.begin_registration(peer.id)
        if not context.resumer.is_latest(peer.id, under_way):
            return respond(
                request,
                Result.OVERLOAD,
                "a newer registration of this peer came meanwhile",
                retry_after_s=STORE_RETRY_S,
            )
        claimed_seq: int | None = getattr(request.message, "last_seq", None)
        newest = tx.queues.next_seq(peer.id) - 1
        if claimed_seq is not None and claimed_seq <= newest:
            rest = context.resumer.go_on(peer.id, claimed_seq, under_way)
            if rest is not None:
                return rest
        last_seq = _resume(context, peer, claimed_seq)
        open_session(context, peer, getattr(request.message, "boot", None))
        detail = f"from {self.address}, delivery goes on after {last_seq}"
        self._journal(context, EntryKind.SESSION_OPENED, peer.id, result=0, detail=detail)
        welcome = f"welcome {peer.id}, this is {context.peers.own_id}"
        response = replace(respond(request, Result.OK, welcome), last_seq=last_seq)
        return Admitted(response, peer.id, secret)

    def _judge(self, context: Context) -> tuple[Peer, Secret]:
        now = context.scope.now
        peer, secret, nonce = check_registration(context.peers, self.request, now.utc)
        if self.under_way is None:
            check_repeatable(self.request, now.utc, context.tx.nonces.known_since_us)
            if not context.tx.nonces.use(peer.id, nonce, now.utc_us):
                raise RefusedError(Result.BAD_CREDENTIALS, "this Nonce was used before")
        return peer, secret

    def _refuse(self, context: Context, refusal: RefusedError) -> Response:
        request, result = self.request, refusal.result
        claimed = peer_id_of(request.message) or "?"
        detail = f"{refusal.detail} (from {self.address})"
        logger.warning("registration %d of %s refused: %s", request.type, claimed, detail)
        self._journal(context, EntryKind.STRANGER, claimed, result=int(result), detail=detail)
        return respond(request, result, result_text(result), retry_after_s=refusal.retry_after_s)

    def _journal(
        self, context: Context, kind: EntryKind, source: str, *, result: int, detail: str
    ) -> None:
        raw = self.request.raw
        context.tx.journal.append(
            JournalRow(
                seq=context.tx.journal.next_seq,
                recorded_at=context.scope.now_us,
                kind=kind.value,
                source=source,
                type=self.request.type,
                request_id=self.request.id,
                result=result,
                detail=detail,
                body=raw[:STRANGER_BYTES] if kind is EntryKind.STRANGER else raw,
            )
        )

    def measure(
        self, measures: Measures, done: Done[Admitted | Response | Resumption], times: Times
    ) -> None:
        """See `Job.measure`."""
        brought = done.value
        if not isinstance(brought, Resumption):
            if brought is None:
                response = not_written(self.request, done.error)
            else:
                response = brought.response if isinstance(brought, Admitted) else brought
            claimed = peer_id_of(self.request.message) or "?"
            measures.handled(
                claimed, self.request, response, None, (), times, {"address": self.address}
            )
        if done.deliveries:
            measures.own_messages(done.deliveries, times)


def _resume(context: Context, peer: Peer, last_seq: int | None) -> int:
    """Where delivery goes on.

    After what the peer says it has, else after what it has acknowledged. One that has more than
    there ever was knows another store than this: what was lost with that one is a gap.
    """
    tx = context.tx
    newest = tx.queues.next_seq(peer.id) - 1
    if last_seq is not None and last_seq <= newest:
        gone_to = tx.queues.gone_to(peer.id)
        if last_seq < gone_to:
            context.gaps.tell_gone(peer, last_seq + 1, gone_to)
        return last_seq
    waiting = tx.queues.open(peer.id, 0, 1)
    position = waiting[0].seq - 1 if waiting else newest
    if last_seq is not None:
        gap = GapNotice(from_seq=newest + 1, to_seq=last_seq, cause=GapCause.RESTART)
        context.own_notices.tell_peer(peer, gap)
    return position
