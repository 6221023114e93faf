"""Alarms of linkage's own: 197 to everybody whom they concern, once when raised, once when over.

```
 tell(Alarm) ──▶ not raised yet? ──▶ journal row (kind Alarm, with the 197) ──▶ queues
```
What is raised is remembered on disk, so that a restart neither repeats an alarm nor forgets to say
that it is over. Who hears of one: every application and monitor, and, mirrored (397, 597), every
screen: an adapter that is down concerns whoever works with its telephones.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from linkage.core.delivery.render import one_line
from linkage.core.notifier import Notifier
from linkage.core.peers import Peer
from linkage.core.scope import Scope
from linkage.ports import EntryKind, Role
from linkage.ports.store import ALARMS
from linkage.store.rows import JournalRow
from protocol import messages as m
from protocol.codec import encode
from protocol.envelope import Request
from protocol.message import Message
from protocol.roles import number_for_role

HEAR: Final = (
    Role.APPLICATION,
    Role.MONITOR,
    Role.COMMUNICATION_SCREEN,
    Role.BUSINESS_SCREEN,
)


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something needs a person (197), or does no longer; told once, however often it is said.

    `source` is the peer that it is about, or linkage itself; `level` is `warning`, `major` or
    `critical`; `at` when it began, in microseconds of the wall clock (None: now).
    """

    id: str
    source: str
    text: str
    raised: bool = True
    level: str = "major"
    result: int | None = None
    at: int | None = None


class Alarms:
    """Raises and clears alarms within the open transaction."""

    def __init__(self, scope: Scope, notifier: Notifier) -> None:
        self._scope = scope
        self._tx = scope.tx
        self._notifier = notifier
        self._raised: set[str] | None = None

    def forget(self) -> None:
        """The transaction failed: what is raised must be read again."""
        self._raised = None

    def raised(self, prefix: str = "") -> list[str]:
        """The AlarmIds that are raised and begin so."""
        return sorted(each for each in self._known() if each.startswith(prefix))

    def _known(self) -> set[str]:
        if self._raised is None:
            self._raised = set(self._tx.memory.load(ALARMS))
        return self._raised

    def tell(self, alarm: Alarm) -> bool:
        """Tell of an alarm, unless it is told already; whether it was news."""
        raised = self._known()
        if alarm.raised is (alarm.id in raised):
            return False
        (raised.add if alarm.raised else raised.discard)(alarm.id)
        self._tx.memory.save(ALARMS, alarm.id, json.dumps(alarm.text) if alarm.raised else None)
        notice = notice_of(alarm)
        row = self._alarm_row(alarm, notice)
        for peer in self._scope.peers.of_role(*HEAR):
            type_ = number_for_role(notice.number, peer.role)
            if peer.takes(type_, notice, None):
                self._notifier.enqueue(peer, row, notice, type_)
        return True

    def _alarm_row(self, alarm: Alarm, notice: m.AlarmNotice) -> JournalRow:
        seq = self._tx.journal.next_seq
        row = JournalRow(
            seq=seq,
            recorded_at=self._scope.now_us,
            occurred_at=alarm.at,
            kind=(EntryKind.ALARM if alarm.raised else EntryKind.ALARM_CLEARED).value,
            source=alarm.source,
            type=notice.number,
            request_id=str(seq),
            result=alarm.result,
            detail=alarm.text,
            body=encode(Request(id=str(seq), message=notice)),
        )
        self._tx.journal.append(row)
        return row


def notice_of(alarm: Alarm) -> m.AlarmNotice:
    """The 197 of an alarm."""
    return m.AlarmNotice(
        alarm_id=alarm.id,
        level=alarm.level,
        source=alarm.source,
        text=one_line(alarm.text),
        action=m.AlarmAction.RAISE if alarm.raised else m.AlarmAction.CLEAR,
    )


def told_at_once(alarm: Alarm, peer: Peer) -> Message | None:
    """The alarm as a peer hears it without a place in its queue; None: it does not concern it.

    For when the disk takes nothing, the alarm of that included.
    """
    if peer.role not in HEAR:
        return None
    notice = notice_of(alarm)
    number = number_for_role(notice.number, peer.role)
    shown = notice if number == notice.number else m.convert(notice, number) or notice
    return shown if peer.takes(shown.number, shown, None) else None
