"""A line for every message: who sent it, what became of it, how long that took.

The logger is `linkage.messages`. What was accepted and delivered is told at debug, what was
refused at info, what linkage could not take at warning. A flood of refusals does not become a
flood of lines: beyond `REFUSALS_PER_S` they are counted, and the journal has them all.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from linkage.core.jobs import Done, Register, Submit
from linkage.ports import fields_of
from protocol.envelope import Request, Response
from protocol.registration import peer_id_of
from protocol.results import FIRST_REFUSAL, Result, result_text

logger = logging.getLogger("linkage.messages")

REFUSALS_PER_S: Final = 50
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

    def taken(self, work: Submit | Register, done: Done, seconds: float, now: float) -> None:
        """A request was answered; `seconds` since it was taken, `now` monotonic."""
        response = done.response
        if response is None:
            return
        if response.result < FIRST_REFUSAL:
            if logger.isEnabledFor(logging.DEBUG):
                self._tell(logging.DEBUG, "accepted", work, done, response, seconds)
            return
        level = logging.WARNING if response.result in OURS else logging.INFO
        if logger.isEnabledFor(level) and self._may_tell(now):
            self._tell(level, "refused", work, done, response, seconds)

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
        work: Submit | Register,
        done: Done,
        response: Response,
        seconds: float,
    ) -> None:
        fields = taken_fields(work, done)
        fields["result"] = int(response.result)
        fields["duration_ms"] = round(seconds * 1000, 3)
        if response.detail is not None and what == "refused":
            fields["detail"] = response.detail
        elif response.detail == "duplicate":
            fields["duplicate"] = True
        request = work.request
        text = "" if what == "accepted" else f": {result_text(response.result)}"
        logger.log(
            level,
            "%d %s of %s %s%s",
            request.type,
            request.message.english,
            fields["peer"],
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


def taken_fields(work: Submit | Register, done: Done) -> dict[str, Any]:
    """Who sent it, and what was found of it: the journal's row knows more than the message."""
    fields = fields_of(work.request)
    if isinstance(work, Register):
        return {"peer": peer_id_of(work.request.message) or "?", "address": work.address, **fields}
    row = done.row
    if row is not None:
        found = {
            "event_id": row.event_id,
            "op_id": None if row.op_id is None else str(row.op_id),
            "call_id": row.call_id,
            "trace": row.trace,
            "journal_seq": row.seq,
        }
        fields.update({name: value for name, value in found.items() if value is not None})
    return {"peer": work.source, **fields}
