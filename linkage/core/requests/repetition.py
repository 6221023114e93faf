"""Whether a request that reads like an earlier one is that one, again (protocol.md#repetitions).

Platforms and applications that restart count their Ids and CallIds from 1 again: the same bytes
may be a second alarm. So equality proves nothing; what proves it is one of

```
 Resend="1"                      the sender says so
 Time, the same in both          it happened only once
 the same connection             nothing was lost, nobody started anew
 the next connection, where      the earlier one was not answered, or answered shortly before the
                                 loss and nothing that came later shows that the answer was read
```
The first two are the sender's own word. The others are signs, and count neither where both have a
Time, nor over the end of a `Boot`; the state of the calls may contradict them (a 100 cannot repeat
that of a call which has ended). What is no repetition is told, and marked where it may be one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import Enum, auto
from typing import Final

from linkage.correlation.reused_ids import is_over_for
from linkage.ports.store import SESSIONS, Tx
from linkage.store.clock_history import ClockHistory
from linkage.store.rows import JournalRow, to_us
from protocol.envelope import Request

START_TAG: Final = re.compile(
    rb"""<request(?:\s+[^\s=<>]+\s*=\s*(?:"[^"]*"|'[^']*'))*\s*/?>""", re.IGNORECASE
)
KEPT_US: Final = 48 * 3600 * 1_000_000
"""How long a connection is taken for a sign (protocol.md#repetitions asks for 24 h): who uses few
Ids again and again on one connection says the same words a week later, and means something new."""
NEXT_KEPT_US: Final = 3600 * 1_000_000
"""How long after an entry the next connection is taken for a sign: the same bytes hours later are
a second alarm, also where the first one's answer may have been lost."""
LATE_US: Final = 60 * 1_000_000
"""An answer given so long before a connection was lost has been read (protocol.md#repetitions)."""


class Verdict(Enum):
    """What a request is to an earlier one that reads the same."""

    SAME = auto()
    """The same, sent again: done already."""
    DOUBT = auto()
    """No sign that it is the same, and none that it is another: told, and marked."""
    ANOTHER = auto()
    """Another one."""


@dataclass(slots=True)
class Session:
    """One connection of a sender. Places are seqs of the journal.

    Its requests stand from `opened` on and before `closed`; `boot` holds from `boot_since` on.
    Answers up to `answered` had gone out when it was lost, those up to `read` before something
    came of the sender that it sent later. None: not known, as after a crash; `lost_at` is by the
    wall clock, in microseconds. `said`: anything stands there.
    """

    opened: int
    boot: str | None = None
    boot_since: int = 0
    said: bool = False
    read: int | None = 0
    answered: int | None = None
    closed: int | None = None
    lost_at: int | None = None


class Repetitions:
    """Remembers the last two connections of each sender; belongs to the core's thread."""

    def __init__(self, unit: Tx) -> None:
        self._unit = unit
        self._now: dict[str, Session] = {}
        self._before: dict[str, Session | None] = {}
        self._is_read = False

    # --- connections -----------------------------------------------------------------------------
    def begin_batch(self) -> None:
        """A batch begins."""
        if self._is_read:
            return
        for peer_id, text in self._unit.memory.load(SESSIONS).items():
            before, now = json.loads(text)
            self._before[peer_id] = None if before is None else Session(**before)
            self._now[peer_id] = Session(**now)
        self._is_read = True

    def forget(self) -> None:
        """The transaction failed: what is on disk counts."""
        self._now.clear()
        self._before.clear()
        self._is_read = False

    def started(self, now_us: int) -> None:
        """Linkage starts: what was open when it ended was lost then."""
        lost_at = self._unit.journal.found_at
        for peer_id, session in self._now.items():
            if session.lost_at is None:
                self._lost(session, now_us if lost_at is None else lost_at, None)
                self._keep(peer_id)

    def opened(self, peer_id: str, boot: str | None, now_us: int) -> None:
        """A sender has a new connection; one that is open still is replaced by it."""
        seq = self._unit.journal.next_seq
        last = self._now.get(peer_id)
        if last is not None:
            if last.lost_at is None:
                self._lost(last, now_us, None)
            if last.said or self._before.get(peer_id) is None:
                self._before[peer_id] = last
        same_boot = last is not None and boot is not None and last.boot == boot
        since = last.boot_since if same_boot and last is not None else seq
        self._now[peer_id] = Session(opened=seq, boot=boot, boot_since=since)
        self._keep(peer_id)

    def kept(self, peer_id: str) -> None:
        """A connection has outlived the core that took it."""
        session = self._now.get(peer_id)
        if session is not None:
            session.closed = session.lost_at = session.answered = None
            self._keep(peer_id)

    def lost(self, peer_id: str, now_us: int, answered: int) -> None:
        """A sender's connection is gone; answers up to this seq had gone out."""
        session = self._now.get(peer_id)
        if session is not None and session.lost_at is None:
            self._lost(session, now_us, answered)
            self._keep(peer_id)

    def _lost(self, session: Session, at_us: int, answered: int | None) -> None:
        session.closed, session.lost_at, session.answered = (
            self._unit.journal.next_seq,
            at_us,
            answered,
        )

    def said(self, peer_id: str, answered: int) -> None:
        """A sender sent something after answers up to this seq had gone out to it."""
        session = self._now.get(peer_id)
        if session is not None:
            session.read = answered
            if not session.said:
                session.said = True
                self._keep(peer_id)

    def _keep(self, peer_id: str) -> None:
        before, now = self._before.get(peer_id), self._now[peer_id]
        kept = asdict(now)
        if now.lost_at is None:
            kept["read"] = None  # not written each time: after a crash it is not known
        pair = [None if before is None else asdict(before), kept]
        self._unit.memory.save(SESSIONS, peer_id, json.dumps(pair))

    def has_boot(self, peer_id: str) -> bool:
        """Whether a sender says when its Ids begin anew."""
        session = self._now.get(peer_id)
        return session is not None and session.boot is not None

    # --- judging ---------------------------------------------------------------------------------
    def judge(
        self,
        source: str,
        request: Request,
        alike: Sequence[JournalRow],
        steps: ClockHistory,
        now_us: int,
    ) -> tuple[JournalRow, Verdict]:
        """What a request is to those before it that read the same.

        Args:
            source: who sent it.
            request: what came.
            alike: entries of the same sender, Id, Type and body, oldest first; one at least.
            steps: where the clock was set.
            now_us: the wall clock.

        Returns:
            The entry that it repeats, or may repeat, and what it is to that.
        """
        latest = alike[-1]
        if request.resend:
            return latest, Verdict.SAME
        if request.time is not None:
            time = to_us(request.time)
            for row in reversed(alike):
                if row.occurred_at == time:
                    return row, Verdict.SAME
        return latest, self._by_signs(source, request, latest, steps, now_us)

    def _by_signs(
        self, source: str, request: Request, row: JournalRow, steps: ClockHistory, now_us: int
    ) -> Verdict:
        now, before = self._now.get(source), self._before.get(source)
        if now is not None and now.boot is not None and row.seq < now.boot_since:
            return Verdict.ANOTHER
        if None not in {request.time, row.occurred_at}:
            return Verdict.ANOTHER  # they happened at two times
        age_us = now_us - steps.placed(row.seq, row.recorded_at)
        contradicted = is_over_for(
            self._unit.records, row.op_id, row.target or source, request.message
        )
        if now is None or row.seq >= now.opened:
            lacks, sign = now is None or (now.read or 0) < row.seq, age_us <= KEPT_US
        else:
            lacks = before is not None and self._may_lack(row, before, steps)
            sign = lacks and age_us <= NEXT_KEPT_US
        if sign and not contradicted:
            return Verdict.SAME
        return Verdict.ANOTHER if contradicted and not lacks else Verdict.DOUBT

    def _may_lack(self, row: JournalRow, session: Session, steps: ClockHistory) -> bool:
        """Whether the sender of an entry may never have had its answer, on a lost connection."""
        if row.seq < session.opened or session.lost_at is None or session.closed is None:
            return False
        if session.answered is not None and row.seq > session.answered:
            return True
        lost_at = steps.placed(session.closed - 1, session.lost_at)
        if steps.placed(row.seq, row.recorded_at) < lost_at - LATE_US:
            return False
        if session.read is not None:
            return session.read < row.seq
        return not self._unit.journal.said_later(row, session.closed)


def alike(rows: Sequence[JournalRow], request: Request) -> list[JournalRow]:
    """Of entries with the Id of a request those that read the same, whatever their attributes."""
    body = body_of(request.raw)
    return [row for row in rows if row.type == request.type and body_of(row.body) == body]


def body_of(payload: bytes) -> bytes:
    """What stands in a request's element, as it was written; without the element's attributes."""
    start = START_TAG.search(payload)
    return payload if start is None else payload[start.end() :]
