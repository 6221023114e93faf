"""What a protocol of texts is to the outbox that they all share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from adapters.messaging.model import Job, Part, Target
from linkage import ports
from protocol.messages import SmsReportStatus
from protocol.reasons import Reason


@dataclass(frozen=True, slots=True)
class Answer:
    """What a centre has said about a part: its id there, or why it does not take it."""

    id: str = ""
    reason: Reason | None = None
    is_too_much: bool = False
    """It takes none just now: the same part may be submitted again later."""


class Channel(Protocol):
    """One link to a centre, over which parts of texts are submitted."""

    @property
    def is_lost(self) -> bool:
        """Whether nothing can be submitted any more."""
        ...

    def count(self, text: str) -> int:
        """How many parts a text makes."""
        ...

    def prepare(self, job: Job) -> Sequence[Any]:
        """The parts of a job's text as `submit` wants them, without their receiver."""
        ...

    async def submit(
        self, target: Target, part: Part, prepared: Any, late: Callable[[Answer], None]
    ) -> Answer | None:
        """Submit one part; None: what the centre answered nobody knows, and it may have it.

        Args:
            target: whom it goes to.
            part: of it, with our names for it.
            prepared: what `prepare` made of it.
            late: called with an answer that comes after None was returned.

        Raises:
            AdapterUnavailableError: nothing was submitted.
        """
        ...

    async def withdraw(self, target: Target, job: Job, request: ports.Command) -> bool:
        """Ask the centre to drop what it has of a text; whether it does."""
        ...

    async def look_up(
        self, target: Target, job: Job, request: ports.Command
    ) -> SmsReportStatus | None:
        """What the centre says became of a text that it has; None: it is under way."""
        ...
