"""Alarms of linkage's own: 197 to everybody whom they concern, once when raised, once when over.

```
 note(Alarm) ──▶ not raised yet? ──▶ journal row (kind Alarm, with the 197) ──▶ queues
```
What is raised is remembered on disk, so that a restart neither repeats an alarm nor forgets to say
that it is over. Who hears of one: every application and monitor, and, mirrored (397, 597), every
screen: an adapter that is down concerns whoever works with its telephones.
"""

from __future__ import annotations

import json
from typing import Any, Final

from linkage.core.delivery.render import one_line
from linkage.core.jobs import Alarm, Done
from linkage.core.notify import Notifier
from linkage.core.peers import Peer
from linkage.ports import EntryKind, Role
from linkage.ports.store import ALARMS
from linkage.store.rows import JournalRow
from protocol import messages as m
from protocol.codec import encode
from protocol.envelope import Request
from protocol.message import Message
from protocol.roles import as_heard

HEAR: Final = (
    Role.APPLICATION,
    Role.MONITOR,
    Role.COMMUNICATION_SCREEN,
    Role.BUSINESS_SCREEN,
)


class AlarmNotifier(Notifier):
    """Raises and clears alarms within the open transaction."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._raised: set[str] | None = None

    def forget(self) -> None:
        """The transaction failed: what is raised must be read again."""
        super().forget()
        self._raised = None

    def alarm(self, alarm: Alarm, done: Done) -> bool:
        """Tell of an alarm, unless it is told already; whether it was news."""
        if self._raised is None:
            self._raised = set(self._unit.memory.load(ALARMS))
        if alarm.raised is (alarm.id in self._raised):
            return False
        (self._raised.add if alarm.raised else self._raised.discard)(alarm.id)
        self._unit.memory.save(ALARMS, alarm.id, json.dumps(alarm.text) if alarm.raised else None)
        notice = notice_of(alarm)
        row = self._alarm_row(alarm, notice)
        for peer in self._peers.of_role(*HEAR):
            type_ = as_heard(notice.number, peer.role)
            if peer.takes(type_, notice, None):
                self._enqueue(peer, row, notice, type_, None, done)
        return True

    def _alarm_row(self, alarm: Alarm, notice: m.AlarmNotice) -> JournalRow:
        seq = self._unit.journal.next_seq
        row = JournalRow(
            seq=seq,
            recorded_at=self._now_us,
            occurred_at=alarm.at,
            kind=(EntryKind.ALARM if alarm.raised else EntryKind.ALARM_CLEARED).value,
            source=alarm.source,
            type=notice.number,
            request_id=str(seq),
            result=alarm.result,
            detail=alarm.text,
            body=encode(Request(id=str(seq), message=notice)),
        )
        self._unit.journal.append(row)
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
    number = as_heard(notice.number, peer.role)
    shown = notice if number == notice.number else m.convert(notice, number) or notice
    return shown if peer.takes(shown.number, shown, None) else None
