"""A line for every message: who sent it, what became of it, how long that took.

The logger is `linkage.messages`. What was accepted and delivered is told at debug, what was
refused at info, what linkage could not take at warning. A flood of refusals does not become a
flood of lines: beyond `REFUSALS_PER_S` they are counted, and the journal has them all.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from linkage.logs.request_fields import fields_of
from linkage.store.rows import JournalRow
from protocol.envelope import Request, Response
from protocol.results import FIRST_REFUSAL, Result, result_text

logger = logging.getLogger("linkage.messages")

REFUSALS_PER_S: Final = 50
NOTHING_FURTHER: Final[Mapping[str, str]] = {}
OURS: Final = frozenset(
    {Result.OVERLOAD, Result.STORAGE_FULL, Result.SWITCHING_OVER, Result.INTERNAL}
)
"""Refusals that are linkage's own fault."""


class MessageLog:
    """Of one core; called in the event loop, after the commit."""

    def __init__(self) -> None:
        self._second = 0
        self._refusals = 0
        self._untold = 0

    def taken(
        self,
        peer: str,
        request: Request,
        response: Response,
        row: JournalRow | None,
        seconds: float,
        now: float,
        further: Mapping[str, str] = NOTHING_FURTHER,
    ) -> None:
        """A request was answered; `seconds` since it was taken, `now` monotonic.

        `further` are fields of the line.
        """
        if response.result < FIRST_REFUSAL:
            if logger.isEnabledFor(logging.DEBUG):
                self._tell(
                    logging.DEBUG, "accepted", peer, request, response, row, seconds, further
                )
            return
        level = logging.WARNING if response.result in OURS else logging.INFO
        if logger.isEnabledFor(level) and self._may_tell(now):
            self._tell(level, "refused", peer, request, response, row, seconds, further)

    def _may_tell(self, now: float) -> bool:
        second = int(now)
        if second != self._second:
            if self._untold:
                logger.info(
                    "%d more refusals within a second; the journal has them all", self._untold
                )
            self._second, self._refusals, self._untold = second, 0, 0
        self._refusals += 1
        if self._refusals > REFUSALS_PER_S:
            self._untold += 1
            return False
        return True

    @staticmethod
    def _tell(
        level: int,
        what: str,
        peer: str,
        request: Request,
        response: Response,
        row: JournalRow | None,
        seconds: float,
        further: Mapping[str, str],
    ) -> None:
        fields: dict[str, Any] = {
            "peer": peer,
            **further,
            **fields_of(request),
            **_row_fields(row),
        }
        fields["result"] = int(response.result)
        fields["duration_ms"] = round(seconds * 1000, 3)
        if response.detail is not None and what == "refused":
            fields["detail"] = response.detail
        elif response.detail == "duplicate":
            fields["duplicate"] = True
        text = "" if what == "accepted" else f": {result_text(response.result)}"
        logger.log(
            level,
            "%d %s of %s %s%s",
            request.type,
            request.message.english,
            peer,
            what,
            text,
            extra=fields,
        )

    def delivered(
        self, receiver: str, request: Request, response: Response, seconds: float, now: float
    ) -> None:
        """A receiver answered a delivery, `seconds` after it was pushed; `now` monotonic."""
        accepted = response.accepted
        level = logging.DEBUG if accepted else logging.INFO
        if not logger.isEnabledFor(level) or not (accepted or self._may_tell(now)):
            return
        fields: dict[str, Any] = {
            "peer": receiver,
            **fields_of(request),
            "seq": request.seq,
            "result": int(response.result),
            "duration_ms": round(seconds * 1000, 3),
        }
        if not accepted and response.detail is not None:
            fields["detail"] = response.detail
        logger.log(
            level,
            "%d %s %s by %s",
            request.type,
            request.message.english,
            "acknowledged" if accepted else "refused",
            receiver,
            extra=fields,
        )


def _row_fields(row: JournalRow | None) -> dict[str, Any]:
    """What was found of a request: the journal's row knows more than the message."""
    if row is None:
        return {}
    found = {
        "event_id": row.event_id,
        "op_id": None if row.op_id is None else str(row.op_id),
        "call_id": row.call_id,
        "trace": row.trace,
        "journal_seq": row.seq,
    }
    return {name: value for name, value in found.items() if value is not None}
