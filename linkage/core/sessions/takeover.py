"""What a session answers while a newer one of its peer registers.

```
 newer: register, LastSeq 5 ──▶ waits for the disk ──▶ accepted: 6, 7, … are open again
 older: answers 7 ────────────▶ held back ───────────▶ dropped: the newer one has not got it
```
Written after the registration, the answer would settle what the newer session is still to get.
Only notices are meant: a command is never sent again, so its answer counts whoever gives it.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from linkage.core.delivery.acknowledge import Acknowledge
from protocol.kinds import is_command

HELD_MAX: Final = 10_000
"""Answers of one peer that wait for a registration, which may take seconds. What is more is
forgotten: it costs a repetition where the registration comes to nothing."""


class Takeover:
    """Of all peers. It belongs to the event loop's thread."""

    def __init__(self) -> None:
        self._registering: Counter[str] = Counter()
        self._held: dict[str, list[Acknowledge]] = {}

    def begin_registration(self, peer_id: str) -> None:
        """Somebody registers as this peer, and says what it has."""
        self._registering[peer_id] += 1

    def holds(self, work: Acknowledge) -> bool:
        """Whether an answer is to wait for what becomes of a registration; then it does."""
        if work.receiver not in self._registering or is_command(work.response.type):
            return False
        held = self._held.setdefault(work.receiver, [])
        if len(held) < HELD_MAX:
            held.append(work)
        return True

    def end_registration(self, peer_id: str, *, accepted: bool) -> list[Acknowledge]:
        """The registration was judged; the answers that count after all."""
        self._registering[peer_id] -= 1
        if accepted:
            self._held.pop(peer_id, None)
        if self._registering[peer_id]:
            return []
        del self._registering[peer_id]
        return self._held.pop(peer_id, [])
