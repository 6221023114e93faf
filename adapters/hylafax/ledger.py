"""Faxes whose end is to come: what was asked, and how far the server says they are.

| key of the memory | record |
|---|---|
| `fax:<RequestId>.<n>` | a fax to one number, until its end was told |
| `in:<file>` | when the fax in this file came in, as long as the server lists it |
| `since` | faxes that came in before (seconds of the epoch) are none of ours |

A fax is *begun* before the server is asked to send it; our tag on its job shows afterwards
whether the server was. It is never submitted again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from adapters.hylafax.causes import reason_of
from adapters.hylafax.rows import DONE, RUNNING, JobRow
from adapters.messaging.recorder import Draft
from linkage.ports import Clock
from protocol.messages import FaxProgressNotice, FaxResultNotice, FaxStatus
from protocol.reasons import Reason

logger = logging.getLogger("adapters.hylafax")

FAX: Final = "fax:"
GRACE_S: Final = 60.0
"""So long a job may be in none of the queues before it counts as lost."""
KEEP_UNKNOWN_S: Final = 86_400.0


class State(StrEnum):
    """How far a fax is."""

    BEGUN = "begun"
    """The server may have been asked to send it."""
    SENT = "sent"
    """The server has it; its result is to come."""
    UNKNOWN = "unknown"
    """That nobody knows was told; its job may still be seen."""


@dataclass
class Fax:
    """A fax to one number. Times are seconds of the epoch."""

    key: str
    tag: str
    job: int
    request_id: str
    fax_id: str
    to: str
    at: float
    state: State = State.BEGUN
    pages_sent: int = 0
    pages: int = 0
    dials: int = 0
    cancelled: bool = False

    def names(self) -> dict[str, Any]:
        """What its notices say of whom they are about."""
        return {"request_id": self.request_id, "fax_id": self.fax_id, "phone_num": self.to}


class Ledger:
    """All that is open. Its methods change it and put what is told of that into a draft."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.faxes: dict[str, Fax] = {}
        self.active: set[str] = set()
        """Keys of those that a command of this run is about to submit."""
        self._missing_since: dict[str, float] = {}

    def now(self) -> float:
        """Seconds of the epoch."""
        return self._clock.utc().timestamp()

    def load(self, memory: Mapping[str, Any], draft: Draft) -> None:
        """Take over what an earlier run has left."""
        for key, record in memory.items():
            if not key.startswith(FAX):
                continue
            try:
                fax = Fax(**record)
                fax.state = State(fax.state)
                float(fax.at)
                self.faxes[key] = fax
            except (TypeError, ValueError):
                logger.warning("memory: %s cannot be read, dropped", key)
                draft.memory[key] = None

    def _keep(self, fax: Fax, draft: Draft) -> None:
        draft.memory[fax.key] = dict(vars(fax))

    def _forget(self, fax: Fax, draft: Draft) -> None:
        del self.faxes[fax.key]
        self._missing_since.pop(fax.key, None)
        draft.memory[fax.key] = None

    def of(self, *, fax_id: str | None, request_id: str | None) -> list[Fax]:
        """The faxes of a message whose end is to come."""
        return [
            fax
            for fax in self.faxes.values()
            if (request_id == fax.request_id if fax_id is None else fax_id == fax.fax_id)
        ]

    # --- what is asked ---------------------------------------------------------------------------
    def begin(self, fax: Fax, draft: Draft) -> None:
        """It is about to be submitted; on disk before that is."""
        self.faxes[fax.key] = fax
        self._keep(fax, draft)

    def take_back(self, fax: Fax, draft: Draft) -> None:
        """Nothing of it was submitted."""
        self._forget(fax, draft)

    def sent(self, fax: Fax, draft: Draft) -> None:
        """The server has it."""
        if fax.key in self.faxes:
            fax.state = State.SENT
            self._keep(fax, draft)

    def cancelled(self, fax: Fax, draft: Draft) -> None:
        """The server was asked to stop it; its end will show in the queues."""
        if fax.key in self.faxes:
            fax.cancelled = True
            self._keep(fax, draft)

    def failed(self, fax: Fax, reason: Reason, draft: Draft) -> None:
        """It is not sent."""
        self._tell(fax, FaxStatus.FAILED, draft, reason)
        if fax.key in self.faxes:
            self._forget(fax, draft)

    # --- what the queues show --------------------------------------------------------------------
    def compare(self, rows: Iterable[JobRow], draft: Draft) -> None:
        """Tell what has changed since the last look."""
        seen = {row.tag: row for row in rows}  # the later one counts: it is over
        for fax in list(self.faxes.values()):
            row = seen.get(fax.tag)
            if row is None:
                self._missing(fax, draft)
            elif row.is_over:
                self._over(fax, row, draft)
            else:
                self._going_on(fax, row, draft)

    def _missing(self, fax: Fax, draft: Draft) -> None:
        now = self._clock.now()
        since = self._missing_since.setdefault(fax.key, now)
        if fax.key in self.active or now - since < GRACE_S:
            return
        if fax.state is State.UNKNOWN:
            if self.now() - fax.at > KEEP_UNKNOWN_S:
                self._forget(fax, draft)
            return
        # It was begun before a kill, or an operator has removed its job: who knows?
        self._tell(fax, FaxStatus.FAILED, draft, Reason.OUTCOME_UNKNOWN, reconstructed=True)
        fax.state = State.UNKNOWN
        self._keep(fax, draft)

    def _going_on(self, fax: Fax, row: JobRow, draft: Draft) -> None:
        self._missing_since.pop(fax.key, None)
        before = (fax.state, fax.pages_sent, fax.pages, fax.dials)
        if row.state == RUNNING and row.pages_sent > fax.pages_sent:
            told = FaxProgressNotice(
                request_id=fax.request_id,
                fax_id=fax.fax_id,
                page=row.pages_sent,
                pages=row.pages or None,
            )
            draft.tell(told, at=self._clock.utc())
        if row.dials > fax.dials and row.state != RUNNING and row.status:
            fax.pages_sent = row.pages_sent
            self._tell(fax, FaxStatus.RETRYING, draft, reason_of(row.status), attempt=row.dials)
            fax.dials = row.dials
        fax.state, fax.pages_sent = State.SENT, row.pages_sent
        fax.pages = row.pages or fax.pages
        if before != (fax.state, fax.pages_sent, fax.pages, fax.dials):
            self._keep(fax, draft)

    def _over(self, fax: Fax, row: JobRow, draft: Draft) -> None:
        fax.pages_sent, fax.pages = row.pages_sent, row.pages
        attempt = row.dials or None
        if row.state == DONE:
            self._tell(fax, FaxStatus.DONE, draft, attempt=attempt)
        else:
            reason = Reason.OPERATOR_CANCELLED if fax.cancelled else reason_of(row.status)
            status = FaxStatus.PARTIAL if row.pages_sent else FaxStatus.FAILED
            self._tell(fax, status, draft, reason, attempt=attempt)
        self._forget(fax, draft)

    # --- what is told ----------------------------------------------------------------------------
    def report(self, fax: Fax, request_id: str, draft: Draft) -> None:
        """Answer a 232: how far it is."""
        names = {**fax.names(), "request_id": request_id}
        told = FaxResultNotice(
            pages_sent=fax.pages_sent, pages=fax.pages or None, attempt=fax.dials or None, **names
        )
        draft.tell(told, at=self._clock.utc())

    def _tell(
        self,
        fax: Fax,
        status: FaxStatus,
        draft: Draft,
        reason: Reason | None = None,
        *,
        attempt: int | None = None,
        reconstructed: bool = False,
    ) -> None:
        told = FaxResultNotice(
            status=status, reason=reason, pages_sent=fax.pages_sent, pages=fax.pages or None,
            attempt=attempt, **fax.names(),
        )  # fmt: skip
        draft.tell(told, at=self._clock.utc(), reconstructed=reconstructed)
