"""195: what a receiver is told of places in its queue that are kept no longer, or not readable."""

from __future__ import annotations

from datetime import datetime

from linkage.core.notifier import Notifier
from linkage.core.own_notices import own_type
from linkage.core.peers import Peer
from linkage.core.scope import Scope
from linkage.correlation import Applied
from linkage.store.rows import DeliveryRow
from protocol import messages as m
from protocol.codec import decode
from protocol.envelope import Request


class Gaps:
    """Puts a 195 in the place of what is gone, so that it is read before all that is left."""

    def __init__(self, scope: Scope, notifier: Notifier) -> None:
        self._tx = scope.tx
        self._notifier = notifier

    def tell_gone(
        self,
        peer: Peer,
        from_seq: int,
        to_seq: int,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> None:
        """195 for Seqs that are kept no longer; it takes the place of the last one that is gone.

        So it is read before all that is left. One that stands there unread is joined with it.
        """
        earlier = self.unread_gap(peer.id)
        if earlier is not None and earlier.from_seq is not None:
            if earlier.from_seq <= from_seq and to_seq <= (earlier.to_seq or 0):
                return
            from_seq = min(from_seq, earlier.from_seq)
            to_seq = max(to_seq, earlier.to_seq or 0)
            since, until = earlier.since or since, until or earlier.until
        notice = m.GapNotice(
            from_seq=from_seq, to_seq=to_seq, cause=m.GapCause.OVERFLOW, since=since, until=until
        )
        type_ = own_type(peer, notice)
        if type_ is not None:
            row = self._notifier.own_row(notice, Applied())
            self._tx.queues.put(
                DeliveryRow(
                    receiver=peer.id,
                    seq=self._tx.queues.gone_to(peer.id),
                    journal_seq=row.seq,
                    type=type_,
                )
            )

    def tell_unreadable(self, peer: Peer, seq: int) -> DeliveryRow | None:
        """195 in the place of a notice that cannot be read any more; None: the peer hears none."""
        notice = m.GapNotice(from_seq=seq, to_seq=seq)
        type_ = own_type(peer, notice)
        if type_ is None:
            return None
        row = self._notifier.own_row(notice, Applied())
        told = DeliveryRow(receiver=peer.id, seq=seq, journal_seq=row.seq, type=type_)
        self._tx.queues.put(told)
        return told

    def unread_gap(self, receiver: str) -> m.GapNotice | None:
        """The 195 that stands in the place of what is gone of a queue, until it is answered."""
        delivery = self._tx.queues.find(receiver, self._tx.queues.gone_to(receiver))
        if delivery is None or delivery.state != "open":
            return None
        row = self._tx.journal.find(delivery.journal_seq)
        item = None if row is None else decode(row.body)
        message = item.message if isinstance(item, Request) else None
        return message if isinstance(message, m.GapNotice) else None
