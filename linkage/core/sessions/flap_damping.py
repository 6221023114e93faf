"""Two programs that register as one peer, and take its session from each other over and over.

A second copy that somebody forgot to stop, a standby that thinks it is alone: each registers,
replaces the other, is replaced, and comes again at once. Beyond a few of that, whoever is here
stays, and the other is told when to come again (206). One that comes when nobody is here, as after
a lost network, is never held up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

BURST: Final = 10
"""Replacements at once: a network that flaps leaves sessions behind, too."""
EVERY_S: Final = 5.0
"""One more after so long."""
SUM_EVERY_S: Final = 60.0


@dataclass(slots=True)
class _Feud:
    """About one peer. `due_at`: when the last of its replacements will be paid for."""

    due_at: float = -math.inf
    told_at: float = -math.inf
    untold: int = 0
    last: str = ""


class FlapDamping:
    """Counts replacements by peer, and what is to be said of those that were refused.

    `now` is monotonic seconds.
    """

    def __init__(self) -> None:
        self._feuds: dict[str, _Feud] = {}

    def replaced(self, peer_id: str, now: float) -> None:
        """A session of a peer took the place of another."""
        feud = self._feuds.setdefault(peer_id, _Feud())
        feud.due_at = max(feud.due_at, now) + EVERY_S

    def wait_s(self, peer_id: str, now: float) -> int:
        """For how many seconds a session must not be replaced; 0: it may be."""
        feud = self._feuds.get(peer_id)
        if feud is None:
            return 0
        return max(0, math.ceil(feud.due_at - now - (BURST - 1) * EVERY_S))

    def refused(self, peer_id: str, here: str, other: str, now: float) -> str | None:
        """A registration was refused; what is to be journalled of it now, None: later."""
        feud = self._feuds.setdefault(peer_id, _Feud())
        feud.last = f"{here} is here, {other} wants its place"
        if now - feud.told_at < SUM_EVERY_S:
            feud.untold += 1
            return None
        feud.told_at = now
        return (
            f"registration refused for some seconds: two programs register as {peer_id} and "
            f"replace each other ({feud.last}): stop one of them, or give it an id of its own"
        )

    def sums(self, now: float) -> Iterator[tuple[str, str]]:
        """What was counted since it was told last: peer ids, each with a line for the journal."""
        for peer_id, feud in list(self._feuds.items()):
            if feud.untold and now - feud.told_at >= SUM_EVERY_S:
                text = f"{feud.untold} more registrations refused, two programs replace each other"
                yield peer_id, f"{text}: last, {feud.last}"
                feud.untold, feud.told_at = 0, now
            elif not feud.untold and now - max(feud.told_at, feud.due_at) >= SUM_EVERY_S:
                del self._feuds[peer_id]
