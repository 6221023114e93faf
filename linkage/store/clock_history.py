"""How old an entry is by a wall clock that was set since.

A field machine boots in 1970 until NTP answers; a time server fails and moves everybody a week
ahead and back. `recorded_at` says what the clock said. Wherever it was moved is remembered by the
journal seq, so that ages are those of time that has passed: what is a repetition
(protocol.md#repetitions), and what is old enough to go, do not follow the clock wherever it jumps.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

KEPT_MAX: Final = 32
"""Moves told apart; of more the two oldest count as one, at the later of their places."""


class ClockHistory:
    """Where the clock was moved, and by how much.

    Args:
        moves: microseconds that it was moved ahead, by the seq of the first entry after that.
    """

    __slots__ = ("_moves",)

    def __init__(self, moves: Mapping[int, int] | None = None) -> None:
        self._moves = dict(sorted((moves or {}).items()))

    @property
    def moves(self) -> dict[int, int]:
        """By seq, the oldest first."""
        return dict(self._moves)

    def placed(self, seq: int, recorded_at: int) -> int:
        """When an entry was recorded, as the clock that now is would have said."""
        return recorded_at + sum(by for at, by in self._moves.items() if at > seq)

    def moved(self, seq: int, by_us: int) -> ClockHistory:
        """These, and one more."""
        moves = {**self._moves, seq: self._moves.get(seq, 0) + by_us}
        while len(moves) > KEPT_MAX:
            oldest, second = sorted(moves)[:2]
            moves[second] += moves.pop(oldest)
        return ClockHistory(moves)

    def texts(self) -> dict[str, str]:
        """As they stand in `adapter_memory`."""
        return {str(seq): json.dumps(by) for seq, by in self._moves.items()}

    @staticmethod
    def of_texts(texts: Mapping[str, str]) -> ClockHistory:
        """As they were written."""
        return ClockHistory({int(seq): int(json.loads(by)) for seq, by in texts.items()})
