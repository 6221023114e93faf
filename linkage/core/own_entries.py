"""The jobs of linkage's own entries in the journal: observations and alarms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from linkage.core.alarms import Alarm
from linkage.core.context import Context
from linkage.core.job import Job
from linkage.core.peers import Peer
from linkage.ports import EntryKind
from linkage.store.rows import JournalRow

ALARMS: Final = frozenset({EntryKind.ALARM, EntryKind.ALARM_CLEARED})


@dataclass(frozen=True, slots=True)
class Observe(Job[None]):
    """An entry of linkage's own.

    Of a session that opens, `kept`: its connection has outlived a core; of one that is lost,
    `answered` as of `Incoming`, None where a newer one has taken its place.
    """

    source: str
    kind: EntryKind
    detail: str
    raw: bytes = b""
    result: int | None = None
    kept: bool = False
    answered: int | None = None

    is_kept: ClassVar[bool] = True

    def run(self, context: Context) -> None:
        """Journal it; an alarm is told as well."""
        if self.kind in ALARMS:
            raised = self.kind is EntryKind.ALARM
            context.alarms.tell(
                Alarm(self.source, self.source, self.detail, raised=raised, result=self.result)
            )
            return
        self._follow_session(context)
        context.tx.journal.append(
            JournalRow(
                seq=context.tx.journal.next_seq,
                recorded_at=context.scope.now_us,
                kind=self.kind.value,
                source=self.source,
                detail=self.detail,
                body=self.raw,
                result=self.result,
            )
        )

    def _follow_session(self, context: Context) -> None:
        repetitions, now_us = context.requests.repetitions, context.scope.now_us
        match self.kind:
            case EntryKind.STARTED:
                repetitions.started(now_us)
            case EntryKind.SESSION_OPENED if not self.kept:
                open_session(context, context.peers.by_id[self.source], None)
            case EntryKind.SESSION_OPENED:
                note_presence(context, self.kind, self.source)
                repetitions.kept(self.source)
            case EntryKind.SESSION_CLOSED:
                note_presence(context, self.kind, self.source)
                if self.answered is not None:
                    repetitions.lost(self.source, now_us, self.answered)
            case _:
                pass


@dataclass(frozen=True, slots=True)
class TellAlarm(Job[bool]):
    """Something needs a person (197), or does no longer; told once, however often it is said."""

    alarm: Alarm

    probes: ClassVar[bool] = True
    is_kept: ClassVar[bool] = True

    def run(self, context: Context) -> bool:
        """Whether it was news."""
        return context.alarms.tell(self.alarm)


@dataclass(frozen=True, slots=True)
class RaisedAlarms(Job[list[str]]):
    """The AlarmIds that are raised and begin so; an earlier process may have raised them."""

    prefix: str

    only_reads: ClassVar[bool] = True

    def run(self, context: Context) -> list[str]:
        """In order."""
        return context.alarms.raised(self.prefix)


def note_presence(context: Context, kind: EntryKind, source: str) -> None:
    """Keep when a peer was here last; a platform that comes is asked what lives there."""
    peer = context.peers.get(source)
    if peer is None or kind not in {EntryKind.SESSION_OPENED, EntryKind.SESSION_CLOSED}:
        return
    context.tx.queues.saw(peer.id, peer.role.value, context.scope.now_us)
    if kind is EntryKind.SESSION_OPENED:
        context.liveness.came(peer)


def open_session(context: Context, peer: Peer, boot: str | None) -> None:
    """A peer has a new connection; `boot` says since when its Ids are new, where it tells."""
    note_presence(context, EntryKind.SESSION_OPENED, peer.id)
    context.requests.session_opened(peer, boot)
