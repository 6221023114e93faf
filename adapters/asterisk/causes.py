"""Why a leg ended: Q.850 causes as Asterisk gives them, to the reasons of the protocol and back.

The table itself is protocol.md#reasons (`protocol.reasons`); here are Asterisk's own ways.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from protocol.reasons import SIP_REASONS, Reason, reason_from_q850, reason_from_sip

NORMAL_CLEARING: Final = 16
SILENT: Final = frozenset({None, 0, 127})
"""Causes that say nothing: a BYE without a Reason header comes as 0 or none, a CANCEL as 127."""
SIP_FAILURES: Final = range(300, 700)
"""What a `tech_cause` is when SIP gave it; other technologies have small numbers of their own."""
SIP_SERVER_FAILURES: Final = range(500, 600)
UNAVAILABLE: Final = 480
"""Nobody answered, or he does not want to now, or is not there: as Q.850's 19 says."""
TIMEOUT: Final = 408
"""After ringing it means that nobody answered; before, that nobody is at that address, and then
Asterisk says it itself."""

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


def reason_of(
    cause: int | None, *, answered: bool, status: int | None = None, rang: bool = False
) -> Reason:
    """The reason why a party that we did not hang up is gone.

    `status` is Asterisk's `tech_cause` (22.7 and later). Asterisk makes the Q.850 cause of it and
    loses much by that: 403 and 603 are both 21, a server's 5xx is "congestion", a loop (483) is
    "no answer", and 607 and 608 are nothing at all. `rang`: the telephone had begun to ring.
    """
    if answered:
        return Reason.NORMAL if cause in SILENT else reason_from_q850(cause or 0)
    if status in SIP_FAILURES:
        return _refused_by(status or 0, cause, rang=rang)
    if cause in SILENT:
        return Reason.CALL_FAILED
    # A telephone that was rung and went without an answer did not clear "normally".
    if cause == NORMAL_CLEARING:
        return Reason.NO_ANSWER
    return reason_from_q850(cause or 0)


def _refused_by(status: int, cause: int | None, *, rang: bool) -> Reason:
    if status == UNAVAILABLE or (status == TIMEOUT and rang):
        return Reason.NO_ANSWER
    if status == TIMEOUT:
        return Reason.UNREACHABLE
    # What the table does not name may still mean something by Q.850: 401 is 21, 485 is 1.
    unnamed = status not in SIP_REASONS and status not in SIP_SERVER_FAILURES
    if unnamed and cause not in SILENT and cause != NORMAL_CLEARING:
        return reason_from_q850(cause or 0)
    return reason_from_sip(status)


def hangup_word(reason: int | None) -> str:
    """What Asterisk is told when we hang up a channel for a reason."""
    return HANGUP_WORDS.get(reason or 0, "normal")
