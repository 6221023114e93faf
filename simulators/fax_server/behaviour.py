"""What becomes of a fax: decided by the last two digits of the number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What becomes of a fax to a number.

    `failures`: what each attempt but the last, successful one fails with, and at how many pages;
    `always`: every attempt fails so.
    """

    meaning: str
    failures: tuple[tuple[str, int], ...] = ()
    always: tuple[str, int] | None = None
    refusal: str = ""
    """Why the job is not taken at all."""
    drops_link: bool = False
    """The job is taken, and the connection lost before the answer."""
    is_silent: bool = False
    """Nothing becomes of it by itself."""

    def failure(self, attempt: int) -> tuple[str, int] | None:
        """Why an attempt (1, 2, …) fails and after how many pages; None: it does not."""
        if self.always is not None:
            return self.always
        return self.failures[attempt - 1] if attempt <= len(self.failures) else None


BUSY: Final = ("Busy signal detected", 0)
DELIVERED: Final = Behaviour(meaning="it arrives")
BEHAVIOURS: Final = {
    "91": Behaviour(meaning="busy, however often it is tried", always=BUSY),
    "92": Behaviour(meaning="nobody answers", always=("No answer from remote", 0)),
    "93": Behaviour(meaning="a person answers, no fax", always=("No carrier detected", 0)),
    "94": Behaviour(
        meaning="hangs up after the first page", always=("Remote fax disconnected prematurely", 1)
    ),
    "95": Behaviour(meaning="busy once, then it arrives", failures=(BUSY,)),
    "96": Behaviour(
        meaning="training fails", always=("Failure to train remote modem at 2400 bps", 0)
    ),
    "98": Behaviour(meaning="taken, but the link is dropped before the answer", drops_link=True),
    "99": Behaviour(meaning="the job is refused", refusal="Failed to submit job"),
}
"""Last two digits → what becomes of a fax to such a number; to all others it arrives."""


def behaviour_of(number: str) -> Behaviour:
    """What becomes of a fax to a number."""
    return BEHAVIOURS.get(number[-2:], DELIVERED)
