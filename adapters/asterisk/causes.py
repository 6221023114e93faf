"""Why a leg ended: Q.850 causes as Asterisk gives them, to the reasons of the protocol and back.

The table itself is protocol.md#reasons (`protocol.reasons`); here are Asterisk's own ways.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from protocol.reasons import Reason, reason_from_q850

NORMAL_CLEARING: Final = 16
SILENT: Final = frozenset({None, 0, 127})
"""Causes that say nothing: a BYE without a Reason header comes as 0 or none, a CANCEL as 127."""

HANGUP_WORDS: Final[Mapping[int, str]] = {
    Reason.BUSY: "busy",
    Reason.NO_ANSWER: "no_answer",
    Reason.ANSWERED_ELSEWHERE: "answered_elsewhere",
    Reason.CONGESTION: "congestion",
    Reason.UNREACHABLE: "congestion",
    Reason.UNALLOCATED: "unallocated",
    Reason.REJECTED: "rejected",
}
"""Reason → `reason` of DELETE /channels, so that a telephone that was not answered hears why."""


def reason_of(cause: int | None, *, answered: bool) -> Reason:
    """The reason why a party that we did not hang up is gone."""
    if answered:
        return Reason.NORMAL if cause in SILENT else reason_from_q850(cause or 0)
    if cause in SILENT:
        return Reason.CALL_FAILED
    # A telephone that was rung and went without an answer did not clear "normally".
    if cause == NORMAL_CLEARING:
        return Reason.NO_ANSWER
    return reason_from_q850(cause or 0)


def hangup_word(reason: int | None) -> str:
    """What Asterisk is told when we hang up a channel for a reason."""
    return HANGUP_WORDS.get(reason or 0, "normal")


def common_reason(reasons: Iterable[int]) -> int:
    """Why nobody could be reached: what all say, otherwise no answer."""
    said = set(reasons)
    return said.pop() if len(said) == 1 else Reason.NO_ANSWER
