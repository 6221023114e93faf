"""The journal of requests: which were there before, and the entry that each of them gets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from linkage.core.alarms import Alarm, Alarms
from linkage.core.notifier import Notifier
from linkage.core.peers import Peer
from linkage.core.requests.incoming import Handled, Incoming, respond
from linkage.core.requests.repetition import Repetitions, Verdict, alike
from linkage.core.scope import Scope
from linkage.correlation import Applied, Entry, natives_of
from linkage.ports import EntryKind
from linkage.store.rows import GIVEN_AGAIN, MAY_REPEAT, JournalRow, to_us
from protocol.kinds import NOTICES
from protocol.message import Message

MESSAGE: Final = EntryKind.MESSAGE.value
REFUSED: Final = EntryKind.REFUSED.value
REQUESTS: Final = (MESSAGE, REFUSED)
"""Kinds of the entries that a repetition can repeat."""


class RequestJournal:
    """Of the requests of one batch; belongs to the core's thread."""

    def __init__(
        self, scope: Scope, notifier: Notifier, alarms: Alarms, repetitions: Repetitions
    ) -> None:
        self._scope = scope
        self._tx = scope.tx
        self._notifier = notifier
        self._traces = notifier.traces
        self._alarms = alarms
        self.repetitions = repetitions
        self.seen: dict[tuple[str, str], list[JournalRow]] = {}
        """By sender and Id: what was journalled under the Ids of the batch before."""
        self._repeats = False
        """Whether an Id comes more than once in the batch: else what is journalled of it need not
        be found by its other messages."""
        self.given_again: str | None = None
        """What the entry of the request in work says where its Id was given before."""

    def begin_batch(self, batch: Sequence[Incoming]) -> None:
        """Look up at once which requests of a batch were journalled before."""
        self.given_again = None
        self.seen = {}
        self.repetitions.begin_batch()
        keys: list[tuple[str, str]] = []
        natives: set[tuple[str, str]] = set()
        for incoming in batch:
            source, request = incoming.source, incoming.request
            keys.append((source, request.id))
            message = request.message
            if message.number in NOTICES:
                for native in natives_of(message):
                    natives.add((source, native))
        self._tx.records.prefetch(natives)
        distinct = set(keys)
        self._repeats = len(distinct) < len(keys)
        for row in self._tx.journal.find_requests(distinct):
            if row.kind in REQUESTS and row.type is not None:
                self._keep_seen(row)

    def _keep_seen(self, row: JournalRow) -> None:
        """A request that was journalled, after those that stand before it."""
        self.seen.setdefault((row.source, str(row.request_id)), []).append(row)

    def find_repeated(self, incoming: Incoming) -> JournalRow | None:
        """The entry that a request repeats.

        None: it is new, and is journalled as such where one with its Id, Type and body was there
        before. People are told of a sender that gives Ids again without saying so: what it sends
        again after a loss will be told again, and marked, since nobody can tell it apart.
        """
        source, request = incoming.source, incoming.request
        found = alike(self.seen.get((source, request.id), ()), request)
        if not found:
            return None
        row, verdict = self.repetitions.judge(
            source, request, found, self._scope.steps, self._scope.now_us
        )
        if verdict is Verdict.SAME:
            return row
        in_doubt = verdict is Verdict.DOUBT
        entry = f"{GIVEN_AGAIN} {row.seq}"
        self.given_again = f"{entry}: {MAY_REPEAT if in_doubt else 'another one'}"
        self._tx.journal.append(
            JournalRow(
                seq=self._tx.journal.next_seq,
                recorded_at=self._scope.now_us,
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
            self._alarms.tell(Alarm(ids_alarm(source), source, text, level="warning"))
        return None

    def refuse(self, incoming: Incoming, result: int, detail: str) -> Handled:
        """Nothing happens but an entry in the journal."""
        row = self.journal(incoming, kind=REFUSED, result=int(result), detail=detail)
        return Handled(respond(incoming.request, result, detail), row)

    def session_opened(self, peer: Peer, boot: str | None) -> None:
        """A peer has a new connection; `boot` says since when its Ids are new, where it tells."""
        self.repetitions.opened(peer.id, boot, self._scope.now_us)
        if boot is not None:
            text = f"{peer.id} says by its Boot when its Ids begin anew"
            self._alarms.tell(Alarm(ids_alarm(peer.id), peer.id, text, raised=False))

    # --- writing ---------------------------------------------------------------------------------
    def entry(
        self, incoming: Incoming, message: Message, owner: str | None, command: JournalRow | None
    ) -> Entry:
        """The request as correlation takes it; `message` is what it means."""
        occurred = incoming.request.time
        return Entry(
            seq=self._tx.journal.next_seq,
            at=self._scope.now_us if occurred is None else to_us(occurred),
            source=incoming.source,
            message=message,
            owner=owner,
            command_event=None if command is None else command.event_pk,
            command_seq=None if command is None else command.seq,
            reconstructed=incoming.reconstructed,
            given_again=self.given_again is not None,
        )

    def journal(
        self,
        incoming: Incoming,
        *,
        result: int,
        kind: str = MESSAGE,
        applied: Applied | None = None,
        owner: str | None = None,
        target: str | None = None,
        command_seq: int | None = None,
        detail: str | None = None,
    ) -> JournalRow:
        """Write the entry of a request, with what correlation found of it."""
        request = incoming.request
        message = request.message
        if detail is None:
            detail = self.given_again
        row = JournalRow(
            seq=self._tx.journal.next_seq,
            recorded_at=self._scope.now_us,
            kind=kind,
            source=incoming.source,
            occurred_at=None if request.time is None else to_us(request.time),
            type=message.number,
            request_id=request.id,
            owner=owner,
            command_seq=command_seq,
            target=target,
            trace=request.trace,
            result=result,
            detail=detail,
            reconstructed=incoming.reconstructed,
            body=request.raw,
        )
        self._notifier.put_found(row, applied, message)
        if self._traces.begun or command_seq is not None:
            row.trace = self._traces.of_request(row, request.trace, applied)
        self._tx.journal.append(row)
        if self._repeats:
            self._keep_seen(row)
        self._scope.row = row
        return row


def ids_alarm(peer_id: str) -> str:
    """The alarm of a sender that gives request Ids again."""
    return f"ids.{peer_id}"[:64]
