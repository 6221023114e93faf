"""What is known of a text on its way: the job that wants it sent, its receivers, their parts."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final


class State(StrEnum):
    """How far a text is at one receiver."""

    WAITING = "waiting"
    BEGUN = "begun"
    """It may have been submitted."""
    SENT = "sent"
    """The centre has it (121), its receipts are to come."""
    UNKNOWN = "unknown"
    """That nobody knows was told (122); an answer or a receipt may still come."""
    FAILED = "failed"
    """That it did not arrive was told (122); a receipt may still say otherwise."""


OPEN: Final = frozenset({State.WAITING, State.BEGUN, State.SENT})


@dataclass
class Job:
    """A 220, or a 224 (`batch_id`). Times are seconds of the epoch."""

    id: str
    sms_id: str
    text: str
    source: str
    report: bool = True
    priority: int = 0
    valid_s: int | None = None
    due: float | None = None
    """None: it is done within its command, or never."""
    batch_id: str | None = None
    total: int = 0
    sent: int = 0
    delivered: int = 0
    failed: int = 0

    def is_over(self, now: float) -> bool:
        """Whether the time in which it is of use is over, of one that waits."""
        return self.due is not None and self.valid_s is not None and now > self.due + self.valid_s

    def left_s(self, now: float) -> float | None:
        """For how long it is still of use; None: for as long as the centre thinks."""
        if self.valid_s is None or self.due is None:
            return self.valid_s
        return self.due + self.valid_s - now


@dataclass
class Part:
    """One short message of a text: our reference, then the centre's id, then what became of it."""

    reference: int
    id: str = ""
    fate: int | None = None


@dataclass
class Target:
    """One receiver of a job."""

    key: str
    job: str
    to: str
    staff: str | None
    state: State = State.WAITING
    at: float = 0.0
    parts: list[Part] = field(default_factory=list)

    def names(self, job: Job) -> dict[str, Any]:
        """What its notices say of whom they are about."""
        return {
            "request_id": job.id, "sms_id": job.sms_id, "phone_num": self.to,
        }  # fmt: skip
