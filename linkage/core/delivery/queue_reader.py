"""Reads the open deliveries of a queue; what cannot be read any more stops nobody else's."""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from linkage.core.delivery.gaps import Gaps
from linkage.core.delivery.render import render, stored_message
from linkage.core.own_notices import OwnNotices
from linkage.core.scope import Delivery, Scope
from linkage.core.traces import Traces
from linkage.ports.store import UnreadableError
from linkage.store.rows import DeliveryRow
from protocol.kinds import COMMANDS
from protocol.messages import as_command
from protocol.results import Result

logger = logging.getLogger("linkage.core")

LOAD_BYTES_MAX: Final = 512 * 1024
"""Bytes of messages that are read of a queue at a time, give or take one message."""
READS_MAX: Final = 5
"""Times that a disk may fail at one delivery; then it is taken for unreadable."""


@dataclass(slots=True)
class Loaded:
    """Deliveries of one queue, in order; `complete`: there are no more."""

    complete: bool
    deliveries: list[Delivery] = field(default_factory=list)


class QueueReader:
    """Belongs to the core's thread."""

    def __init__(self, scope: Scope, traces: Traces, own_notices: OwnNotices, gaps: Gaps) -> None:
        self._scope = scope
        self._tx = scope.tx
        self._traces = traces
        self._own_notices = own_notices
        self._gaps = gaps
        self._unread: Counter[tuple[str, int]] = Counter()
        """Receiver and Seq of what the disk failed at, and how often."""

    def load(self, receiver: str, after: int, limit: int) -> Loaded:
        """Open deliveries of a receiver after a position."""
        rows = self._tx.queues.open(receiver, after, limit)
        loaded = Loaded(complete=len(rows) < limit)
        size = 0
        for row in rows:
            if size >= LOAD_BYTES_MAX:
                loaded.complete = False
                break
            delivery = self._readable(row)
            if delivery is not None:
                loaded.deliveries.append(delivery)
                size += delivery.size
        return loaded

    def _readable(self, row: DeliveryRow) -> Delivery | None:
        """A delivery, or what its receiver is told instead of one that cannot be read any more.

        Raises:
            Exception: the disk failed at it, as it may not the next time.
        """
        place = row.receiver, row.seq
        try:
            delivery = self._read_delivery(row)
        except Exception as error:
            if isinstance(error, UnreadableError):
                self._unread[place] += 1
                if self._unread[place] < READS_MAX:
                    raise
            logger.exception(
                "%s: delivery %d cannot be read; a gap is told in its place",
                *place,
                extra={"peer": row.receiver, "seq": row.seq, "journal_seq": row.journal_seq},
            )
            self._unread.pop(place, None)
            return self._instead(row)
        self._unread.pop(place, None)
        return delivery

    def _instead(self, row: DeliveryRow) -> Delivery | None:
        """What cannot be read today cannot be tomorrow: it must not stop the others.

        Nor is it missed in silence: a notice becomes a 195, of a command the sender is told.
        """
        failed = int(Result.INTERNAL)
        self._tx.queues.settle(row.receiver, row.seq, row.journal_seq, "failed", failed)
        if row.expires_at is None:
            peer = self._scope.peers.get(row.receiver)
            told = None if peer is None else self._gaps.tell_unreadable(peer, row.seq)
            return None if told is None else self._read_delivery(told)
        with suppress(UnreadableError):
            entry = self._tx.journal.find(row.journal_seq)
            detail = f"{row.receiver} cannot be sent it"
            self._own_notices.tell_failed(entry, Result.INTERNAL, detail)
        return None

    def _read_delivery(self, row: DeliveryRow) -> Delivery:
        entry = self._tx.journal.find(row.journal_seq)
        assert entry is not None, "the journal only grows"
        command = None if entry.command_seq is None else self._tx.journal.find(entry.command_seq)
        message = stored_message(entry)
        base = as_command(message) if row.type in COMMANDS else message
        trace = self._traces.outgoing(entry, row.receiver)
        request = render(entry, base, row, command, self._scope.now, trace)
        return Delivery(row, request, entry.recorded_at, len(entry.body))
