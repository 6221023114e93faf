"""Operations whose end nobody told: their platform is asked, and what it does not know is closed.

```
 open, silent for long ─▶ 215 (or 293) ─┬▶ 193 lists it         left alone, asked again later
                                        ├▶ 193 without it, 301  closed: reason 141, told
                                        └▶ nothing, refused     left open, tried later, one alarm
```
Nothing is closed on suspicion. A platform that speaks the protocol and came back after it was
away is asked about everything that it has not spoken of since: it may have been started anew. An
adapter is not: its resync compares by itself.

Each round looks at a few operations and puts a few questions, the next when those are settled.
What is out stands in memory only: after a crash it is asked again.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from linkage.config.core import SweepSettings
from linkage.core.alarms import Alarm, Alarms
from linkage.core.liveness.probe import (
    EndlessAnswerError,
    Probe,
    Subject,
    last_word,
    subject_of,
)
from linkage.core.notifier import Notifier
from linkage.core.peers import Peer
from linkage.core.scope import Scope
from linkage.correlation import Applied, Entry, apply
from linkage.ports import Role
from linkage.store.rows import Operation
from protocol import messages as m
from protocol.reasons import Reason
from protocol.results import Result, is_accepted

logger = logging.getLogger("linkage.liveness")

KINDS: Final = ("call", "leg", "conference", "member", "recording")
"""What lives, and whose end is a notice that can be missed."""
SCAN_MAX: Final = 100
"""Open operations of a kind that one round looks at; the next looks at the next."""
QUESTIONS_MAX: Final = 20
"""Questions that one platform has to answer at a time: well below the window of a session."""
EXPIRE_US: Final = 30 * 1_000_000
ANSWER_WITHIN_US: Final = 60 * 1_000_000
PAUSE_US: Final = 60 * 1_000_000
PAUSE_MAX_US: Final = 3600 * 1_000_000
ALARM_AFTER: Final = 3
"""Rounds in a row without an answer before somebody is called."""
ASKED_MAX: Final = 20_000
"""Operations of which is remembered when they were asked about last."""
UNKNOWN: Final = frozenset({int(Result.NO_CALL), int(Result.NO_CONFERENCE)})
"""Refusals that are an answer: the platform has no such call."""


@dataclass(slots=True)
class PlatformState:
    """How it stands with the questions to one platform. Times on the steady clock but `since_us`.

    `since_us` (wall clock) and `came_us`: since when this session is; operations that were open
    before and not heard of since are in doubt.
    """

    questions: dict[int, Probe] = field(default_factory=dict)
    failures: int = 0
    not_before_us: int = 0
    since_us: int | None = None
    came_us: int = 0

    def failed(self, steady_us: int) -> None:
        """Nothing came of it: later, and each time later."""
        self.questions.clear()
        self.failures += 1
        pause = min(PAUSE_MAX_US, PAUSE_US * 2 ** min(self.failures - 1, 16))
        self.not_before_us = steady_us + pause


class LivenessAudit:
    """Asks platforms about what is open and silent; within the open transaction."""

    def __init__(
        self,
        scope: Scope,
        notifier: Notifier,
        alarms: Alarms,
        settings: SweepSettings | None = None,
    ) -> None:
        self._scope = scope
        self._tx = scope.tx
        self._peers = scope.peers
        self._notifier = notifier
        self._alarms = alarms
        self._settings = settings
        self._asked: dict[str, PlatformState] = {}
        self._last_asked: OrderedDict[int, int] = OrderedDict()
        self._cursors = dict.fromkeys(KINDS, 0)

    def forget(self) -> None:
        """The transaction failed: what it asked was never sent, and its numbers go to others."""
        self._last_asked.clear()
        for asked in self._asked.values():
            asked.questions.clear()

    def came(self, peer: Peer) -> None:
        """A platform's session begins."""
        if peer.role is Role.PLATFORM and peer.settings is not None:
            asked = self._asked_of(peer)
            asked.since_us, asked.came_us = self._scope.now_us, self._scope.now.steady_us
            asked.failures, asked.not_before_us = 0, 0

    def _asked_of(self, peer: Peer) -> PlatformState:
        return self._asked.setdefault(peer.id, PlatformState())

    # --- a round ---------------------------------------------------------------------------------
    def audit(self) -> None:
        """Give up what was not answered in time; put the next questions."""
        if self._settings is None:
            return
        steady_us = self._scope.now.steady_us
        for platform, asked in self._asked.items():
            if any(item.deadline_us <= steady_us for item in asked.questions.values()):
                peer = self._peers.by_id[platform]
                self._unanswered(peer, asked, "it does not answer")
        for platform, subjects in self._in_doubt(self._settings).items():
            self._ask(self._peers.by_id[platform], self._asked[platform], subjects)

    def _in_doubt(self, settings: SweepSettings) -> dict[str, dict[Subject, list[int]]]:
        """What each platform is to be asked about now, with the operations that depend on it."""
        found: dict[str, dict[Subject, list[int]]] = {}
        for kind in KINDS:
            after = self._cursors[kind]
            rows = self._tx.queries.open_and_heard(kind, after, SCAN_MAX)
            self._cursors[kind] = rows[-1][0].op_id if len(rows) == SCAN_MAX else 0
            for operation, heard_us in rows:
                asked = self._may_ask(operation.platform)
                if asked is None or not self._is_due(operation.op_id, heard_us, asked, settings):
                    continue
                subject = subject_of(operation, self._operation)
                subjects = found.setdefault(operation.platform, {})
                if subject is None:
                    continue
                if subject not in subjects and len(subjects) >= QUESTIONS_MAX:
                    self._cursors[kind] = operation.op_id - 1
                    break
                subjects.setdefault(subject, []).append(operation.op_id)
        return found

    def _may_ask(self, platform: str) -> PlatformState | None:
        """The platform's state; None while it has questions to answer, or is let alone."""
        peer = self._peers.get(platform)
        if peer is None or peer.role is not Role.PLATFORM:
            return None  # it is not configured any more
        asked = self._asked_of(peer)
        waits = asked.questions or self._scope.now.steady_us < asked.not_before_us
        return None if waits else asked

    def _ask(self, peer: Peer, asked: PlatformState, subjects: dict[Subject, list[int]]) -> None:
        problem = _why_not(peer)
        if subjects and problem is not None:
            asked.failures = max(asked.failures, ALARM_AFTER - 1)
            self._unanswered(peer, asked, problem)
            return
        for subject, op_ids in subjects.items():
            self._put(peer, asked, subject, tuple(op_ids))

    def _is_due(
        self, op_id: int, heard_us: int, asked: PlatformState, settings: SweepSettings
    ) -> bool:
        steady_us = self._scope.now.steady_us
        last_us = self._last_asked.get(op_id)
        if heard_us <= self._scope.now_us - settings.after_us:
            return last_us is None or last_us <= steady_us - settings.after_us
        return (
            asked.since_us is not None
            and heard_us < asked.since_us
            and steady_us >= asked.came_us + settings.settle_us
            and (last_us is None or last_us < asked.came_us)
        )

    def _operation(self, op_id: int | None) -> Operation | None:
        return None if op_id is None else self._tx.records.operation(op_id)

    def _put(
        self,
        peer: Peer,
        asked: PlatformState,
        subject: Subject,
        op_ids: tuple[int, ...],
    ) -> None:
        steady_us = self._scope.now.steady_us
        operation = self._tx.records.operation(op_ids[0])
        assert operation is not None, "it was just read"
        event = None if operation.event_pk is None else self._tx.records.event(operation.event_pk)
        query: m.Message = subject.query()
        if not (peer.settings is None or peer.serves(query.number, None)):
            query = m.SnapshotRequest(kind=m.SnapshotKind.ALL)
        row = self._notifier.own_row(query, Applied(operation, event), target=peer.id)
        self._notifier.enqueue(peer, row, query, query.number, None, steady_us + EXPIRE_US)
        deadline_us = steady_us + ANSWER_WITHIN_US
        asked.questions[row.seq] = Probe(peer.id, op_ids, self._scope.now_us, deadline_us)
        for op_id in op_ids:
            self._last_asked[op_id] = steady_us
            self._last_asked.move_to_end(op_id)
        while len(self._last_asked) > ASKED_MAX:
            self._last_asked.popitem(last=False)

    # --- what is answered ------------------------------------------------------------------------
    def answered_with(self, platform: str, seq: int, answer: m.Message) -> None:
        """A platform's 193 that names a request of ours."""
        asked = self._asked.get(platform)
        question = None if asked is None else asked.questions.get(seq)
        if asked is None or question is None:
            return
        if answer.result is not None and not is_accepted(answer.result):
            self.refused_with(platform, seq, answer.result)
        elif isinstance(answer, m.SnapshotNotice):
            try:
                if question.take(answer):
                    self._settle(asked, seq, question)
            except EndlessAnswerError:
                self._unanswered(self._peers.by_id[platform], asked, "it answers endlessly")

    def refused_with(self, platform: str, seq: int, result: int) -> None:
        """A platform's refusal of a request of ours."""
        asked = self._asked.get(platform)
        question = None if asked is None else asked.questions.get(seq)
        if asked is None or question is None:
            return
        if result in UNKNOWN:
            self._settle(asked, seq, question)
        else:
            self._unanswered(self._peers.by_id[platform], asked, f"it answers {result}")

    def _unanswered(self, peer: Peer, asked: PlatformState, problem: str) -> None:
        for question in asked.questions.values():
            for op_id in question.op_ids:
                self._last_asked.pop(op_id, None)
        asked.failed(self._scope.now.steady_us)
        logger.warning(
            "%s cannot be asked about its open calls: %s; asked again later", peer.id, problem
        )
        if asked.failures >= ALARM_AFTER:
            text = f"calls of {peer.id} may have ended unseen, and it cannot be asked: {problem}"
            self._alarms.tell(Alarm(_alarm_id(peer.id), peer.id, text, level="warning"))

    def _settle(self, asked: PlatformState, seq: int, question: Probe) -> None:
        """The answer is complete."""
        del asked.questions[seq]
        asked.failures = 0
        text = f"{question.platform} answers for its calls again"
        over = Alarm(_alarm_id(question.platform), question.platform, text, raised=False)
        self._alarms.tell(over)
        # From the last to the first: a call ends after its legs.
        for op_id in sorted(question.op_ids, reverse=True):
            operation = self._tx.records.operation(op_id)
            if operation is None or operation.ended_at is not None:
                continue
            if question.lives(operation, self._operation) is False and not self._spoke(
                question, op_id
            ):
                self.close(operation)

    def _spoke(self, question: Probe, op_id: int) -> bool:
        """Whether the platform spoke of it since it was asked: then it has not lost it."""
        heard_us = self._tx.journal.last_heard(op_id, question.platform)
        return heard_us is not None and heard_us > question.asked_us

    def close(self, operation: Operation) -> None:
        """End an operation whose end its platform never told; its receivers hear of it."""
        self._last_asked.pop(operation.op_id, None)
        notice = last_word(operation, self._operation(operation.parent), Reason.STATE_LOST)
        entry = Entry(
            seq=self._tx.journal.next_seq,
            at=self._scope.now_us,
            source=operation.platform,
            message=notice,
            reconstructed=True,
            lost=operation.op_id,
        )
        applied = apply(self._tx.records, entry)
        row = self._notifier.own_row(
            notice, applied, target=operation.platform, reconstructed=True
        )
        logger.warning(
            "%s %s of %s ended without a notice: closed with reason %d",
            operation.kind, operation.native, operation.platform, Reason.STATE_LOST,
        )  # fmt: skip
        self._notifier.deliver_notice(row, notice, applied, None, ())


def _why_not(peer: Peer) -> str | None:
    """Why a platform cannot be asked; None: it can."""
    if not peer.connected:
        return "it is not connected"
    if peer.settings is None:
        return None  # an adapter of ours, whose host answers
    asks = (m.QueryCall.number, m.SnapshotRequest.number)
    if peer.legacy or not any(peer.serves(number, None) for number in asks):
        return "it serves neither 215 nor 293"
    return None


def _alarm_id(platform: str) -> str:
    return f"stuck.{platform}"[:64]
