"""What a registration with a `LastSeq` changes in a queue, spread over many batches.

```
 LastSeq 3 of 9:  1 2 3 | 4 5 6 7 8 9
                        ◀── ◀── ◀──    notices after it are open again, the last ones first
                  ──▶                  then what is open up to it is done
```
A peer may say that it lacks a million messages, and say it again: others are served meanwhile,
and it is let in when all is done. Until then nothing is pushed to its new link, so no order is
broken. Who is not let in, because linkage or the link dies, is promised nothing; nor is anything
lost: what is open again by then comes once more, without a hole in it, and the peer may say
anything at its next registration, which begins anew. What an earlier one has opened costs a
quarter then: who waits ten seconds at a time gets there under any load.

The latest registration of a peer counts: one that came before it, and is not done, is given up,
for what both say cannot be true of one queue.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Final

from linkage.ports.store import Tx
from linkage.store.rows import KEY_MAX

ROWS_MAX: Final = 4000
"""Deliveries that the registrations of one batch open or settle, together: about ten ms."""


@dataclass(frozen=True, slots=True)
class Resumption:
    """How far the queue is prepared for a registration that is genuine.

    `number` counts the registrations of the peer. Notices from `before` on are open again; None:
    all that the peer lacks.
    """

    number: int
    before: int | None


class Resumer:
    """Belongs to the core's thread."""

    def __init__(self, unit: Tx) -> None:
        self._unit = unit
        self._numbers: Counter[str] = Counter()
        self._left = ROWS_MAX

    def begin_batch(self) -> None:
        """A batch begins."""
        self._left = ROWS_MAX

    def begin_registration(self, peer_id: str) -> Resumption:
        """A genuine registration of a peer; whatever is under way for it is given up."""
        self._numbers[peer_id] += 1
        return Resumption(self._numbers[peer_id], KEY_MAX)

    def is_latest(self, peer_id: str, under_way: Resumption) -> bool:
        """Whether no registration of the peer came after that one."""
        return self._numbers[peer_id] == under_way.number

    def go_on(self, peer_id: str, last_seq: int, under_way: Resumption) -> Resumption | None:
        """Do what the batch has room for; what is to go on with in the next one, None: nothing."""
        before = under_way.before
        while before is not None and self._left > 0:
            cost, before = self._unit.queues.reopen_after(peer_id, last_seq, before, self._left)
            self._left -= cost
        while before is None and self._left > 0:
            settled = self._unit.queues.settle_to(peer_id, last_seq, self._left)
            if settled < self._left:
                self._left -= settled
                return None
            self._left = 0
        return replace(under_way, before=before)
